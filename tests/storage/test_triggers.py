"""Triggers on both databases: defined, fired once (R62), passed over (R64), given up, and beside their own tasks."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.wire.messages import Stop
from agent.wire.words import Outcome, TaskState
from hub.domain.automation import AutomationState
from hub.domain.parameters import Parameter
from hub.services import schedules, tasks, triggers
from hub.services.schedules import Look
from tests.support.clock import START, FakeClock
from tests.support.trigger_work import DAYS, HOUR, define, fire, history, shown
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, started, work_world


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    async with work_world(database_url, clock) as made:
        yield made


async def test_a_moment_makes_one_task(world: WorkWorld, clock: FakeClock) -> None:
    row = await define(world, definition={"priority": 9})
    assert (START + timedelta(hours=1), START) == (row.next_at, row.considered_at)
    assert 0 == await fire(world)

    clock.advance(HOUR + 1)
    assert [1, 0] == [await fire(world), await fire(world)]

    (task,) = await world.rows("tasks")
    assert (row.id, "trigger:hourly", TaskState.QUEUED, 9) == (
        task["trigger_id"],
        task["created_by"],
        task["state"],
        task["priority"],
    )
    (line,) = await history(world)
    assert (START + timedelta(hours=1), "fired", task["id"], 1) == (
        line.scheduled_for,
        line.outcome,
        line.task_id,
        line.task_number,
    )
    assert START + timedelta(hours=2) == (await shown(world)).next_at


async def test_r62_two_hubs_at_once_fire_once(world: WorkWorld, clock: FakeClock) -> None:
    for number in range(20):
        await define(world, f"t{number}")
    clock.advance(HOUR)
    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(fire(world, 7))
    while await fire(world):
        pass
    assert 20 == len(await world.rows("tasks"))
    assert 20 == len(await world.rows("firings"))


async def test_r62_a_cause_fires_once_even_if_the_clock_goes_back(world: WorkWorld, clock: FakeClock) -> None:
    await define(world)
    clock.advance(HOUR)
    await fire(world)
    clock.jump(-HOUR / 2)
    await world.store.write(triggers.edit, ADMIN, "hourly", {"name": "again"})
    clock.advance(HOUR / 2)
    await fire(world)
    assert 1 == len(await world.rows("tasks"))
    assert START + timedelta(hours=2) == (await shown(world)).next_at


@pytest.mark.parametrize(
    ("policy", "fired", "skipped"),
    [
        ({"misfire": "none"}, [], [1]),
        ({"misfire": "last"}, [5], [1]),
        ({"misfire": "all"}, [1, 2, 3, 4, 5], []),
        ({"misfire": "all", "misfire_cap": 2}, [4, 5], [1]),
        ({"misfire": "all", "misfire_window_s": 7200}, [4, 5], [1]),
        ({"misfire": "last", "misfire_window_s": 60}, [], [1]),
    ],
)
async def test_r64_what_was_missed(
    world: WorkWorld, clock: FakeClock, policy: dict[str, Any], fired: list[int], skipped: list[int]
) -> None:
    await define(world, definition=policy)
    clock.advance(5.5 * HOUR)
    await fire(world)
    lines = await history(world)
    hours = {
        outcome: [
            round((line.scheduled_for - START).total_seconds() / HOUR)
            for line in lines
            if line.outcome == outcome and line.scheduled_for
        ]
        for outcome in ("fired", "skipped")
    }
    assert {"fired": fired, "skipped": skipped} == hours
    assert len(fired) == len(await world.rows("tasks"))
    assert all(line.why for line in lines if line.outcome == "skipped")
    assert START + timedelta(hours=6) == (await shown(world)).next_at


async def test_too_many_failures_switch_it_off_until_somebody_resumes_it(world: WorkWorld, clock: FakeClock) -> None:
    await define(world, definition={"off_after": 3})
    await world.automation(state=AutomationState.PAUSED)
    for _ in range(5):
        clock.advance(HOUR)
        await fire(world)
    row = await shown(world)
    assert ("off", None, 3) == (row.state, row.next_at, row.failed_in_a_row)
    assert "3 failures in a row" in str(row.off_why)
    assert "is paused" in str(row.off_why)
    assert ["failed"] * 3 == [line.outcome for line in await history(world)]
    (alert,) = await world.rows("alerts", kind="trigger_off")
    assert (row.id, None) == (alert["subject"], alert["resolved_at"])
    assert 1 == len(await world.rows("events", kind="trigger.off"))

    await world.automation(state=AutomationState.ACTIVE)
    resumed = await world.store.write(triggers.resume, ADMIN, "hourly")
    assert ("active", 0, None) == (resumed.state, resumed.failed_in_a_row, resumed.off_why)
    (alert,) = await world.rows("alerts", kind="trigger_off")
    assert alert["resolved_at"] is not None
    clock.advance(HOUR)
    await fire(world)
    assert "fired" == (await history(world))[-1].outcome


async def test_a_success_ends_the_row_of_failures(world: WorkWorld, clock: FakeClock) -> None:
    await define(world, definition={"off_after": 2})
    for state in (AutomationState.PAUSED, AutomationState.ACTIVE, AutomationState.PAUSED):
        await world.automation(state=state)
        clock.advance(HOUR)
        await fire(world)
    row = await shown(world)
    assert ("active", 1) == (row.state, row.failed_in_a_row)


async def test_a_parameter_that_fits_no_more_is_a_failure_with_its_reason(world: WorkWorld, clock: FakeClock) -> None:
    await define(world, parameters={"month": "now"})
    await world.automation(parameters=(Parameter(name="year", required=True),))
    clock.advance(HOUR)
    await fire(world)
    (line,) = await history(world)
    assert "failed" == line.outcome
    assert "parameters.month: unknown parameter" in line.why
    assert "parameters.year: missing" in line.why


async def test_missed_failures_of_one_look_count_each(world: WorkWorld, clock: FakeClock) -> None:
    await define(world, definition={"off_after": 2, "misfire": "all"})
    await world.automation(state=AutomationState.PAUSED)
    clock.advance(5 * HOUR)
    await fire(world)
    assert ("off", 2) == ((await shown(world)).state, len(await history(world)))


@pytest.mark.parametrize("first", [datetime(2030, 3, 29, tzinfo=UTC), datetime(2030, 10, 25, tzinfo=UTC)])
async def test_r63_a_week_of_a_changed_clock_fires_as_it_was_previewed(
    world: WorkWorld, clock: FakeClock, first: datetime
) -> None:
    """Fixed times, the hands of the clock, and elapsed time; Berlin, and by half an hour."""
    definitions: dict[str, dict[str, Any]] = {
        "fixed": {"cron": "30 2 * * *", "zone": "Europe/Berlin"},
        "hands": {"cron": "0,30 */2 * * *", "zone": "Europe/Berlin"},
        "elapsed": {"every": "3h", "zone": "Europe/Berlin"},
        "island": {"phrase": "daily at 02:15", "zone": "Australia/Lord_Howe"},
    }
    clock.jump((first - clock.now()).total_seconds())
    expected = {}
    for label, definition in definitions.items():
        row = await define(world, label, definition=definition)
        expected[label] = [one.at for one in schedules.next_of(row, first, Look(count=100)) if one.at <= first + DAYS]
    while clock.now() < first + DAYS:
        clock.advance(900)
        await fire(world)
    found = {label: [line.scheduled_for for line in await history(world, label)] for label in definitions}
    assert expected == found
    assert {"fixed": 4, "elapsed": 32, "island": 4} == {
        label: len(found[label]) for label in ("fixed", "elapsed", "island")
    }
    # On that Sunday 02:00 and 02:30 do not come in spring, and come twice in autumn.
    sunday = [
        moment for moment in found["hands"] if moment and moment.astimezone(ZoneInfo("Europe/Berlin")).weekday() == 6
    ]
    assert (22 if first.month == 3 else 26) == len(sunday)


# --- overlap ---


async def twice(world: WorkWorld, clock: FakeClock, overlap: str, times: int = 2) -> list[dict[str, Any]]:
    """Its tasks after so many hours, none of which has ended by itself."""
    await define(world, definition={"overlap": overlap})
    for _ in range(times):
        clock.advance(HOUR)
        await fire(world)
    return sorted(await world.rows("tasks"), key=lambda task: int(task["number"]))


async def test_overlap_allow(world: WorkWorld, clock: FakeClock) -> None:
    assert ["queued", "queued"] == [task["state"] for task in await twice(world, clock, "allow")]


async def test_overlap_skip(world: WorkWorld, clock: FakeClock) -> None:
    assert 1 == len(await twice(world, clock, "skip"))
    assert ["fired", "skipped"] == [line.outcome for line in await history(world)]
    assert "task 1 is not finished" in (await history(world))[-1].why


async def test_overlap_cancel(world: WorkWorld, clock: FakeClock) -> None:
    first, second = await twice(world, clock, "cancel")
    assert (Outcome.CANCELED, "canceled by trigger:hourly") == (first["outcome"], first["message"])
    assert TaskState.QUEUED == second["state"]


async def test_overlap_cancel_asks_the_bot_that_runs(world: WorkWorld, clock: FakeClock) -> None:
    await define(world, definition={"overlap": "cancel"})
    session = await world.connect()
    clock.advance(HOUR)
    await fire(world)
    world.offer(session)
    await world.grant()
    await world.say(session, world.started_order(session), started())
    clock.advance(HOUR)
    await fire(world)
    first, second = sorted(await world.rows("tasks"), key=lambda task: int(task["number"]))
    assert ("running", "trigger:hourly", "queued") == (first["state"], first["cancel_requested_by"], second["state"])
    assert 1 == len([message for message in session.sent if isinstance(message, Stop)])


async def test_overlap_queue_keeps_one_behind_the_running_one(world: WorkWorld, clock: FakeClock) -> None:
    first, second = await twice(world, clock, "queue", 3)
    assert ("queued", "waiting") == (first["state"], second["state"])
    assert ["fired", "fired", "skipped"] == [line.outcome for line in await history(world)]
    assert "waits for task 1" == (await history(world))[1].why
    await world.store.write(tasks.cancel, WORKSPACE, first["id"], "token:ana")
    assert TaskState.QUEUED == (await world.show(second["id"])).state
