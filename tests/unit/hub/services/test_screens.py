"""What a hub keeps of desktops that somebody looks at: the newest picture, of so many, for so many viewers."""

from contextlib import ExitStack

import pytest

from agent.wire.screens import ScreenNews, ShowScreen
from hub.errors import Conflict, Unavailable
from hub.services import screens
from hub.services.screens import SCREENS_MAX, VIEWERS_MAX, Screens
from tests.support.clock import FakeClock
from tests.support.work_world import PlayedSession, PlayedSessions

RUNNER = "rnr_" + "1" * 32


@pytest.fixture
def session() -> PlayedSession:
    """A linked runner's."""
    return PlayedSession(runner_id=RUNNER, epoch=1)


@pytest.fixture
def shown(session: PlayedSession, clock: FakeClock) -> Screens:
    """The hub's memory."""
    sessions = PlayedSessions()
    sessions.by_runner[RUNNER] = session
    return Screens(sessions, clock.monotonic)


def asked(session: PlayedSession) -> list[ShowScreen]:
    """What the runner was told."""
    return [one for one in session.sent if isinstance(one, ShowScreen)]


async def test_a_viewer_that_reads_slowly_costs_one_picture(shown: Screens, session: PlayedSession) -> None:
    """A hundred come meanwhile: the last one is the next that it sees."""
    with shown.look(RUNNER, 0) as viewer:
        shown.show(RUNNER, 0, _look(shown, session), b"first")
        first = await viewer.first()
        for number in range(100):
            shown.show(RUNNER, 0, asked(session)[0].look, b"%d" % number)
        newer = await viewer.next(first, 1.0)
        assert (first.png, newer.png if newer else b"") == (b"first", b"99")


def _look(shown: Screens, session: PlayedSession) -> str:
    """The runner is told by the first viewer who waits; here before that."""
    key, show = next(iter(shown._shows.items()))
    shown.renew(key, show)
    return asked(session)[-1].look


async def test_viewers_and_desktops_are_bounded(shown: Screens) -> None:
    """One more is told to come later; who leaves makes room."""
    with ExitStack() as stack:
        for _ in range(VIEWERS_MAX):
            stack.enter_context(shown.look(RUNNER, 0))
        with pytest.raises(Unavailable, match="look at this desktop already"):
            stack.enter_context(shown.look(RUNNER, 0))
        for slot in range(1, SCREENS_MAX):
            stack.enter_context(shown.look(RUNNER, slot))
        with pytest.raises(Unavailable, match="desktops are looked at already"):
            stack.enter_context(shown.look(RUNNER, SCREENS_MAX))
    with shown.look(RUNNER, SCREENS_MAX):
        pass


async def test_an_old_picture_is_not_what_it_looks_like_now(
    shown: Screens, session: PlayedSession, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second viewer is shown what the runner confirmed a moment ago, or waits; and a runner may stay silent."""
    monkeypatch.setattr(screens, "FIRST_S", 0.05)
    with shown.look(RUNNER, 0), shown.look(RUNNER, 0) as second:
        look = _look(shown, session)
        shown.show(RUNNER, 0, look, b"png")
        clock.advance(10)
        with pytest.raises(Conflict, match="has shown nothing"):
            await second.first()
        shown.note(RUNNER, 0, look, ScreenNews(state="same"))
        assert (await second.first()).png == b"png"


async def test_the_lease_is_renewed_and_ends_with_the_last_viewer(
    shown: Screens, session: PlayedSession, clock: FakeClock
) -> None:
    """By repeating the message now and then, not with each picture."""
    with shown.look(RUNNER, 0) as viewer:
        look = _look(shown, session)
        shown.show(RUNNER, 0, look, b"png")
        for _ in range(10):
            await viewer.first()
        assert len(asked(session)) == 1
        clock.advance(screens.RENEW_S)
        shown.note(RUNNER, 0, look, ScreenNews(state="same"))
        await viewer.first()
        assert [one.lease_s for one in asked(session)] == [screens.LEASE_S] * 2
    assert asked(session)[-1].lease_s == 0.0
    assert not shown.is_wanted(RUNNER, 0, look)
