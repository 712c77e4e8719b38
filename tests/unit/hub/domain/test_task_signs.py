"""What the feed tells of a wait and of a run: true reasons or none, troubles of the bot's own machine only."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.wire.words import DesktopNeed
from hub.domain.condition import DESKTOP
from hub.domain.task_signs import Attempt, Counted, Sign, troubles
from hub.domain.timeline import Step, timeline
from tests.support.clock import START
from tests.unit.hub.domain.test_timeline import task

GONE = "it is not reached: its X server :3 has ended"
NEEDS_DESKTOP = Counted(needs={DESKTOP: ""}, desktop=DesktopNeed.REQUIRED)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(**changes: object) -> Attempt:
    empty = dict.fromkeys(one.name for one in dataclasses.fields(Attempt))
    known: dict[str, object] = {"runner_id": "rnr_1", "runner": "vm1", "build_id": "bld_1", "slot": 1}
    known |= {"state": "running", "granted_at": at(60)}
    return Attempt(**{**empty, **known, **changes})  # type: ignore[arg-type]


def fault(code: str, since: float, slot: int | None = 1, message: str = "") -> dict[str, Any]:
    desktop = None if slot is None else ":3"
    known = {"code": code, "slot": slot, "desktop": desktop, "application": None, "message": message or code}
    return {**known, "since": at(since).isoformat()}


def sign(kind: str, seconds: float, runner: str = "rnr_1", **members: Any) -> Sign:
    return Sign(kind=kind, at=at(seconds), subject=runner, runner_id=runner, **members)


def told(kind: str, seconds: float, **data: list[dict[str, Any]]) -> Sign:
    return sign(kind, seconds, data=data)


def waits(*signs: Sign, counted: Counted = NEEDS_DESKTOP, **changes: object) -> list[tuple[float | None, str]]:
    """How long it waited for what, of an attempt that was granted after 60 s."""
    story = timeline(task(), [attempt(**changes)], signs, waits_for="", now=at(70), counted=counted)
    return [(one.lasted_s, one.text) for one in story if one.step in {Step.WAITED, Step.PREPARING}]


def test_a_wait_that_no_event_explains_has_no_reason() -> None:
    """A limit, a size, a pause: no slot is blamed for it."""
    assert [(60.0, "")] == waits()
    others = (
        sign("execution.ending", 59, runner="rnr_2", slot=1, task="7"),
        sign("execution.ending", 59, slot=0, task="8"),
        sign("execution.ending", 30, slot=1, task="9"),
    )
    assert [(60.0, "")] == waits(*others), "another's, another slot's, and one that was free for half a minute"


def test_who_had_the_slot_until_then_is_named() -> None:
    left = (sign("execution.ending", 20, slot=1, task="11"), sign("execution.ending", 59.5, slot=1, task="12.2"))
    assert [(60.0, "until task 12.2 left slot 1 of vm1")] == waits(*left)


def test_an_unfit_desktop_is_the_reason_for_as_long_as_it_stood() -> None:
    """Credits hear of the mend before it is written down: the event may be younger than the grant."""
    mended = told("runner.fit", 60.4, faults=[], mended=[fault("gone", 20, message=GONE)])
    reason = "for vm1 to be fit: its desktop :3 is not reached: its X server :3 has ended"
    assert [(20.0, ""), (40.0, reason)] == waits(mended)
    assert [(60.0, reason)] == waits(told("runner.fit", 60, faults=[], mended=[fault("gone", -9, message=GONE)]))
    both = told("runner.fit", 60, faults=[], mended=[fault("locked", 50), fault("gone", 20, message=GONE)])
    assert [(20.0, ""), (40.0, reason)] == waits(both), "the longer one, once"
    others = told("runner.unfit", 60, faults=[fault("locked", 0, slot=0)], mended=[fault("locked", -9)])
    assert [(60.0, "for vm1 to be fit: its desktop :3 is locked")] == waits(others), "of two faults one has gone"


@pytest.mark.parametrize(
    ("counted", "mended", "is_told"),
    [
        (NEEDS_DESKTOP, fault("locked", 0), True),
        (NEEDS_DESKTOP, fault("locked", 0, slot=0), False),
        (Counted(), fault("locked", 0), False),
        (Counted(), fault("low_memory", 0, slot=None), True),
        (Counted(), fault("no_browser", 0, slot=None), False),
        (Counted(needs={"botyard.application.browser": ""}), fault("no_browser", 0, slot=None), True),
    ],
)
def test_only_what_kept_this_task_from_this_slot_is_a_reason(
    counted: Counted, mended: Mapping[str, Any], is_told: bool
) -> None:
    ((_, text),) = waits(told("runner.fit", 60, faults=[], mended=[dict(mended)]), counted=counted)
    assert is_told == text.startswith("for vm1 to be fit: ")


def test_a_runner_that_was_away_for_a_moment_is_blamed_for_that_moment() -> None:
    """A limit kept the task; meanwhile the daemon was restarted, and a drain was begun and ended."""
    away = sign("runner.disconnected", 20), sign("runner.connected", 25)
    drained = sign("runner.draining", 30), sign("runner.draining", 31), sign("runner.resumed", 40)
    assert [
        (20.0, ""),
        (5.0, "for vm1 to connect"),
        (5.0, ""),
        (10.0, "for vm1 to take work again"),
        (20.0, ""),
    ] == waits(*away, *drained)
    assert [(25.0, "for vm1 to connect"), (35.0, "")] == waits(away[1]), "away since before"


RAN: dict[str, object] = {"started_at": at(60), "ended_at": at(100), "settled_at": at(101), "outcome": "failed"}
LOST = "the desktop of slot 1 (:3) was lost while it ran: its X server :3 has ended"


def troubles_of(*signs: Sign, counted: Counted | None = None, **changes: object) -> list[str]:
    return [one.text for one in troubles(attempt(**{**RAN, **changes}), signs, counted or Counted())]


def test_a_desktop_that_was_lost_under_the_bot_is_told_once_in_its_place() -> None:
    gone = fault("gone", 80, message=GONE)
    signs = (
        told("runner.unfit", 80.1, faults=[gone], mended=[]),
        told("runner.unfit", 90, faults=[gone, fault("locked", 90, slot=0)], mended=[]),
        told("runner.fit", 103, faults=[], mended=[gone]),
    )
    story = timeline(task(), [attempt(**RAN)], signs, waits_for="", now=at(200))
    steps = [(str(one.step), one.at) for one in story if one.at > at(60) or one.step is Step.STARTED]
    assert [("started", at(60)), ("unfit", at(80)), ("ended", at(100))] == steps[:3]
    assert [LOST] == [one.text for one in story if one.step is Step.UNFIT]


def test_a_loss_that_was_noticed_just_after_the_bot_failed_of_it_is_told_behind_its_end() -> None:
    late = told("runner.unfit", 101.5, faults=[fault("gone", 101.4, message=GONE)], mended=[])
    assert [LOST.replace(" while it ran", "")] == troubles_of(late)
    story = timeline(task(), [attempt(**RAN)], [late], waits_for="", now=at(200))
    assert [Step.ENDED, Step.UNFIT, Step.SETTLED] == [one.step for one in story][-4:-1]
    assert [] == troubles_of(late, outcome="succeeded")
    virtual = {**fault("gone", 80, message=GONE), "desktop": "of slot 1"}
    assert [LOST.replace(" (:3)", "")] == troubles_of(told("runner.unfit", 80, faults=[virtual], mended=[]))
    assert [LOST] == troubles_of(late, ended_at=None, settled_at=None, outcome=None), "it runs"


@pytest.mark.parametrize(
    ("counted", "wrong", "text"),
    [
        (Counted(), fault("locked", 80), "vm1 became unfit while it ran: its desktop :3 is locked"),
        (Counted(desktop=DesktopNeed.NONE), fault("locked", 80), None),
        (Counted(), fault("locked", 80, slot=0), None),
        (Counted(), fault("locked", 40), None),
        (Counted(), fault("gone", 104), None),
        (Counted(), fault("low_memory", 80, None, "it has 40 MiB left"), "vm1 became unfit while it ran: it has 40"),
    ],
)
def test_only_what_went_wrong_meanwhile_and_there_is_told(
    counted: Counted, wrong: dict[str, Any], text: str | None
) -> None:
    found = troubles_of(told("runner.unfit", 104, faults=[wrong], mended=[]), counted=counted)
    assert ([] if text is None else [True]) == [one.startswith(str(text)) for one in found]
    assert [] == troubles_of(sign("runner.unfit", 80, runner="rnr_2", data={"faults": [fault("locked", 80)]}))
    assert [] == troubles_of(told("runner.unfit", 80, faults=[fault("locked", 80)]), started_at=None)
