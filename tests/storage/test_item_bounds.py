"""Items on both databases: what is bounded, what goes on behind a place, and which index answers."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from agent.gateway.upstream import ANSWER_IN_MEMORY_BYTES
from hub.api.item_views import items_json
from hub.domain.access import Caller, Role
from hub.domain.item import AttemptOutcome, ItemState
from hub.domain.parameters import Parameter
from hub.domain.queue import ItemRetry, QueueDefinition
from hub.errors import Conflict, Invalid
from hub.services import item_adding, item_clock, item_orders, item_returns, items, journal, queues
from hub.services.item_adding import NewItem
from hub.services.item_orders import Order
from hub.services.items import Completion
from hub.storage import dead_letters, item_ends, item_keeping, item_pages
from hub.storage import items as item_rows
from hub.storage import queues as queue_rows
from hub.storage.item_ends import HeldRow, Told
from hub.storage.item_pages import ItemFilter
from hub.storage.items import ANSWER_MAX, Holder, ItemRow, Wanted
from hub.storage.transaction import Done, Transaction
from tests.support.clock import FakeClock
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, work_world

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with queue `invoices`."""
    async with work_world(database_url, clock) as made:
        await define(made, label="invoices", retry=ItemRetry(attempts=1))
        yield made


async def define(world: WorkWorld, **members: Any) -> None:
    """A queue."""
    await world.store.write(queues.create, ADMIN, QueueDefinition(**members))


async def add(world: WorkWorld, queue: str = "invoices", **members: Any) -> ItemRow:
    """An item; one moment after the one before."""
    world.clock.advance(0.001)
    return await world.store.write(item_adding.add, ADMIN, queue, NewItem(**{"payload": {}, **members}))


async def take(world: WorkWorld, count: int = 1, queue: str = "invoices") -> list[ItemRow]:
    """Take some."""
    return await world.store.write(items.take, ADMIN, queue, count)


async def in_state(world: WorkWorld, label: str, *states: str) -> list[ItemRow]:
    """Items of a queue, newest first."""

    def find(tx: Transaction) -> list[ItemRow]:
        queue = queues.row_of(tx, WORKSPACE, label)
        return item_pages.page(tx, WORKSPACE, ItemFilter(queue_id=queue.id, states=states or None), "", 500)

    return await world.store.read(find)


def done(item: ItemRow, **members: Any) -> Completion:
    """Its holder says so."""
    return Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.DONE, **members)


async def test_a_take_hands_out_no_more_than_an_answer_holds(world: WorkWorld) -> None:
    """What a gateway reads whole, in bytes and with all members; at least one item. The others wait as before."""
    texts = ["é" * 40_000, *(("x" * 150_000 if n % 2 else "漢" * 43_000) for n in range(7)), *[""] * 400]
    lines = [NewItem(payload={"text": one}, reference="ß" * 200, tags=["x" * 64] * 9) for one in texts]
    await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "invoices", lines, each=False))
    answers = []
    while taken := await take(world, 500):
        answers.append(taken)
    sizes = [len(items_json(one, completed=500)) for one in answers]
    assert sum(len(one) for one in answers) == len(texts)
    assert max(sizes) < ANSWER_IN_MEMORY_BYTES
    assert all(size > 600 * 1024 for size in sizes[:-1]), sizes
    assert [len(one.payload["text"]) for one in answers[0]][:3] == [40_000, 43_000, 150_000]


async def test_an_item_that_fills_an_answer_is_handed_out_alone(world: WorkWorld) -> None:
    """Its mark may be larger than any answer of several."""
    for _ in range(2):
        await add(world)
    (item,) = await take(world)
    await world.store.write(items.mark, ADMIN, item.id, item.fence, "x" * ANSWER_MAX)
    await world.store.write(item_returns.give_back, ADMIN, [(item.id, item.fence)])
    assert [one.id for one in await take(world, 8)] == [item.id]
    assert len(await take(world, 8)) == 1


async def test_every_way_to_be_done_leaves_the_same(world: WorkWorld) -> None:
    """One alone, many of which nothing is said, and many that bring a result: the same item, attempt and state."""
    for _ in range(5):
        await add(world)
    alone, *rest = await take(world, 5)
    await world.store.write(items.complete, ADMIN, done(alone))
    told = [done(rest[0]), done(rest[1]), done(rest[2], result={"receipt": 17}, message="paid")]
    stale = [*told, Completion(item_id=rest[3].id, fence=9, outcome=AttemptOutcome.DONE)]
    with pytest.raises(Conflict, match="lease 9"):
        await world.store.write(items.work, ADMIN, "invoices", stale, 0)
    assert (await world.store.write(items.work, ADMIN, "invoices", told, 0)).completed == 3
    assert (await world.store.write(items.work, ADMIN, "invoices", told, 0)).completed == 3
    rows = {row["id"]: row for row in await world.rows("items")}
    ended = {row["item_id"]: row for row in await world.rows("attempts")}
    assert set(ended) == {alone.id, *(one.id for one in rest[:3])}
    varying = {"item_id", "id", "rank", "created_at", "updated_at", "finished_at", "ended_at", "message", "result"}
    for table in (rows, ended):
        found = [{name: value for name, value in table[one].items() if name not in varying} for one in ended]
        assert all(one == found[0] for one in found)
    assert (rows[rest[2].id]["result"], ended[rest[2].id]["message"]) == ({"receipt": 17}, "paid")
    assert rows[rest[3].id]["state"] == ItemState.PROCESSING


async def test_a_slice_that_comes_again_tells_what_is_there(world: WorkWorld) -> None:
    """Of three lines one was refused: two are there, the first time and the second."""
    await define(world, label="typed", fields=(Parameter(name="no", required=True),))
    batch = await world.store.write(item_adding.open_batch, ADMIN, "typed")
    lines = [NewItem(payload={"no": "1"}), NewItem(payload={}), NewItem(payload={"no": "3"})]
    for _ in range(2):
        told = await world.store.write(lambda tx: item_adding.add_slice(tx, ADMIN, batch, 0, lines, each=True))
        assert told.added == 2


async def test_leases_of_living_bots_are_prolonged_slice_by_slice(world: WorkWorld) -> None:
    """Those that may not be prolonged any more keep none behind them from it."""
    await define(world, label="short", expected_s=5)
    _, _, start = await world.running()
    bot = Caller(
        workspace_id=WORKSPACE,
        workspace="acme",
        token_id=start.execution_id,
        name=start.execution_id,
        role=Role.OPERATOR,
        execution_id=start.execution_id,
    )
    for queue in ("short", "invoices", "invoices"):
        await add(world, queue)
    held = [
        *(await world.store.write(items.take, bot, "short", 1)),
        *(await world.store.write(items.take, bot, "invoices", 2)),
    ]
    world.clock.advance(850)
    place = await world.store.write(item_clock.turn, None, 1)
    turns = 1
    while place is not None:
        place = await world.store.write(item_clock.turn, place, 1)
        turns += 1
    world.clock.advance(100)
    await world.store.write(item_clock.turn)
    states = [(await world.store.read(items.show, WORKSPACE, one.id)).state for one in held]
    assert turns == 4
    assert states[0] != ItemState.PROCESSING
    assert states[1:] == [ItemState.PROCESSING, ItemState.PROCESSING]


async def test_what_does_not_fit_the_next_queue_is_for_a_person(world: WorkWorld) -> None:
    """A double, or one without the reference that the queue wants: in review there, told why, and nothing is lost."""
    await define(world, label="paid", unique_references=True)
    await define(world, label="open", success_queue="paid")
    for reference in ("7", "7", None):
        await add(world, "open", reference=reference, payload={"amount": 5})
    for item in await take(world, 3, queue="open"):
        await world.store.write(items.complete, ADMIN, done(item))
    (there,) = await in_state(world, "paid", "pending")
    nameless, double = await in_state(world, "paid", "in_review")
    assert there.id in str(double.message)
    assert "reference: missing" in str(nameless.message)
    assert [one.payload for one in (double, nameless)] == [{"amount": 5}] * 2
    with pytest.raises(Conflict, match="by now"):
        await world.store.write(item_orders.requeue, ADMIN, double.id)
    await world.store.write(item_orders.cancel, ADMIN, there.id, "")
    requeued = await world.store.write(item_orders.requeue, ADMIN, double.id)
    assert (requeued.state, requeued.unique_key) == (ItemState.PENDING, "reference 7")


async def test_what_does_not_fit_is_handed_to_nobody(world: WorkWorld) -> None:
    """A copy that waits for a person is checked before it is pending: alone it tells every fault, of many it counts."""
    await define(world, label="typed", fields=(Parameter(name="no", required=True),))
    await define(world, label="open", success_queue="typed")
    await add(world, "open", payload={})
    (item,) = await take(world, queue="open")
    await world.store.write(items.complete, ADMIN, done(item))
    (copy,) = await in_state(world, "typed", "in_review")
    with pytest.raises(Invalid, match="typed") as refused:
        await world.store.write(item_orders.requeue, ADMIN, copy.id)
    assert [one["field"] for one in refused.value.details["errors"]] == ["payload.no"]
    wanted = ItemFilter(queue_id=copy.queue_id)
    told = await world.store.write(lambda tx: item_orders.order(tx, ADMIN, Order.REQUEUE, wanted))
    assert (told.changed, told.refused) == (0, 1)
    assert not await take(world, queue="typed")
    await world.store.write(item_orders.cancel, ADMIN, copy.id, "")
    with pytest.raises(Invalid):
        await world.store.write(item_orders.requeue, ADMIN, copy.id)
    fit = await add(world, "typed", payload={"no": "1"})
    await world.store.write(item_orders.cancel, ADMIN, fit.id, "")
    assert (await world.store.write(item_orders.requeue, ADMIN, fit.id)).state == ItemState.PENDING
    assert [one.id for one in await take(world, 9, queue="typed")] == [fit.id]


async def test_long_unique_fields_are_as_unique(world: WorkWorld) -> None:
    """PostgreSQL's index takes no key beyond a third of a page; compression must not help here."""
    await define(world, label="long", fields=(Parameter(name="text"),), unique=("text",))
    chance = random.Random(4711)
    text = "".join(chance.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(40_000))
    await add(world, "long", payload={"text": text})
    await add(world, "long", payload={"text": text + "x"})
    with pytest.raises(Conflict, match="already"):
        await add(world, "long", payload={"text": text})


@pytest.mark.parametrize("key", ["x" * 201, "a\0b", ""])
async def test_an_effect_has_a_short_plain_name(world: WorkWorld, key: str) -> None:
    """It is refused before anything is looked up."""
    await add(world)
    (item,) = await take(world)
    with pytest.raises(Invalid):
        await world.store.write(journal.intend, ADMIN, item.id, key, item.fence)
    await world.store.write(journal.intend, ADMIN, item.id, "x" * 200, item.fence)


async def test_items_that_do_not_fit_hide_none_behind_them(world: WorkWorld) -> None:
    """A move goes on behind those that the other queue does not take, slice by slice."""
    await define(world, label="typed", fields=(Parameter(name="no", required=True),))
    for payload in ({}, {}, {}, {"no": "1"}, {}, {"no": "2"}):
        await add(world, payload=payload)
    queue_id = (await in_state(world, "invoices"))[0].queue_id

    async def move(after: str) -> item_orders.Ordered:
        wanted = ItemFilter(queue_id=queue_id)
        return await world.store.write(
            lambda tx: item_orders.order(tx, ADMIN, Order.MOVE, wanted, target="typed", after=after, limit=2)
        )

    told = [await move("")]
    while told[-1].position:
        told.append(await move(told[-1].position))
    assert [(one.changed, one.refused) for one in told] == [(0, 2), (1, 1), (1, 1), (0, 0)]
    assert len(await in_state(world, "typed", "pending")) == 2
    with pytest.raises(Invalid):
        await move("yesterday")


def _pages(tx: Transaction, queue_id: str) -> None:
    item_pages.page(tx, WORKSPACE, ItemFilter(queue_id=queue_id), "", 50)


def _of_a_state(tx: Transaction, queue_id: str) -> None:
    item_pages.page(tx, WORKSPACE, ItemFilter(queue_id=queue_id, states=["failed"]), "", 50)


def _of_a_reference(tx: Transaction, queue_id: str) -> None:
    item_pages.page(tx, WORKSPACE, ItemFilter(queue_id=queue_id, reference="4711"), "", 50)


def _ordered(tx: Transaction, queue_id: str) -> None:
    after = f"{tx.now.isoformat()} itm_1"
    item_pages.matching(tx, WORKSPACE, ItemFilter(queue_id=queue_id), ["failed"], 500, after)


def _counts(tx: Transaction, queue_id: str) -> None:
    queue_rows.counts(tx, WORKSPACE, [queue_id])


def _of_execution(tx: Transaction, _: str) -> None:
    item_rows.of_execution(tx, WORKSPACE, "exe_1")


def _taken(tx: Transaction, queue_id: str) -> None:
    wanted = Wanted(workspace_id=WORKSPACE, queue_id=queue_id, count=50, until=tx.now, patience=tx.now)
    item_rows.take(tx, wanted, Holder(actor="token:ana"))


def _ended(tx: Transaction, queue_id: str) -> None:
    members: dict[str, Any] = dict.fromkeys(HeldRow.__slots__)
    members |= {"workspace_id": WORKSPACE, "id": "itm_1", "queue_id": queue_id, "fence": 1}
    held = HeldRow(**members)
    with suppress(RuntimeError):  # it is not there
        item_ends.end_done(tx, [Told(held)])


def _retention(tx: Transaction, queue_id: str) -> None:
    item_keeping.remove_old(tx, ["done", "failed"], 500)


def _dead(tx: Transaction, _: str) -> None:
    dead_letters.page(tx, WORKSPACE, None, "", 50)


def _dead_of_queue(tx: Transaction, queue_id: str) -> None:
    dead_letters.page(tx, WORKSPACE, queue_id, f"{tx.now.isoformat()} itm_1", 50)


def _dead_counts(tx: Transaction, _: str) -> None:
    dead_letters.counts(tx, WORKSPACE, None)


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (_dead, "ix_items_dead "),
        (_dead_of_queue, "ix_items_dead_of_queue"),
        (_dead_counts, "ix_items_dead_of_queue"),
        (_pages, "ix_items_newest"),
        (_of_a_state, "ix_items_state"),
        (_of_a_reference, "ix_items_reference"),
        (_ordered, "ix_items_state"),
        (_counts, "ix_items_state"),
        (_retention, "ix_items_ended"),
        (_taken, "ix_items_next"),
        (_of_execution, "ix_items_execution"),
        (_ended, "items_1 (workspace_id=? AND id=?)"),
    ],
)
async def test_an_index_has_the_answer_in_its_order(
    world: WorkWorld, ask: Callable[[Transaction, str], None], index: str
) -> None:
    """No question about a queue of 300,000 items reads all of them, or sorts them."""
    await define(world, label="kept", retention_days=1)
    queue = await world.store.read(queues.row_of, WORKSPACE, "kept")

    def look(tx: Transaction) -> Done[list[str]]:
        seen: list[tuple[str, Any]] = []
        engine = tx.connection.engine
        note = _noting(seen)
        sa.event.listen(engine, "before_cursor_execute", note)
        if tx.is_sqlite:
            tx.driver.set_trace_callback(lambda statement: seen.append((statement, ())))
        try:
            ask(tx, queue.id)
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)
            if tx.is_sqlite:
                seen = [one for one in seen if not one[1]]
                tx.driver.set_trace_callback(None)
        return Done([_plan(tx, *one) for one in seen if " items" in one[0]])

    plans = await world.store.write(look)
    assert plans
    if ask in {_of_execution, _ended} and "COST" in plans[0].upper():
        return  # of small tables PostgreSQL reads any index; with statistics it finds the way by itself
    for plan in plans:
        assert index in plan, plan
        assert ask in {_of_execution, _taken, _dead_counts} or ("B-TREE" not in plan and "Sort" not in plan), plan
        assert ask not in {_counts, _dead_counts} or "ONLY" in plan.upper() or "COVERING" in plan, plan


def _noting(seen: list[tuple[str, Any]]) -> Callable[..., None]:
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    return note


def _plan(tx: Transaction, statement: str, parameters: Sequence[Any]) -> str:
    """The engine's way; PostgreSQL's with the ways forbidden that only a small table is asked in."""
    if not tx.is_sqlite:
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan", "enable_hashagg"):
            tx.connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    word = "EXPLAIN QUERY PLAN" if tx.is_sqlite else "EXPLAIN"
    rows = tx.connection.exec_driver_sql(f"{word} {statement}", tuple(parameters)).all()
    return "\n".join(str(row[-1]) for row in rows)
