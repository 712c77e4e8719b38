"""Event triggers on both databases: each event considered, each fired once; what lasts, what stays away; no loops."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from agent.wire.maestro import TaskUpdate
from hub.domain.event_trigger import DEPTH_MAX
from hub.domain.item import AttemptOutcome
from hub.domain.queue import QueueDefinition
from hub.errors import Invalid
from hub.services import due_triggers, event_pass, item_adding, items, queue_stock, queues, tasks, triggers
from hub.services.event_watcher import EventWatcher
from hub.services.item_adding import NewItem
from hub.services.items import Completion
from hub.storage.room import Room
from tests.support.clock import START, FakeClock
from tests.support.event_work import cut, listen, numbered, serve, tell
from tests.support.trigger_work import history, shown
from tests.support.work_world import ADMIN, OTHER_RUNNER, RUNNER, WORKSPACE, WorkWorld, work_world

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with a queue."""
    async with work_world(database_url, clock) as made:
        await made.store.write(queues.create, ADMIN, QueueDefinition(label="orders"))
        yield made


async def lines(world: WorkWorld, label: str = "watch") -> list[tuple[str, str]]:
    """(outcome, why) of its history, oldest first."""
    return [(one.outcome, one.why) for one in await history(world, label)]


async def fail(world: WorkWorld, task_id: str) -> None:
    """A task ends badly."""
    said = TaskUpdate(finish_status="FAILED")
    await world.store.write(tasks.finish_by_person, WORKSPACE, task_id, said, "ana")


async def test_an_event_that_matches_makes_one_task(world: WorkWorld) -> None:
    """However often it is looked at, also by a hub that comes new; the event gives parameters."""
    await listen(
        world,
        on="task.settled",
        automation="invoices",
        state=["failed"],
        when="event.data.number > 0",
        map={"broken": "event.task", "how": "event.automation + ': ' + event.outcome"},
        parameters={"month": "2026-03"},
    )
    task = await world.create()
    await serve(world)
    assert await lines(world) == []
    await fail(world, task.id)
    for _ in range(3):
        await serve(world)
    assert await lines(world) == [("fired", "task.settled of invoices: failed")]
    (made,) = [one for one in await world.rows("tasks") if one["trigger_id"]]
    assert made["parameters"] == {"month": "2026-03", "broken": task.id, "how": "invoices: failed"}
    assert made["created_by"] == "trigger:watch"


async def test_two_hubs_at_once_fire_each_event_once(world: WorkWorld) -> None:
    """The cursor and the trigger's row are the locks."""
    await listen(world, "one", on=["runner.*"])
    await listen(world, "two", on=["runner.disconnected"])
    for _ in range(15):
        await tell(world, "runner.disconnected")
    await numbered(world)
    hubs = [EventWatcher(world.store, world.signals, Room()) for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for hub in hubs:
            group.create_task(serve(world, hub))
    for label in ("one", "two"):
        assert len(await history(world, label)) == 15
    assert len(await world.rows("tasks")) == 30


async def test_a_hub_that_dies_between_two_slices_goes_on(world: WorkWorld) -> None:
    """An event for more triggers than one transaction fires: none twice, none left out."""
    for number in range(25):
        await listen(world, f"t{number}", on="runner.connected")
    await tell(world, "runner.connected")
    await tell(world, "runner.connected")
    await numbered(world)
    listening = await world.store.read(event_pass.listen)
    plan = await world.store.read(event_pass.plan, listening, listening.begin)
    parts = list(event_pass.slices(plan))
    assert [len(part.work) for part in parts] == [10, 10, 10, 10, 10]
    kept = listening.kept
    for part in parts[:3]:
        assert await world.store.write(event_pass.carry_out, kept, part)
        kept = max(kept, part.to)
    assert not await world.store.write(event_pass.carry_out, 0, parts[3])
    await serve(world)
    for number in range(25):
        assert len(await history(world, f"t{number}")) == 2


async def test_it_fires_when_a_state_has_lasted_once(world: WorkWorld, clock: FakeClock) -> None:
    """Each thing for itself; what ended before is no matter; over a restart."""
    await listen(world, on="runner.disconnected", **{"for": "10m"})
    hub = EventWatcher(world.store, world.signals, Room())
    await tell(world, "runner.disconnected", RUNNER)
    clock.advance(60)
    await tell(world, "runner.disconnected", OTHER_RUNNER)
    await serve(world, hub)
    assert START + timedelta(minutes=10) == (await shown(world, "watch")).next_at
    clock.advance(300)
    await tell(world, "runner.connected", OTHER_RUNNER)
    clock.advance(239)
    await serve(world, hub)
    assert await lines(world) == []
    clock.advance(1)
    await serve(world)
    assert [why for _, why in await lines(world)] == [f"runner.disconnected of {RUNNER}, since {START:%H:%M:%S} UTC"]
    # It is still away: told once. Away anew: told again.
    await tell(world, "runner.disconnected", RUNNER)
    clock.advance(3600)
    await serve(world)
    assert len(await lines(world)) == 1
    await tell(world, "runner.connected", RUNNER)
    await tell(world, "runner.disconnected", RUNNER)
    clock.advance(600)
    await serve(world)
    assert len(await lines(world)) == 2
    (line, _) = await history(world, "watch")
    assert line.scheduled_for == START + timedelta(minutes=10)


async def test_what_ended_too_late_had_lasted(world: WorkWorld, clock: FakeClock) -> None:
    """The hub looks at both later: the times of the events decide."""
    await listen(world, on="runner.disconnected", **{"for": "10m"})
    await tell(world, "runner.disconnected")
    clock.advance(601)
    await tell(world, "runner.connected")
    await serve(world)
    assert len(await lines(world)) == 1
    assert await world.rows("awaited") == []


async def test_the_clock_does_not_fire_what_an_unread_event_ended(world: WorkWorld, clock: FakeClock) -> None:
    """The trigger catches up before it believes that something has lasted."""
    await listen(world, on="runner.disconnected", **{"for": "10m"})
    await tell(world, "runner.disconnected")
    await serve(world)
    clock.advance(599)
    await tell(world, "runner.connected")
    clock.advance(10)
    await numbered(world)
    assert await world.store.write(due_triggers.fire_due) == 1
    assert await lines(world) == []
    assert (await shown(world, "watch")).next_at is None


async def test_a_silence_fires_once_until_it_is_broken(world: WorkWorld, clock: FakeClock) -> None:
    """It begins when the trigger is armed, and with each event that matches."""
    await listen(world, on="task.created", absent="1h", map={"since": "since"})
    clock.advance(1800)
    await world.create()
    await serve(world)
    clock.advance(1801)
    await serve(world)
    assert await lines(world) == []
    clock.advance(1799)
    await serve(world)
    assert await lines(world) == [("fired", f"nothing since {START + timedelta(minutes=30):%Y-%m-%d %H:%M:%S} UTC")]
    # Its own task breaks the silence: the next one is as long.
    clock.advance(3599)
    await serve(world)
    assert len(await lines(world)) == 1
    clock.advance(1)
    await serve(world)
    assert len(await lines(world)) == 2
    (one, _) = [task["parameters"]["since"] for task in await world.rows("tasks") if task["trigger_id"]]
    assert one.startswith((START + timedelta(minutes=30)).isoformat())


async def test_a_silence_that_nothing_breaks_is_told_once(world: WorkWorld, clock: FakeClock) -> None:
    """Not again each hour."""
    await listen(world, on="item.added", queue="orders", absent="1h")
    for _ in range(5):
        clock.advance(3600)
        await serve(world)
    assert len(await lines(world)) == 1
    await tell(world, "item.added", "itm_1", data={"queue": "orders"})
    await serve(world)
    clock.advance(3600)
    await serve(world)
    assert len(await lines(world)) == 2


async def test_paused_it_skips_and_resumed_it_begins_anew(world: WorkWorld, clock: FakeClock) -> None:
    """Whatever happened meanwhile, and whatever it waited for before."""
    await listen(world, "plain", on="runner.disconnected")
    await listen(world, "lasting", on="runner.disconnected", **{"for": "10m"})
    await listen(world, "silent", on="runner.disconnected", absent="1h")
    await tell(world, "runner.disconnected")
    await serve(world)
    for label in ("plain", "lasting", "silent"):
        await world.store.write(triggers.pause, ADMIN, label)
    await tell(world, "runner.disconnected", OTHER_RUNNER)
    clock.advance(7200)
    await serve(world)
    for label in ("plain", "lasting", "silent"):
        await world.store.write(triggers.resume, ADMIN, label)
    await serve(world)
    clock.advance(3599)
    await serve(world)
    assert [len(await lines(world, label)) for label in ("plain", "lasting", "silent")] == [1, 0, 0]
    await tell(world, "runner.disconnected", OTHER_RUNNER)
    clock.advance(1)
    await serve(world)
    assert [len(await lines(world, label)) for label in ("plain", "lasting", "silent")] == [2, 0, 0]


async def test_events_that_are_gone_are_told_as_a_gap(world: WorkWorld) -> None:
    """The hub was away for longer than events are kept."""
    await listen(world, on="runner.disconnected")
    for _ in range(6):
        await tell(world, "runner.disconnected")
    await numbered(world)
    newest = max(one["pos"] for one in await world.rows("events"))
    await cut(world, newest - 2)
    for _ in range(2):
        await serve(world)
    told = await lines(world)
    assert [outcome for outcome, _ in told] == ["skipped", "fired", "fired"]
    assert told[0][1].endswith(f"to {newest - 2} were no longer kept when the hub came to them")


async def test_what_its_own_task_causes_never_fires_it(world: WorkWorld) -> None:
    """A trigger on failed tasks whose own task fails; and on its own failures."""
    await listen(world, on=["task.*", "trigger.*"], state=["failed", "created", "skipped"])
    task = await world.create()
    await serve(world)
    await fail(world, task.id)
    await serve(world)
    for one in await world.rows("tasks"):
        if one["trigger_id"]:
            await fail(world, one["id"])
    await serve(world)
    await serve(world)
    assert len(await lines(world)) == 2


async def test_a_chain_of_triggers_ends(world: WorkWorld) -> None:
    """Two that fire each other: five in a row, then it is refused, told, and counted."""
    await listen(world, "ping", on="task.created", when="event.actor != 'trigger:ping'")
    await listen(world, "pong", on="task.created", when="event.actor != 'trigger:pong'")
    await world.create()
    for _ in range(DEPTH_MAX + 4):
        await serve(world)
    made = [one for one in await world.rows("tasks") if one["trigger_id"]]
    assert len(made) == 2 * DEPTH_MAX
    refused = [one for label in ("ping", "pong") for one in await lines(world, label) if one[0] == "failed"]
    assert len(refused) == 2
    assert "5 triggers of events in a row led to task.created" in refused[0][1]
    assert (await shown(world, "ping")).failed_in_a_row == 1


async def test_expressions_that_come_to_nothing_are_counted(world: WorkWorld) -> None:
    """A map that fails is a failed firing; after so many in a row it is off, and awaits nothing more."""
    await listen(world, on="runner.disconnected", map={"x": "event.data.nothing"}, off_after=2)
    for _ in range(4):
        await tell(world, "runner.disconnected")
    await serve(world)
    assert [outcome for outcome, _ in await lines(world)] == ["failed", "failed"]
    assert "map.x" in (await lines(world))[0][1]
    assert (await shown(world, "watch")).state == "off"
    assert [one["kind"] for one in await world.rows("alerts")] == ["trigger_off"]


async def test_an_edited_trigger_goes_on_with_what_it_says_now(world: WorkWorld, clock: FakeClock) -> None:
    """What it waited for is forgotten; absent takes the place of for."""
    await listen(world, on="runner.disconnected", **{"for": "10m"})
    await tell(world, "runner.disconnected")
    await serve(world)
    assert len(await world.rows("awaited")) == 1
    await world.store.write(triggers.edit, ADMIN, "watch", {"definition": {"absent": "2h"}})
    assert await world.rows("awaited") == []
    clock.advance(3600)
    await serve(world)
    assert await lines(world) == []
    clock.advance(3600)
    await serve(world)
    assert len(await lines(world)) == 1
    await world.store.write(triggers.delete, ADMIN, "watch")


async def test_other_workspaces_are_none_of_its_business(world: WorkWorld) -> None:
    """Nor is what is not there any more."""
    await listen(world, on="runner.*")
    await tell(world, "runner.disconnected", workspace_id="wsp_other")
    await serve(world)
    assert await lines(world) == []


async def test_all_faults_of_a_definition_come_at_once(world: WorkWorld) -> None:
    """Each with its field, and what may have been meant."""
    wrong: dict[str, Any] = {"on": ["task.setled"], "for": "soon", "absent": "1h", "cron": "*"}
    with pytest.raises(Invalid) as refused:
        await listen(world, **wrong, automation="x", when="event.(")
    told = {fault["field"]: fault for fault in refused.value.details["errors"]}
    assert set(told) == {"on.0", "for", "absent", "when", "cron", "automation"}
    assert "did you mean task.settled" in told["on.0"]["remedy"]
    with pytest.raises(Invalid) as refused:
        await listen(world, on=["task.settled"], queue="nowhere")
    assert {"queue"} == {fault["field"] for fault in refused.value.details["errors"]}


async def test_a_queue_runs_empty_once(world: WorkWorld) -> None:
    """Emptied when nothing waits, finished when nothing is in work; the next filling is a new edge."""
    await listen(world, on="queue.finished", queue="orders")
    (queue,) = await world.rows("queues")
    some = [NewItem(payload={"n": number}) for number in range(3)]

    async def tell_stock() -> list[str]:
        for _ in range(2):
            await world.store.write(queue_stock.tell, WORKSPACE, queue["id"])
        found = await world.rows("events", subject=queue["id"])
        return [one["kind"].partition(".")[2] for one in found if one["kind"] in {"queue.emptied", "queue.finished"}]

    for rounds in (1, 2):
        told = ["emptied", "finished"] * (rounds - 1)
        await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "orders", some, each=False))
        assert await tell_stock() == told
        taken = await world.store.write(items.take, ADMIN, "orders", 3)
        assert await tell_stock() == [*told, "emptied"]
        for one in taken:
            said = Completion(item_id=one.id, fence=one.fence, outcome=AttemptOutcome.DONE)
            assert await tell_stock() == [*told, "emptied"]
            await world.store.write(items.complete, ADMIN, said)
        assert await tell_stock() == [*told, "emptied", "finished"]
        await serve(world)
        assert len(await lines(world)) == rounds
