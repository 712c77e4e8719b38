"""Items on both databases: handed to exactly one, completed once, given back, tried again (R57, R58, R59)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from hub.domain.access import Caller, Role
from hub.domain.item import AttemptOutcome, ErrorClass, ItemState
from hub.domain.journal import Answer, EffectState
from hub.domain.parameters import Parameter
from hub.domain.queue import Consumption, ItemRetry, QueueDefinition
from hub.errors import Conflict, Invalid
from hub.services import (
    breakers,
    item_adding,
    item_clock,
    item_ends,
    item_orders,
    item_returns,
    items,
    journal,
    queues,
)
from hub.services.item_adding import NewItem
from hub.services.item_orders import Order
from hub.services.items import Completion
from hub.storage import item_pages
from hub.storage.item_pages import ItemFilter
from hub.storage.items import ItemRow
from tests.support.clock import FakeClock
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, work_world

pytestmark = pytest.mark.timeout(120)
NOW = ItemRetry(attempts=3, base_s=0, cap_s=0)
BEN = Caller(workspace_id=WORKSPACE, workspace="acme", token_id="key_2", name="ben", role=Role.OPERATOR)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with queue `invoices`, whose items are tried again at once."""
    async with work_world(database_url, clock) as made:
        await define(made, label="invoices", retry=NOW)
        yield made


async def define(world: WorkWorld, **members: Any) -> None:
    """A queue."""
    await world.store.write(queues.create, ADMIN, QueueDefinition(**members))


async def add(world: WorkWorld, queue: str = "invoices", **members: Any) -> ItemRow:
    """An item; one moment after the one before."""
    world.clock.advance(0.001)
    return await world.store.write(item_adding.add, ADMIN, queue, NewItem(**{"payload": {}, **members}))


async def take(world: WorkWorld, count: int = 1, caller: Caller = ADMIN, queue: str = "invoices") -> list[ItemRow]:
    """Take some."""
    return await world.store.write(items.take, caller, queue, count)


def said(item: ItemRow, outcome: AttemptOutcome = AttemptOutcome.DONE, **members: Any) -> Completion:
    """What its holder says."""
    return Completion(item_id=item.id, fence=item.fence, outcome=outcome, **members)


async def complete(world: WorkWorld, completion: Completion, caller: Caller = ADMIN) -> ItemRow:
    """Say it."""
    return await world.store.write(items.complete, caller, completion)


async def look(world: WorkWorld, item: ItemRow) -> ItemRow:
    """The item as it is now."""
    return await world.store.read(items.show, WORKSPACE, item.id)


async def test_each_item_is_handed_to_one_of_many(world: WorkWorld) -> None:
    """Thirty takers at once get thirty items of forty, each one once."""
    for index in range(40):
        await add(world, payload={"n": index})
    taken = await asyncio.gather(*(take(world) for _ in range(30)))
    ids = [item.id for got in taken for item in got]
    assert (len(ids), len(set(ids))) == (30, 30)


async def test_the_order_is_deadline_then_priority_then_arrival(world: WorkWorld) -> None:
    """A deadline outranks; among equals the first comes first, in a LIFO queue the last."""
    first, second = await add(world), await add(world)
    urgent = await add(world, priority=9)
    due = await add(world, priority=0, deadline=world.clock.now() + timedelta(hours=1))
    assert [item.id for item in await take(world, 4)] == [due.id, urgent.id, first.id, second.id]
    await define(world, label="stack", consumption=Consumption.LIFO)
    old, new = await add(world, "stack"), await add(world, "stack")
    assert [item.id for item in await take(world, 2, queue="stack")] == [new.id, old.id]


async def test_a_turned_queue_hands_out_in_the_other_order(world: WorkWorld) -> None:
    """Changing FIFO to LIFO counts for what waits already."""
    first, second = await add(world), await add(world)
    await world.store.write(queues.edit, ADMIN, "invoices", {"consumption": Consumption.LIFO})
    assert [item.id for item in await take(world, 2)] == [second.id, first.id]


async def test_a_stale_lease_is_refused_and_one_end_is_recorded(world: WorkWorld) -> None:
    """R58: the lease ran out while the bot worked: 409; another finishes it, once."""
    item = await add(world)
    (first,) = await take(world)
    world.clock.advance(901)
    with pytest.raises(Conflict, match="ran out"):
        await complete(world, said(first))
    await world.store.write(item_ends.expire)
    (second,) = await take(world, caller=BEN)
    with pytest.raises(Conflict, match="over"):
        await complete(world, said(first))
    await complete(world, said(second), BEN)
    with pytest.raises(Conflict, match="over"):
        await complete(world, said(first))
    ended = await world.store.read(item_pages.attempts_of, WORKSPACE, item.id)
    assert [(one.outcome, one.is_counted) for one in ended] == [("timed_out", True), ("done", True)]


async def test_the_same_word_again_changes_nothing(world: WorkWorld) -> None:
    """The answer to a completion was lost: its repetition is no error, another word is."""
    await add(world)
    (item,) = await take(world)
    await complete(world, said(item))
    assert (await complete(world, said(item))).state == ItemState.DONE
    with pytest.raises(Conflict):
        await complete(world, said(item, AttemptOutcome.FAILED))
    assert len(await world.store.read(item_pages.attempts_of, WORKSPACE, item.id)) == 1


async def test_error_classes(world: WorkWorld) -> None:
    """Business errors are not tried again; application errors are, until the tries are used up."""
    await add(world)
    (item,) = await take(world)
    wrong = await complete(world, said(item, AttemptOutcome.FAILED, error_class=ErrorClass.BUSINESS, message="no VAT"))
    assert (wrong.state, wrong.error_class, wrong.message) == ("failed", "business", "no VAT")
    again = await add(world)
    states = []
    for _ in range(3):
        (item,) = await take(world)
        states.append(
            (await complete(world, said(item, AttemptOutcome.FAILED, error_class=ErrorClass.APPLICATION))).state
        )
    assert (states, (await look(world, again)).tries) == (["pending", "pending", "failed"], 3)


async def test_a_retry_waits_and_falls_due(world: WorkWorld) -> None:
    """With a back-off the item is postponed; the clock of items makes it pending when its moment comes."""
    await define(world, label="slow", retry=ItemRetry(attempts=2, base_s=60, cap_s=60))
    await add(world, "slow")
    (item,) = await take(world, queue="slow")
    failed = await complete(world, said(item, AttemptOutcome.FAILED, error_class=ErrorClass.APPLICATION))
    assert failed.state == ItemState.POSTPONED
    assert failed.not_before is not None
    assert not await take(world, queue="slow")
    world.clock.advance(61)
    await world.store.write(item_clock.turn)
    assert [one.id for one in await take(world, queue="slow")] == [item.id]


async def test_a_unique_reference_is_taken_once(world: WorkWorld) -> None:
    """R59: of two who add it at once one is told whose it is; a canceled one frees it."""
    await define(world, label="unique", unique_references=True)
    added = await asyncio.gather(*(add(world, "unique", reference="4711") for _ in range(2)), return_exceptions=True)
    kept = [one for one in added if isinstance(one, ItemRow)]
    refused = [one for one in added if isinstance(one, Conflict)]
    assert (len(kept), len(refused)) == (1, 1)
    assert refused[0].details["item"] == kept[0].id
    await world.store.write(item_orders.cancel, ADMIN, kept[0].id, "")
    await add(world, "unique", reference="4711")


async def test_all_faults_of_all_items_come_at_once_and_nothing_is_added(world: WorkWorld) -> None:
    """A bulk insert names each place; with `each` the good ones go in."""
    await define(world, label="typed", fields=(Parameter(name="no", required=True),), unique=("no",))
    some = [NewItem(payload={"no": "1"}, place="line 1"), NewItem(payload={}, place="line 2")]
    some.append(NewItem(payload={"no": "1"}, place="line 3"))
    with pytest.raises(Invalid) as refused:
        await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "typed", some, each=False))
    fields = [fault["field"] for fault in refused.value.details["errors"]]
    assert fields == ["line 2.payload.no", "line 3.reference"]
    assert not await take(world, queue="typed")
    done = await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "typed", some, each=True))
    assert (done.added, [one.place for one in done.refused]) == (1, ["line 2", "line 3"])


async def test_the_limit_of_a_queue_holds_for_all_takers(world: WorkWorld) -> None:
    """At most two in work at once, however many ask; a paused queue hands out nothing."""
    await define(world, label="narrow", concurrency=2)
    for _ in range(6):
        await add(world, "narrow")
    got = await asyncio.gather(*(take(world, queue="narrow") for _ in range(5)))
    held = [item for one in got for item in one]
    assert len(held) == 2
    await world.store.write(queues.pause, WORKSPACE, "narrow", "ana", "audit")
    await complete(world, said(held[0]))
    assert not await take(world, queue="narrow")
    await world.store.write(queues.resume, WORKSPACE, "narrow", "ana")
    assert len(await take(world, 5, queue="narrow")) == 1


async def test_items_go_on_to_the_next_queue(world: WorkWorld) -> None:
    """A finished item's result goes over its payload; what does not fit there is for a person; a cycle is refused."""
    await define(world, label="paid", fields=(Parameter(name="iban", required=True),))
    await define(world, label="open", success_queue="paid", failure_queue="invoices")
    for _ in range(2):
        await add(world, "open", payload={"no": "7"}, reference="7")
    good, bad = await take(world, 2, queue="open")
    await complete(world, said(good, result={"iban": "DE1"}))
    await complete(world, said(bad, AttemptOutcome.FAILED, error_class=ErrorClass.BUSINESS))
    rows = {row["source_id"]: row for row in await world.rows("items") if row["source_id"]}
    # `no` is no field of the queue `paid`, so a person looks at it.
    assert rows[good.id]["state"] == ItemState.IN_REVIEW
    assert "payload.no" in rows[good.id]["message"]
    assert (rows[bad.id]["state"], rows[bad.id]["reference"]) == (ItemState.PENDING, "7")
    with pytest.raises(Invalid) as refused:
        await world.store.write(queues.edit, ADMIN, "paid", {"failure_queue": "open"})
    assert "for ever" in refused.value.details["errors"][0]["message"]


async def test_failures_in_a_row_pause_the_queue(world: WorkWorld) -> None:
    """Abort after N errors in a row, with the reason and an alert; a success in between begins anew."""
    await define(world, label="fragile", stop_after=2, retry=ItemRetry(attempts=1))
    for _ in range(5):
        await add(world, "fragile")
    failed = AttemptOutcome.FAILED
    for outcome in (failed, AttemptOutcome.DONE, failed, failed):
        (item,) = await take(world, queue="fragile")
        await complete(world, said(item, outcome, error_class=None, message="login refused"))
    assert not await take(world, queue="fragile")
    view = await world.store.read(queues.show, WORKSPACE, "fragile")
    assert "login refused" in str(view.queue.paused_why)
    assert [row["kind"] for row in await world.rows("alerts")] == ["queue_paused"]


async def test_orders_by_filter(world: WorkWorld) -> None:
    """Requeue what failed, cancel by reference, move to another queue; what is in work is left alone."""
    await define(world, label="later")
    for index in range(4):
        await add(world, reference=str(index))
    taken = await take(world, 2)
    await complete(world, said(taken[0], AttemptOutcome.FAILED, error_class=ErrorClass.BUSINESS))
    queue_id = taken[0].queue_id

    async def order(what: Order, target: str | None = None, **wanted: Any) -> int:
        filtered = ItemFilter(queue_id=queue_id, **wanted)
        done = await world.store.write(lambda tx: item_orders.order(tx, ADMIN, what, filtered, target=target))
        return done.changed

    assert await order(Order.REQUEUE, states=["failed"]) == 1
    assert await order(Order.CANCEL, reference="2") == 1
    assert await order(Order.CANCEL, reference="1") == 0  # in work
    assert await order(Order.MOVE, "later") == 2  # the requeued one and the waiting one; what is canceled stays
    assert len(await take(world, 9, queue="later")) == 2


async def test_an_outage_burns_no_attempts(world: WorkWorld) -> None:
    """A target that is out of order: items go back unspent, nothing is handed out, one probe at a time tries again."""
    policy = {"threshold": 3, "probe_after_s": 30, "cap_s": 60}
    await world.store.write(breakers.edit, ADMIN, "sap", policy)
    await define(world, label="sap", target="sap", retry=NOW)
    for _ in range(6):
        await add(world, "sap")
    for item in await take(world, 3, queue="sap"):
        await complete(world, said(item, AttemptOutcome.FAILED, error_class=ErrorClass.SYSTEM, message="no login"))
    assert not await take(world, 6, queue="sap")
    rows = [row for row in await world.rows("items") if row["state"] == "pending"]
    assert [row["tries"] for row in rows] == [0] * 6
    world.clock.advance(120)
    await world.store.write(breakers.turn)
    (probe,) = await take(world, 6, queue="sap")
    assert not await take(world, 6, queue="sap")
    await complete(world, said(probe))
    assert len(await take(world, 6, queue="sap")) >= 1


async def test_withdrawn_takes_are_no_failures_that_were_forgiven(world: WorkWorld) -> None:
    """An item that hung-up bots gave back often is charged as late as any other."""
    await world.store.write(breakers.edit, ADMIN, "sap", {"threshold": 2})
    await define(world, label="sap", target="sap", retry=NOW)
    await add(world, "sap")
    for _ in range(3):
        (item,) = await take(world, 1, queue="sap")
        assert await world.store.write(item_returns.give_back, ADMIN, [(item.id, item.fence)]) == 1
    charged = []
    for _ in range(3):
        (item,) = await take(world, 1, queue="sap")
        await complete(world, said(item, AttemptOutcome.FAILED, error_class=ErrorClass.SYSTEM, message="no login"))
        await world.store.write(breakers.close_by_hand, ADMIN, "sap")
        charged.append((await world.rows("items"))[0]["tries"])
    assert charged == [0, 0, 1]


async def test_what_was_canceled_stays_so_unless_it_is_named(world: WorkWorld) -> None:
    """Its reference may be another's by now; by filter it is left alone; nothing is moved to where it is."""
    await define(world, label="unique", unique_references=True)
    first = await add(world, "unique", reference="4711")
    await world.store.write(item_orders.cancel, ADMIN, first.id, "")
    await add(world, "unique", reference="4711")
    with pytest.raises(Conflict, match="Another item"):
        await world.store.write(item_orders.requeue, ADMIN, first.id)
    everything = ItemFilter(queue_id=first.queue_id)
    named = ItemFilter(queue_id=first.queue_id, states=["canceled"])
    for what, wanted, target, changed, refused in (
        (Order.REQUEUE, everything, None, 0, 0),
        (Order.REQUEUE, named, None, 0, 1),
        (Order.MOVE, everything, "invoices", 1, 0),
        (Order.MOVE, named, "invoices", 1, 0),
    ):
        order = partial(item_orders.order, caller=ADMIN, what=what, wanted=wanted, target=target)
        done = await world.store.write(order)
        assert (done.changed, done.refused) == (changed, refused), (what, wanted)
    with pytest.raises(Invalid, match="already"):
        await world.store.write(
            partial(item_orders.order, caller=ADMIN, what=Order.MOVE, wanted=everything, target="unique")
        )


async def test_a_queue_that_is_used_is_not_removed(world: WorkWorld) -> None:
    """Not while it has items; one that had a batch can be."""
    batch = await world.store.write(item_adding.open_batch, ADMIN, "invoices")
    await world.store.write(item_adding.add_slice, ADMIN, batch, 0, [NewItem(payload={})])
    await world.store.write(item_adding.reveal, ADMIN, batch)
    with pytest.raises(Conflict, match="has items"):
        await world.store.write(queues.delete, ADMIN, "invoices")
    await define(world, label="empty")
    batch = await world.store.write(item_adding.open_batch, ADMIN, "empty")
    await world.store.write(item_adding.reveal, ADMIN, batch)
    await world.store.write(queues.delete, ADMIN, "empty")


async def test_the_journal_tells_what_was_done(world: WorkWorld) -> None:
    """A retry learns done with the result, not done, or unknown; a person settles what is unknown."""
    await add(world)
    (item,) = await take(world)

    async def ask(key: str, held: ItemRow) -> Answer:
        return (await world.store.write(journal.intend, ADMIN, held.id, key, held.fence)).answer

    async def settle(key: str, outcome: EffectState, fence: int | None, result: Any = None) -> None:
        await world.store.write(lambda tx: journal.settle(tx, ADMIN, item.id, key, outcome, fence=fence, result=result))

    assert [await ask(key, item) for key in ("pay", "mail", "print", "pay")] == [Answer.GO] * 4
    await settle("pay", EffectState.DONE, item.fence, {"receipt": 5})
    await settle("mail", EffectState.NOT_DONE, item.fence)
    with pytest.raises(Conflict, match="can't be taken back"):
        await settle("pay", EffectState.NOT_DONE, item.fence)
    await complete(world, said(item, AttemptOutcome.FAILED, error_class=ErrorClass.APPLICATION))
    (second,) = await take(world)
    assert [await ask(key, second) for key in ("pay", "mail", "print")] == [Answer.DONE, Answer.GO, Answer.UNKNOWN]
    with pytest.raises(Conflict, match="in work"):
        await settle("print", EffectState.DONE, None)
    await complete(world, said(second, AttemptOutcome.IN_REVIEW, message="was it printed?"))
    await settle("print", EffectState.DONE, None)
    await world.store.write(item_orders.requeue, ADMIN, item.id)
    (third,) = await take(world)
    assert await ask("print", third) is Answer.DONE
