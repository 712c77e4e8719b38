"""The story of a task, step by step: what it waited for, and how long each step took (issue 3, part 6)."""

import dataclasses
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.words import Outcome, Reason, ReportStatus, TaskState
from hub.domain.prerequisite import Prerequisite, When
from hub.domain.task import ReportView, TaskView
from hub.domain.task_signs import Attempt, Sign
from hub.domain.timeline import Moment, Step, timeline
from tests.support.clock import START


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def task(**changes: object) -> TaskView:
    empty = {one.name: None for one in dataclasses.fields(TaskView) if one.default is dataclasses.MISSING}
    known: dict[str, object] = {
        "state": TaskState.QUEUED,
        "created_at": at(0),
        "created_by": "token:admin",
        "flags": (),
    }
    return TaskView(**{**empty, **known, **changes})  # type: ignore[arg-type]


def attempt(**changes: object) -> Attempt:
    empty = dict.fromkeys(one.name for one in dataclasses.fields(Attempt))
    known: dict[str, object] = {
        "execution_id": "exe_1",
        "runner_id": "rnr_1",
        "runner": "vm1",
        "build_id": "bld_1",
        "slot": 0,
    }
    known |= {"state": "running", "granted_at": at(0)}
    return Attempt(**{**empty, **known, **changes})  # type: ignore[arg-type]


def told(moments: tuple[Moment, ...]) -> list[tuple[str, float | None, str]]:
    return [(str(one.step), one.lasted_s, one.text) for one in moments]


DONE = {"state": TaskState.FINISHED, "outcome": Outcome.SUCCEEDED}


def test_a_task_that_ran_at_once() -> None:
    ran = attempt(
        state="finished",
        started_at=at(0.01),
        reported_at=at(2),
        report="succeeded",
        ended_at=at(2.5),
        settled_at=at(3),
        exit_code=0,
        outcome="succeeded",
    )
    story = timeline(task(settled_at=at(3), **DONE), [ran], [], waits_for="", now=at(99))
    assert [
        ("created", 0.0, "by token:admin"),
        ("granted", 0.01, "to vm1"),
        ("started", 1.99, ""),
        ("reported", 0.5, "succeeded"),
        ("ended", 0.5, "exit code 0"),
        ("settled", None, "succeeded"),
    ] == told(story)


@pytest.mark.parametrize(
    ("sign", "step", "text"),
    [
        (Sign(kind="bot.released", at=at(4), subject="bot_1", new="bld_1"), "waited", "for the release of its build"),
        (Sign(kind="runner.connected", at=at(4), subject="rnr_1", runner_id="rnr_1"), "waited", "for vm1 to connect"),
        (
            Sign(kind="runner.resumed", at=at(4), subject="rnr_1", runner_id="rnr_1"),
            "waited",
            "for vm1 to take work again",
        ),
        (Sign(kind="build.prepared", at=at(4), subject="bld_1", runner_id="rnr_1"), "waited", "on vm1"),
    ],
)
def test_what_it_waited_for_is_what_came_last(sign: Sign, step: str, text: str) -> None:
    story = timeline(task(state=TaskState.RUNNING), [attempt(granted_at=at(4.01))], [sign], waits_for="", now=at(5))
    assert [(step, 4.01, text)] == told(story)[1:2]


def test_each_thing_that_was_missing_has_its_own_wait() -> None:
    """Released after 2 s, prepared from 3 to 7 s, then a slot after 10 s."""
    signs = [
        Sign(kind="bot.released", at=at(2), subject="bot_1", new="bld_1"),
        Sign(kind="build.preparing", at=at(3), subject="bld_1", runner_id="rnr_1"),
        Sign(kind="build.prepared", at=at(6), subject="bld_1", runner_id="rnr_other"),
        Sign(kind="build.prepared", at=at(7), subject="bld_1", runner_id="rnr_1"),
        Sign(kind="runner.connected", at=at(8), subject="rnr_other", runner_id="rnr_other"),
    ]
    story = timeline(task(state=TaskState.RUNNING), [attempt(granted_at=at(10))], signs, waits_for="", now=at(11))
    assert [
        ("created", 0.0, "by token:admin"),
        ("waited", 2.0, "for the release of its build"),
        ("preparing", 5.0, "on vm1"),
        ("waited", 3.0, ""),
        ("granted", 1.0, "to vm1"),
    ] == told(story)


def test_a_moment_then_a_queue_that_lasts() -> None:
    waiting = task(not_before=at(60))
    story = timeline(waiting, [], [], waits_for="All 2 slots are busy.", now=at(90))
    assert [("waited", 60.0), ("waited", 30.0)] == [(step, length) for step, length, _ in told(story)[1:]]
    assert "All 2 slots are busy." == story[-1].text
    assert "until 2030-01-01 12:01:00 UTC" == story[1].text


def test_a_void_and_a_retry_each_begin_a_wait() -> None:
    """core.md §4: a void is no attempt; a retry by policy is another execution of the same task."""
    void = attempt(state="void", granted_at=at(1), settled_at=at(2), void_reason="stale")
    failed = attempt(
        state="finished",
        granted_at=at(4),
        started_at=at(4),
        ended_at=at(5),
        settled_at=at(5),
        exit_code=7,
        outcome="failed",
        reason="exit_code",
    )
    again = attempt(granted_at=at(8), started_at=at(8))
    story = timeline(task(state=TaskState.RUNNING), [void, failed, again], [], waits_for="", now=at(9))
    assert [
        "created",
        "waited",
        "granted",
        "voided",
        "waited",
        "granted",
        "started",
        "ended",
        "settled",
        "waited",
        "granted",
        "started",
    ] == [str(one.step) for one in story]
    assert "never started: stale" == story[3].text
    assert "attempt failed: exit_code" == story[8].text


def test_canceled_before_a_grant_and_amended_later() -> None:
    amended = ReportView(status=ReportStatus.SUCCEEDED, by="ana", at=at(9))
    canceled = task(
        state=TaskState.FINISHED,
        outcome=Outcome.CANCELED,
        cancel_requested_at=at(3),
        cancel_requested_by="ana",
        settled_at=at(3),
        amendment=amended,
    )
    story = timeline(canceled, [], [], waits_for="", now=at(20))
    assert [
        ("created", 3.0, "by token:admin"),
        ("stop_asked", 0.0, "cancel by ana"),
        ("settled", 6.0, "canceled"),
        ("amended", None, "succeeded by ana"),
    ] == told(story)


@given(st.lists(st.floats(min_value=-50, max_value=50), min_size=5, max_size=5))
def test_no_step_comes_before_the_one_that_it_follows_from(times: list[float]) -> None:
    """Bots' times are their runners': a clock that is off makes steps short, never negative."""
    granted, started, reported, ended, settled = (at(100 + one) for one in times)
    ran = attempt(
        state="finished",
        granted_at=granted,
        started_at=started,
        reported_at=reported,
        ended_at=ended,
        settled_at=settled,
        outcome="failed",
    )
    story = timeline(task(settled_at=settled, **DONE), [ran], [], waits_for="", now=at(200))
    assert all(one.lasted_s is None or one.lasted_s >= 0 for one in story)
    assert [one.at for one in story] == sorted(one.at for one in story)
    assert Step.SETTLED == story[-1].step


def test_what_a_task_waited_for_before_it_could_run() -> None:
    """Other tasks first, then its moment, each as long as it kept the task; no slot is blamed for it."""

    def prerequisite(number: int, settled: float, outcome: Outcome = Outcome.SUCCEEDED) -> Prerequisite:
        known = {"automation": "a", "state": TaskState.FINISHED, "settled_at": at(settled)}
        return Prerequisite(id=f"tsk_{number}", number=number, round=1, outcome=outcome, **known)  # type: ignore[arg-type]

    both = (prerequisite(12, 10), prerequisite(13, 30))
    ran = attempt(granted_at=at(60))
    waits: dict[str, object] = {"state": TaskState.RUNNING, "prerequisites": both, "not_before": at(60)}
    story = timeline(task(**waits, after=When.SUCCEEDED), [ran], [], waits_for="", now=at(61))
    first = [("created", 0.0, "by token:admin"), ("waited", 30.0, "for task 12, 13")]
    assert [*first, ("waited", 30.0, "until 2030-01-01 12:01:00 UTC"), ("granted", 1.0, "to vm1")] == told(story)
    any_of_them = timeline(task(**waits, after=When.ANY), [ran], [], waits_for="", now=at(61))
    assert [10.0, 50.0] == [one.lasted_s for one in any_of_them if one.step is Step.WAITED]
    ended = {"state": TaskState.FINISHED, "outcome": Outcome.CANCELED, "reason": Reason.PREREQUISITE}
    spoilt = (prerequisite(12, 10, Outcome.FAILED),)
    canceled = task(**ended, settled_at=at(10), after=When.SUCCEEDED, prerequisites=spoilt)
    assert [
        ("created", 0.0, "by token:admin"),
        ("waited", 10.0, "for task 12"),
        ("settled", None, "canceled: prerequisite"),
    ] == told(timeline(canceled, [], [], waits_for="", now=at(99)))
