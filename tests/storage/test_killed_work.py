"""The hub is killed before each statement of what changes queues, items and triggers: all of it happened, or nothing.

R62, R66 and the promises of issue 5: a batch is seen whole, a message and a cause make one task, an order by filter
goes on where it stood, and what was committed without its wake is found by the next hub.
"""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from hub.domain.item import AttemptOutcome, ErrorClass
from hub.domain.queue import ItemRetry, QueueDefinition
from hub.domain.trigger import TriggerKind
from hub.domain.webhook import Delivery, signature
from hub.services import item_adding, item_orders, items, queue_triggers, queues, triggers, webhooks
from hub.services.item_adding import NewItem
from hub.services.item_clock import ItemClock
from hub.services.item_orders import Order
from hub.services.items import Completion
from hub.services.queue_watcher import QueueWatcher
from hub.services.signals import Signals
from hub.services.triggers import NewTrigger
from hub.storage.item_pages import ItemFilter
from hub.storage.room import Room
from hub.storage.triggers import TriggerRow
from tests.support.clock import FakeClock
from tests.support.killed import killed_at_every_statement
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, work_world

pytestmark = pytest.mark.timeout(120)
SOME = 6


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with queue `orders`."""
    async with work_world(database_url, clock) as made:
        await define(made, "orders")
        yield made


async def define(world: WorkWorld, label: str) -> None:
    """A queue whose items are tried once more, at once."""
    retry = ItemRetry(attempts=2, base_s=0, cap_s=0)
    await world.store.write(queues.create, ADMIN, QueueDefinition(label=label, retry=retry, unique_references=True))


def some(first: int = 0, count: int = SOME) -> list[NewItem]:
    """Items with references of their own."""
    return [NewItem(payload={"n": n}, reference=str(n)) for n in range(first, first + count)]


async def add(world: WorkWorld, count: int = SOME) -> None:
    """Items of the queue."""
    await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "orders", some(0, count), each=False))


async def listener(world: WorkWorld) -> TriggerRow:
    """A trigger that makes a task for each two items, and has looked already."""
    definition = {"queue": "orders", "items_per_task": 2, "max_tasks": 3}
    new = NewTrigger(label="workers", automation="invoices", kind=TriggerKind.QUEUE, definition=definition)
    row = await world.store.write(triggers.create, ADMIN, new)
    await next_hub_looks(world)
    return row


async def next_hub_looks(world: WorkWorld) -> None:
    """What a hub does that starts now: it knows of no wake."""
    await QueueWatcher(world.store, Signals(), world.clock, Room())._step()


async def test_a_batch_is_whole_or_not_there_wherever_the_hub_dies(world: WorkWorld) -> None:
    """Killed in a slice, between slices, in the last write: nothing is seen, and the sender goes on where it stood."""
    batch = await world.store.write(item_adding.open_batch, ADMIN, "orders")
    for start in (0, SOME):
        put = partial(item_adding.add_slice, caller=ADMIN, batch_id=batch, start=start, new=some(start))
        async for _ in killed_at_every_statement(world.store, put):
            assert start == len(await world.rows("items"))
            assert start == (await world.rows("batches"))[0]["items"]
        # Its answer was lost as well: the same slice again adds nothing.
        await world.store.write(put)
        assert {"staged"} == {row["state"] for row in await world.rows("items")}
    async for _ in killed_at_every_statement(world.store, partial(item_adding.reveal, caller=ADMIN, batch_id=batch)):
        assert {"staged"} == {row["state"] for row in await world.rows("items")}
        assert [] == await world.store.write(items.take, ADMIN, "orders", 1)
    assert 2 * SOME == await world.store.write(item_adding.reveal, ADMIN, batch)
    rows = await world.rows("items", state="pending")
    assert sorted(range(2 * SOME)) == sorted(row["payload"]["n"] for row in rows)
    assert 1 == len(await world.rows("events", kind="items.added"))


async def test_a_message_makes_one_task_wherever_the_hub_dies(world: WorkWorld) -> None:
    """R66: in the middle of a webhook nothing is kept; after its commit the sender, unanswered, gets the first task."""
    definition = {"map": {"month": "body.month"}}
    new = NewTrigger(label="in", automation="invoices", kind=TriggerKind.WEBHOOK, definition=definition)
    row = await world.store.write(triggers.create, ADMIN, new)
    secret = await world.store.write(webhooks.renew_secret, ADMIN, row, b"s" * 32)
    body, moment = json.dumps({"month": "2026-03"}).encode(), str(int(world.clock.now().timestamp()))
    told = signature(secret, "msg_1", moment, body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": moment, "webhook-signature": told}
    delivery = Delivery(headers=headers, body=body)
    signed = await world.store.read(webhooks.verify, row.id, delivery)
    call = partial(webhooks.receive, trigger_id=row.id, delivery=delivery, signed=signed)
    async for _ in killed_at_every_statement(world.store, call):
        assert ([], []) == (await world.rows("tasks"), await world.rows("firings"))
    (task,) = await world.rows("tasks")
    again = await world.store.write(call)
    assert (task["id"], True) == (again.task_id, again.is_repeated)
    assert 1 == len(await world.rows("tasks")) == len(await world.rows("firings"))


async def test_a_trigger_that_died_over_its_decision_decides_once(world: WorkWorld) -> None:
    """R62: before its commit no task is there; the next hub looks by itself, makes them, and makes no more."""
    row = await listener(world)
    assert row.queue_id is not None
    await add(world)
    look = partial(queue_triggers.of_queue, workspace_id=WORKSPACE, queue_id=row.queue_id)
    async for _ in killed_at_every_statement(world.store, look):
        assert ([], []) == (await world.rows("tasks"), await world.rows("firings"))
    assert 3 == len(await world.rows("tasks")) == len(await world.rows("firings"))
    await next_hub_looks(world)
    assert 3 == len(await world.rows("tasks"))


@pytest.mark.parametrize("what", [Order.MOVE, Order.REQUEUE, Order.CANCEL])
async def test_an_order_by_filter_goes_on_where_it_died(world: WorkWorld, what: Order) -> None:
    """Each slice is whole or not there; given again, the order does the rest, and each item once."""
    await define(world, "later")
    await add(world)
    queue_id = (await world.rows("queues", label="orders"))[0]["id"]
    if what is Order.REQUEUE:
        await _fail_all(world)
    target = "later" if what is Order.MOVE else None
    states = ["failed"] if what is Order.REQUEUE else None
    wanted = ItemFilter(queue_id=queue_id, states=states)
    order = partial(item_orders.order, caller=ADMIN, what=what, wanted=wanted, target=target, limit=4)
    before = await _standing(world)
    for first in (True, False):
        async for _ in killed_at_every_statement(world.store, order):
            assert before == await _standing(world)
        after = await _standing(world)
        assert (4 if first else 2) == sum(before[name] != after[name] for name in before)
        before = after
    assert 1 == len(set(before.values()))
    data = [event["data"]["changed"] for event in await world.rows("events", kind=f"items.{what}")]
    assert [4, 2] == data


async def test_what_was_put_back_without_its_wake_is_found_by_the_next_hub(world: WorkWorld) -> None:
    """Killed between the commit of a requeue and its wake: whoever starts next looks at every queue once."""
    await add(world)
    await _fail_all(world)
    await listener(world)
    assert [] == await world.rows("tasks")
    queue_id = (await world.rows("queues"))[0]["id"]
    await world.store.write(
        lambda tx: item_orders.order(tx, ADMIN, Order.REQUEUE, ItemFilter(queue_id=queue_id, states=["failed"]))
    )
    await next_hub_looks(world)
    assert 3 == len(await world.rows("tasks"))


async def test_what_fell_due_while_no_hub_lived_is_handed_out_by_the_next(world: WorkWorld, clock: FakeClock) -> None:
    """A postponed item whose moment passed, and a lease that ran out: the clock of the next hub begins with them."""
    await add(world, 2)
    (held,) = await world.store.write(items.take, ADMIN, "orders", 1)
    (row,) = await world.rows("items", state="pending")
    later = {"not_before": clock.now().replace(year=clock.now().year + 1)}
    await world.store.write(item_orders.change, ADMIN, row["id"], later)
    clock.advance(366 * 86400)
    fresh = Signals()
    fresh.items.ring()
    await ItemClock(world.store, fresh, clock)._step()
    assert {held.id, row["id"]} == {one.id for one in await world.store.write(items.take, ADMIN, "orders", 2)}


async def test_a_completion_that_died_is_said_again(world: WorkWorld) -> None:
    """R58: nothing of it is kept, its fence stays good; said again after its commit it changes nothing."""
    await add(world, 3)
    taken = await world.store.write(items.take, ADMIN, "orders", 2)
    done = [Completion(item_id=one.id, fence=one.fence, outcome=AttemptOutcome.DONE) for one in taken]
    work = partial(items.work, caller=ADMIN, named="orders", done=done, count=1)
    async for _ in killed_at_every_statement(world.store, work):
        assert ["pending", "processing", "processing"] == sorted((await _standing(world, "state")).values())
        assert [] == await world.rows("attempts")
    assert ["done", "done", "processing"] == sorted((await _standing(world, "state")).values())
    # Nothing is to be taken with it this time.
    again = await world.store.write(partial(items.work, caller=ADMIN, named="orders", done=done, count=0))
    assert (2, []) == (again.completed, again.taken)
    assert 2 == len(await world.rows("attempts"))
    assert 1 == len(await world.rows("events", kind="item.done"))


async def _fail_all(world: WorkWorld) -> None:
    for one in await world.store.write(items.take, ADMIN, "orders", 100):
        failed: dict[str, Any] = {"outcome": AttemptOutcome.FAILED, "error_class": ErrorClass.BUSINESS, "message": "no"}
        await world.store.write(items.complete, ADMIN, Completion(item_id=one.id, fence=one.fence, **failed))


async def _standing(world: WorkWorld, *names: str) -> dict[str, Any]:
    """Where each item stands, by reference."""
    shown = names or ("queue_id", "state")
    rows = await world.rows("items")
    return {row["reference"]: row[names[0]] if names else tuple(row[name] for name in shown) for row in rows}
