"""A runner shows its desktops while somebody looks: what changed, that nothing did, or why there is no picture."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from agent.desktops.port import Frame
from agent.gateway_port import Forward
from agent.screens.png import halved
from agent.screens.showing import Showing
from agent.wire.screens import SCREEN_ROUTE, ScreenNews, ShowScreen
from tests.support.clock import ShiftedClock
from tests.support.pictures import BLUE, PaintedDesktop, dotted, plain, read_png
from tests.support.waiting import eventually

LOOK = ShowScreen(slot=0, look="1" * 32, every_s=0.1, lease_s=60.0)


@dataclass(slots=True)
class PlayedHub:
    """Takes pictures, and notes them by slot and look."""

    url: str = ""
    came: list[tuple[str, Frame | ScreenNews]] = field(default_factory=list)
    status: int = 204
    is_linked: bool = True

    def forward(self) -> Forward | None:
        """The way here."""
        return Forward(base_url=self.url, ticket="t", epoch=1, ssl_context=None) if self.is_linked else None

    async def take(self, request: web.Request) -> web.Response:
        """One picture."""
        assert request.headers["Authorization"] == "Bearer t"
        body = await request.read()
        is_png = request.content_type == "image/png"
        known = f"{request.match_info['slot']} {request.match_info['look'][0]}"
        self.came.append((known, read_png(body) if is_png else ScreenNews.model_validate_json(body)))
        return web.Response(status=self.status)

    @property
    def pictures(self) -> list[Frame]:
        """Those that came."""
        return [one for _, one in self.came if isinstance(one, Frame)]

    @property
    def news(self) -> list[ScreenNews]:
        """What was said instead."""
        return [one for _, one in self.came if isinstance(one, ScreenNews)]


@pytest.fixture
async def hub() -> AsyncIterator[PlayedHub]:
    """A hub that listens."""
    made = PlayedHub()
    app = web.Application(client_max_size=2**24)
    app.router.add_put(SCREEN_ROUTE, made.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@asynccontextmanager
async def showing(hub: PlayedHub, *desktops: PaintedDesktop) -> AsyncIterator[tuple[Showing, ShiftedClock]]:
    """A daemon's part that shows."""
    by_slot, clock = {one.slot: one for one in desktops}, ShiftedClock()
    made = Showing(clock, by_slot.get, hub)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.run())
        yield made, clock
        running.cancel()


async def test_only_what_changed_travels(hub: PlayedHub) -> None:
    """The first picture at once, then each that is another; between them that it is the same."""
    desktop = PaintedDesktop()
    async with showing(hub, desktop) as (shown, _):
        shown.show(LOOK)
        await eventually(lambda: hub.pictures == [plain()])
        await eventually(lambda: desktop.grabs > 3)
        assert hub.pictures == [plain()]
        desktop.frame = plain(colour=BLUE)
        await eventually(lambda: hub.pictures == [plain(), plain(colour=BLUE)])
        await eventually(lambda: hub.news == [ScreenNews(state="same")])
        shown.show(LOOK.model_copy(update={"look": "2" * 32}))
        await eventually(lambda: hub.came[-1] == ("0 2", plain(colour=BLUE)))


async def test_nothing_is_grabbed_when_nobody_looks(hub: PlayedHub) -> None:
    """Before the first look, after the last word, after the lease, and after the hub's 410."""
    desktop = PaintedDesktop()
    async with showing(hub, desktop) as (shown, clock):
        assert desktop.grabs == 0
        for how in ("said", "lease", "410"):
            hub.status = 410 if how == "410" else 204
            hub.came.clear()
            shown.show(LOOK)
            await eventually(lambda: hub.came)
            if how == "said":
                shown.show(LOOK.model_copy(update={"lease_s": 0.0}))
            elif how == "lease":
                clock.advance(61)
            await eventually(lambda: not shown.is_anybody_looking)
        grabs = desktop.grabs
        desktop.frame = plain(colour=BLUE)
        shown.show(LOOK.model_copy(update={"slot": 1}))
        await eventually(lambda: hub.came[-1][0] == "1 1")
        assert desktop.grabs == grabs


async def test_why_there_is_no_picture_is_told_and_mended(hub: PlayedHub) -> None:
    """No desktop in this slot; one whose server is gone, and is back."""
    desktop = PaintedDesktop(problem="The X server :1 is gone.")
    async with showing(hub, desktop) as (shown, _):
        shown.show(LOOK)
        shown.show(LOOK.model_copy(update={"slot": 1}))
        await eventually(lambda: len(hub.news) >= 2)
        assert {one.message for one in hub.news} == {
            "The X server :1 is gone.",
            "There is no desktop in slot 1: its bots run in the background.",
        }
        desktop.problem = ""
        await eventually(lambda: hub.pictures == [plain()])


async def test_two_desktops_are_shown_side_by_side(hub: PlayedHub) -> None:
    """Each to those who look at it."""
    other = PaintedDesktop(slot=1, frame=dotted(plain(), (2, 2)))
    async with showing(hub, PaintedDesktop(), other) as (shown, _):
        shown.show(LOOK)
        shown.show(LOOK.model_copy(update={"slot": 1}))
        await eventually(lambda: {where for where, _ in hub.came} == {"0 1", "1 1"})
        assert sorted(hub.pictures, key=lambda one: one.pixels) == sorted(
            [plain(), other.frame], key=lambda one: one.pixels
        )


async def test_a_hub_that_is_away_is_asked_again(hub: PlayedHub) -> None:
    """While the lease lives: a session that is over, an answer that is none."""
    async with showing(hub, PaintedDesktop()) as (shown, _):
        hub.status = 503
        shown.show(LOOK)
        await eventually(lambda: hub.pictures == [plain()])
        hub.status = 204
        await eventually(lambda: hub.pictures == [plain(), plain()])


def test_a_huge_desktop_travels_at_half_its_size() -> None:
    """Every second pixel of every second row."""
    frame = dotted(plain(5, 5), (0, 0), (2, 2), (3, 3), (4, 4))
    assert halved(frame) == dotted(plain(2, 2), (0, 0), (1, 1))
