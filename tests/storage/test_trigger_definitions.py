"""Triggers and calendars on both databases: defined, changed, paused, resumed, fired by hand, deleted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.automation import Definition
from hub.domain.calendar import Calendar, Holiday
from hub.domain.parameters import Parameter
from hub.domain.trigger import TriggerKind
from hub.errors import Conflict, Invalid, NotFound
from hub.services import automations, calendars, due_triggers, triggers
from hub.services.effects import WakeDispatch, WakeTriggers
from hub.services.triggers import NewTrigger
from hub.storage.transaction import Done, Transaction
from hub.storage.triggers import FiringRow
from tests.support.clock import START, FakeClock
from tests.support.trigger_work import HOUR, define, fire, history, shown
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, work_world


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    async with work_world(database_url, clock) as made:
        yield made


async def test_pause_leaves_out_what_falls_due_meanwhile(world: WorkWorld, clock: FakeClock) -> None:
    await define(world)
    paused = await world.store.write(triggers.pause, ADMIN, "hourly")
    assert ("paused", None) == (paused.state, paused.next_at)
    clock.advance(3.5 * HOUR)
    assert 0 == await fire(world)
    assert "paused" == (await world.store.write(triggers.pause, ADMIN, "hourly")).state
    resumed = await world.store.write(triggers.resume, ADMIN, "hourly")
    assert START + timedelta(hours=4) == resumed.next_at
    assert "active" == (await world.store.write(triggers.resume, ADMIN, "hourly")).state
    clock.advance(HOUR)
    await fire(world)
    assert ["fired"] == [line.outcome for line in await history(world)]
    kinds = [event["kind"] for event in await world.rows("events") if event["kind"].startswith("trigger.")]
    assert ["trigger.created", "trigger.paused", "trigger.resumed"] == kinds


async def test_it_is_made_paused(world: WorkWorld) -> None:
    row = await define(world, is_paused=True)
    assert ("paused", None) == (row.state, row.next_at)


async def test_its_last_moment_ends_it_and_an_edit_begins_it_anew(world: WorkWorld, clock: FakeClock) -> None:
    await define(world, definition={"end": (START + timedelta(hours=1)).isoformat()})
    clock.advance(HOUR)
    await fire(world)
    row = await shown(world)
    assert ("ended", None) == (row.state, row.next_at)
    with pytest.raises(Conflict):
        await world.store.write(triggers.resume, ADMIN, "hourly")
    edited = await world.store.write(triggers.edit, ADMIN, "hourly", {"definition": {"end": None}})
    assert ("active", START + timedelta(hours=2)) == (edited.state, edited.next_at)


async def test_an_edit_changes_what_it_names(world: WorkWorld) -> None:
    await define(world, definition={"zone": "Europe/Berlin", "overlap": "skip"}, parameters={"a": 1})
    changes = {"definition": {"phrase": "daily at 08:30", "off_after": 9}, "name": "Each morning"}
    row = await world.store.write(triggers.edit, ADMIN, "hourly", changes)
    expected = {"kind": "schedule", "phrase": "daily at 08:30", "zone": "Europe/Berlin", "overlap": "skip"}
    assert {**expected, "off_after": 9} == row.definition
    assert ("Each morning", {"a": 1}) == (row.name, row.parameters)
    assert datetime(2030, 1, 2, 7, 30, tzinfo=UTC) == row.next_at
    every = await world.store.write(triggers.edit, ADMIN, "hourly", {"definition": {"every": "2h"}})
    assert ("2h", START.isoformat(), None) == (
        every.definition["every"],
        every.definition["anchor"],
        every.definition.get("phrase"),
    )


async def test_a_calendar_moves_it_and_moves_with_an_edit(world: WorkWorld, clock: FakeClock) -> None:
    """START is a Tuesday."""
    first = Calendar(holidays=(Holiday(date="2030-01-02"),))
    await world.store.write(calendars.create, ADMIN, "ours", "", first)
    row = await define(world, definition={"phrase": "daily at 08:00"}, calendar="ours")
    assert datetime(2030, 1, 3, 8, tzinfo=UTC) == row.next_at
    await world.store.write(calendars.edit, ADMIN, "ours", {"holidays": ()})
    assert datetime(2030, 1, 2, 8, tzinfo=UTC) == (await shown(world)).next_at
    with pytest.raises(Conflict) as used:
        await world.store.write(calendars.delete, ADMIN, "ours")
    assert "hourly" in used.value.message
    await world.store.write(triggers.edit, ADMIN, "hourly", {"calendar": None})
    await world.store.write(calendars.delete, ADMIN, "ours")
    with pytest.raises(NotFound):
        await world.store.read(calendars.show, WORKSPACE, "ours")


async def test_a_calendar_that_would_end_a_trigger_is_not_taken(world: WorkWorld) -> None:
    await world.store.write(calendars.create, ADMIN, "ours", "", Calendar())
    await define(world, definition={"cron": "0 8 24 12 *"}, calendar="ours")
    with pytest.raises(Conflict):
        await world.store.write(calendars.edit, ADMIN, "ours", {"holidays": (Holiday(date="12-24"),)})
    assert [] == (await world.store.read(calendars.show, WORKSPACE, "ours")).definition["holidays"]


async def test_deleted_its_tasks_stay(world: WorkWorld, clock: FakeClock) -> None:
    await define(world)
    clock.advance(HOUR)
    await fire(world)
    await world.store.write(triggers.delete, ADMIN, "hourly")
    assert (1, 0) == (len(await world.rows("tasks")), len(await world.rows("firings")))
    with pytest.raises(NotFound):
        await shown(world)


async def test_fired_by_hand(world: WorkWorld) -> None:
    await define(world, is_paused=True, parameters={"a": 1, "b": 2}, definition={"overlap": "skip"})
    for number in (1, 2):
        task = await world.store.write(triggers.fire_now, ADMIN, "hourly", {"b": 3})
        assert (number, {"a": 1, "b": 3}, ADMIN.actor) == (task.number, task.parameters, task.created_by)
    assert [f"by {ADMIN.actor}"] * 2 == [line.why for line in await history(world)]


async def test_the_history_has_pages(world: WorkWorld, clock: FakeClock) -> None:
    await define(world)
    for _ in range(5):
        clock.advance(HOUR)
        await fire(world)
    seen: list[FiringRow] = []
    while found := await world.store.read(
        triggers.history, WORKSPACE, "hourly", (seen[-1].at, seen[-1].id) if seen else None, 2
    ):
        seen += found
    assert [5, 4, 3, 2, 1] == [line.task_number for line in seen]


async def test_a_history_is_kept_for_three_months(world: WorkWorld, clock: FakeClock) -> None:
    await define(world, definition={"phrase": "daily at 08:00"})
    for days in (1, 1, 89, 1):
        clock.advance(days * 24 * HOUR)
        await fire(world)
    kept = [line.at - START for line in await history(world) if line.outcome == "fired"]
    assert [timedelta(days=2), timedelta(days=91), timedelta(days=92)] == kept
    assert 4 == len(await world.rows("tasks"))


async def test_all_faults_of_a_trigger_are_told_at_once(world: WorkWorld) -> None:
    strict = Definition(label="strict", bot="invoices", parameters=(Parameter(name="month", required=True),))
    await world.store.write(automations.create, ADMIN, strict)
    definition = {"cron": "61 * * * *", "zone": "Nowhere", "overlap": "maybe", "misfire": "some"}
    new = NewTrigger(label="no label", automation="strict", definition=definition, name="x" * 201)
    with pytest.raises(Invalid) as caught:
        await world.store.write(triggers.create, ADMIN, new)
    fields = [fault["field"] for fault in caught.value.details["errors"]]
    assert ["label", "overlap", "name", "parameters.month", "misfire", "zone", "cron.minute"] == fields
    with pytest.raises(NotFound):
        await define(world, "other", calendar="none")
    with pytest.raises(Invalid):
        await define(world, "other", kind=TriggerKind.FILE)
    await define(world)
    with pytest.raises(Conflict):
        await define(world)


async def test_what_a_firing_wakes(world: WorkWorld, clock: FakeClock) -> None:
    done = await world.store.write(_effects_of_create)
    assert [WakeTriggers()] == done
    clock.advance(HOUR)
    assert [WakeDispatch(workspace_id=WORKSPACE)] == await world.store.write(_effects_of_firing)


def _effects_of_create(tx: Transaction) -> Done[list[object]]:
    new = NewTrigger(label="hourly", automation="invoices", definition={"cron": "0 * * * *"})
    return Done(list(triggers.create(tx, ADMIN, new).effects))


def _effects_of_firing(tx: Transaction) -> Done[list[object]]:
    return Done(list(due_triggers.fire_due(tx).effects))
