"""Queue triggers on both databases: as many tasks as the items want, one decision of all that happens at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from agent.wire.maestro import TaskUpdate
from hub.domain.item import AttemptOutcome
from hub.domain.queue import QueueDefinition
from hub.domain.trigger import TriggerKind
from hub.errors import Invalid
from hub.services import breakers, due_triggers, firing, item_adding, items, queue_triggers, queues, tasks, triggers
from hub.services.item_adding import NewItem
from hub.services.items import Completion
from hub.services.triggers import NewTrigger
from hub.storage import tables
from hub.storage import triggers as rows
from hub.storage.transaction import Done, Transaction
from hub.storage.triggers import TriggerRow
from tests.support.clock import FakeClock
from tests.support.work_world import (
    ADMIN,
    WORKSPACE,
    WorkWorld,
    exited,
    final,
    report,
    started,
    work_world,
)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with a queue."""
    async with work_world(database_url, clock) as made:
        await made.store.write(queues.create, ADMIN, QueueDefinition(label="orders"))
        yield made


async def define(world: WorkWorld, **definition: Any) -> TriggerRow:
    """A trigger of that queue."""
    new = NewTrigger(label="workers", automation="invoices", kind=TriggerKind.QUEUE)
    said = {"queue": "orders", **definition}
    new = NewTrigger(label=new.label, automation=new.automation, kind=new.kind, definition=said)
    row = await world.store.write(triggers.create, ADMIN, new)
    await world.store.write(due_triggers.fire_due)
    return row


async def add(world: WorkWorld, count: int) -> None:
    """So many items."""
    some = [NewItem(payload={"n": number}) for number in range(count)]
    await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "orders", some, each=False))


async def look(world: WorkWorld, row: TriggerRow) -> int:
    """What the watcher does when the queue changed."""
    assert row.queue_id is not None
    return await world.store.write(queue_triggers.of_queue, WORKSPACE, row.queue_id)


async def end(world: WorkWorld, status: Literal["SUCCESS", "FAILED"]) -> None:
    """Every task of it ends so."""
    for one in await world.rows("tasks"):
        if one["state"] != "finished":
            said = TaskUpdate(finish_status=status)
            await world.store.write(tasks.finish_by_person, WORKSPACE, one["id"], said, "ana")


async def test_it_scales_up_to_its_maximum_and_down(world: WorkWorld) -> None:
    """One task for ten items, three at most; none while nothing waits."""
    row = await define(world, items_per_task=10, max_tasks=3)
    assert await look(world, row) == 0
    await add(world, 15)
    assert await look(world, row) == 2
    await add(world, 50)
    assert (await look(world, row), await look(world, row)) == (1, 0)
    for one in await world.rows("tasks"):
        await world.store.write(tasks.cancel, WORKSPACE, one["id"], "ana")
    assert await look(world, row) == 3
    history = await world.rows("firings")
    assert len(history) == 6
    assert history[0]["why"] == "15 items of orders wait"


async def test_many_tasks_are_made_in_turns(world: WorkWorld) -> None:
    """No transaction is long: it makes some, and wakes its watcher for the others."""
    row = await define(world, max_tasks=queue_triggers.TURN + 5)
    await add(world, queue_triggers.TURN + 5)
    await world.signals.queues.collect()
    assert await look(world, row) == queue_triggers.TURN
    assert list(await world.signals.queues.collect()) == [f"{WORKSPACE}/{row.id}"]
    assert await world.store.write(queue_triggers.of_trigger, WORKSPACE, row.id) == 5
    assert not await world.signals.queues.collect(0)


async def test_its_history_is_kept_for_a_while(world: WorkWorld) -> None:
    """Old lines go with the next firing; the tasks stay."""
    row = await define(world)
    await add(world, 1)
    assert await look(world, row) == 1
    await end(world, "SUCCESS")
    world.clock.advance((firing.KEPT + timedelta(days=1)).total_seconds())
    assert await look(world, row) == 1
    assert len(await world.rows("firings")) == 1
    assert len(await world.rows("tasks")) == 2


async def test_a_line_outlives_its_task(world: WorkWorld) -> None:
    """Whoever removes a task one day is not refused for the history's sake."""
    row = await define(world)
    await add(world, 1)
    assert await look(world, row) == 1
    await world.store.write(_remove_tasks)
    (line,) = await world.store.read(lambda tx: rows.history(tx, WORKSPACE, row.id, None, 9))
    assert line.task_id is not None
    assert line.task_number is None


def _remove_tasks(tx: Transaction) -> Done[None]:
    tx.connection.execute(sa.delete(tables.tasks))
    return Done(None)


async def test_two_looks_at_once_make_the_tasks_once(world: WorkWorld) -> None:
    """The trigger's row is the lock, also between hubs."""
    row = await define(world, max_tasks=2)
    await add(world, 9)
    assert sum(await asyncio.gather(*(look(world, row) for _ in range(6)))) == 2


async def test_what_waits_already_counts_when_it_is_made(world: WorkWorld) -> None:
    """And a threshold holds it back."""
    await add(world, 3)
    row = await define(world, threshold=4)
    assert await world.rows("tasks") == []
    await add(world, 1)
    assert await look(world, row) == 1


async def test_a_bot_that_can_not_do_it_is_not_started_for_ever(world: WorkWorld) -> None:
    """After a failed task it pauses, longer each time; after five in a row it is off, with an alert."""
    row = await define(world)
    await add(world, 1)
    for pause in (30, 60, 120, 240):
        assert await look(world, row) == 1
        await end(world, "FAILED")
        assert await look(world, row) == 0
        world.clock.advance(pause - 1)
        assert await world.store.write(due_triggers.fire_due) == 0
        assert await look(world, row) == 0
        world.clock.advance(2)
    assert await look(world, row) == 1
    await end(world, "FAILED")
    assert await look(world, row) == 0
    (stored,) = await world.rows("triggers")
    assert stored["state"] == "off"
    assert "5 of its tasks in a row failed or took nothing of what waited, the last: failed" in stored["off_why"]
    assert [one["kind"] for one in await world.rows("alerts")] == ["trigger_off"]
    world.clock.advance(1)
    await world.store.write(triggers.resume, ADMIN, "workers")
    await world.store.write(due_triggers.fire_due)
    assert [one["state"] for one in await world.rows("tasks")].count("queued") == 1


async def test_a_bot_that_takes_nothing_is_not_started_for_ever(world: WorkWorld) -> None:
    """It succeeds, and what waited when it began still waits: as good as failed."""
    row = await define(world)
    await add(world, 1)
    for pause in (30, 60, 120, 240):
        world.clock.advance(2)
        assert await look(world, row) == 1
        await end(world, "SUCCESS")
        assert await look(world, row) == 0
        world.clock.advance(pause - 1)
        assert await look(world, row) == 0
    world.clock.advance(2)
    assert await look(world, row) == 1
    await end(world, "SUCCESS")
    assert await look(world, row) == 0
    (stored,) = await world.rows("triggers")
    assert stored["state"] == "off"


async def test_one_that_came_too_late_or_too_early_is_no_failure(world: WorkWorld) -> None:
    """Others took what there was, and more came only after it began."""
    row = await define(world)
    await add(world, 1)
    assert await look(world, row) == 1
    await world.store.write(items.take, ADMIN, "orders", 1)
    world.clock.advance(1)
    await add(world, 1)
    await end(world, "SUCCESS")
    assert await look(world, row) == 1


async def test_one_that_took_something_is_no_failure(world: WorkWorld) -> None:
    """Whatever became of it, and though others waited longer."""
    row = await define(world)
    await add(world, 2)
    world.clock.advance(1)
    assert await look(world, row) == 1
    session = await world.connect()
    world.offer(session)
    assert await world.grant() is not None
    start = world.started_order(session)
    await world.say(session, start, started())
    holder = replace(ADMIN, execution_id=start.execution_id)
    (item,) = await world.store.write(items.take, holder, "orders", 1)
    ended = Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.DONE)
    await world.store.write(items.complete, holder, ended)
    await world.say(session, start, report(), exited(), final(), first=2)
    assert [one["outcome"] for one in await world.rows("tasks")] == ["succeeded"]
    assert await look(world, row) == 1


async def test_a_paused_queue_wants_nobody(world: WorkWorld) -> None:
    """Its items are handed out to no one."""
    row = await define(world)
    await add(world, 5)
    await world.store.write(queues.pause, WORKSPACE, "orders", "ana", "")
    assert await look(world, row) == 0
    await world.store.write(queues.resume, WORKSPACE, "orders", "ana")
    assert await look(world, row) == 1


async def test_items_that_nobody_may_take_want_nobody(world: WorkWorld) -> None:
    """A full limit, or an application that is out of order: tasks would find nothing, for ever."""
    row = await define(world, max_tasks=4)
    await world.store.write(queues.edit, ADMIN, "orders", {"concurrency": 2, "target": "sap"})
    await add(world, 9)
    (taken,) = await world.store.write(items.take, ADMIN, "orders", 1)
    assert await look(world, row) == 2  # one in work and one more
    await end(world, "SUCCESS")
    (_,) = await world.store.write(items.take, ADMIN, "orders", 1)
    assert await look(world, row) == 0
    said = Completion(item_id=taken.id, fence=taken.fence, outcome=AttemptOutcome.DONE)
    await world.store.write(items.complete, ADMIN, said)
    await world.store.write(breakers.open_by_hand, ADMIN, "sap", "maintenance")
    assert await look(world, row) == 0


async def test_all_faults_of_a_definition_come_at_once(world: WorkWorld) -> None:
    """Each with its field; an unknown queue too."""
    with pytest.raises(Invalid) as refused:
        await define(world, queue="nowhere", max_tasks=0, cron="* * * * *", overlap="skip")
    fields = {fault["field"] for fault in refused.value.details["errors"]}
    assert fields == {"queue", "max_tasks", "cron", "overlap"}
