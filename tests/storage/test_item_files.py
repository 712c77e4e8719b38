"""Files of items on both databases: who may change them and when, and that they go where their item goes."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from hub.domain.access import Caller, Role
from hub.domain.item import AttemptOutcome, ErrorClass, ItemState
from hub.domain.item_file import FILES_MAX
from hub.domain.queue import ItemRetry, QueueDefinition
from hub.errors import Conflict, Forbidden, Invalid, NotFound
from hub.services import item_adding, item_clock, item_files, item_orders, item_returns, items, queues
from hub.services.item_adding import NewItem
from hub.services.item_orders import Order
from hub.services.items import Completion
from hub.storage import tables
from hub.storage.blobs import Blob
from hub.storage.item_pages import ItemFilter
from hub.storage.items import ItemRow
from hub.storage.transaction import Transaction
from tests.support.clock import FakeClock
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld, work_world

pytestmark = pytest.mark.timeout(120)
SCAN = Blob(sha256="a" * 64, size_bytes=5)
OTHER = Blob(sha256="b" * 64, size_bytes=7)
BEN = Caller(workspace_id=WORKSPACE, workspace="acme", token_id="key_2", name="ben", role=Role.OPERATOR)
BOT = Caller(
    workspace_id=WORKSPACE,
    workspace="acme",
    token_id="exe_1",
    name="exe_1",
    role=Role.OPERATOR,
    execution_id="exe_1",
)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with two queues; what fails in `invoices` goes on to `to-check`."""
    async with work_world(database_url, clock) as made:
        await made.store.write(queues.create, ADMIN, QueueDefinition(label="to-check"))
        retry = ItemRetry(attempts=2, base_s=0, cap_s=0)
        wanted = QueueDefinition(label="invoices", retry=retry, failure_queue="to-check", retention_days=1)
        await made.store.write(queues.create, ADMIN, wanted)
        yield made


async def add(world: WorkWorld, caller: Caller = ADMIN, **members: Any) -> ItemRow:
    """An item."""
    return await world.store.write(item_adding.add, caller, "invoices", NewItem(payload={}, **members))


async def attach(
    world: WorkWorld, item: str, name: str, blob: Blob, fence: int | None = None, caller: Caller = ADMIN
) -> None:
    """Give it a file."""
    await world.store.write(item_files.attach, caller, item, name, blob, fence)


async def names(world: WorkWorld, item: str) -> list[tuple[str, str]]:
    """Its files."""
    return [(one.name, one.sha256[0]) for one in await world.store.read(item_files.of_item, WORKSPACE, item)]


async def take(world: WorkWorld, caller: Caller = ADMIN) -> ItemRow:
    """Take one."""
    (item,) = await world.store.write(items.take, caller, "invoices", 1)
    return item


async def fail(world: WorkWorld, item: ItemRow) -> None:
    """Its attempt failed."""
    failed = Completion(
        item_id=item.id, fence=item.fence, outcome=AttemptOutcome.FAILED, error_class=ErrorClass.APPLICATION
    )
    await world.store.write(items.complete, ADMIN, failed)


async def test_files_stay_through_tries_and_go_on_to_the_next_queue(world: WorkWorld) -> None:
    """What was attached first and what a bot made are there in each try, and in the copy that goes on."""
    await world.store.write(item_files.own, ADMIN, SCAN)
    item = await add(world, files=[("scan.pdf", SCAN.sha256)])
    first = await take(world)
    await attach(world, item.id, "result.txt", OTHER, first.fence)
    await fail(world, first)
    second = await take(world)
    assert await names(world, item.id) == [("result.txt", "b"), ("scan.pdf", "a")]
    with pytest.raises(Conflict, match="lease 1 of this item is over"):
        await attach(world, item.id, "late.txt", OTHER, first.fence)
    await attach(world, item.id, "result.txt", SCAN, second.fence)
    await fail(world, second)
    (copy,) = await world.store.write(items.take, ADMIN, "to-check", 1)
    assert copy.source_id == item.id
    assert await names(world, copy.id) == [("result.txt", "a"), ("scan.pdf", "a")]
    await world.store.write(item_orders.requeue, ADMIN, item.id)
    wanted = ItemFilter(queue_id=item.queue_id, states=[ItemState.PENDING])
    await world.store.write(item_orders.order, ADMIN, Order.CANCEL, wanted)
    wanted = ItemFilter(queue_id=item.queue_id, states=[ItemState.CANCELED])
    await world.store.write(partial(item_orders.order, target="to-check"), ADMIN, Order.MOVE, wanted)
    assert await names(world, item.id) == [("result.txt", "a"), ("scan.pdf", "a")]


async def test_who_may_change_them(world: WorkWorld) -> None:
    """The holder under its fence; anybody while nobody holds it; a bot only what it holds, or added and nobody took."""
    item = await add(world)
    with pytest.raises(Forbidden):
        await attach(world, item.id, "a.txt", SCAN, caller=BOT)
    await attach(world, item.id, "a.txt", SCAN, caller=BEN)
    held = await take(world)
    with pytest.raises(Conflict, match="has this item now"):
        await attach(world, item.id, "b.txt", SCAN)
    with pytest.raises(Conflict, match="has this item now"):
        await world.store.write(item_files.remove, ADMIN, item.id, "a.txt")
    with pytest.raises(Forbidden):
        await attach(world, item.id, "b.txt", SCAN, held.fence, BOT)
    world.clock.advance(901)
    with pytest.raises(Conflict, match="ran out"):
        await attach(world, item.id, "b.txt", SCAN, held.fence)
    own = await add(world, BOT)
    await attach(world, own.id, "mine.txt", SCAN, caller=BOT)
    assert await names(world, own.id) == [("mine.txt", "a")]
    with pytest.raises(NotFound):
        await world.store.write(item_files.remove, ADMIN, own.id, "none.txt")
    await world.store.write(item_files.remove, ADMIN, own.id, "mine.txt")
    assert await names(world, own.id) == []


async def test_bad_files_are_told_all_at_once(world: WorkWorld) -> None:
    """Names that mean something elsewhere, bytes that are not the workspace's, one file too many."""
    await world.store.write(item_files.own, ADMIN, SCAN)
    bad = [("../x", SCAN.sha256), ("a/b", SCAN.sha256), ("A.txt", SCAN.sha256), ("a.txt", SCAN.sha256), ("c", "c" * 64)]
    with pytest.raises(Invalid) as refused:
        await add(world, files=bad)
    told = {fault["field"] for fault in refused.value.details["errors"]}
    assert told == {"files.0.name", "files.1.name", "files.3.name", "files.4.sha256"}
    item = await add(world, files=[(f"{index}.txt", SCAN.sha256) for index in range(FILES_MAX)])
    with pytest.raises(Invalid):
        await attach(world, item.id, "more.txt", SCAN)
    await attach(world, item.id, "0.txt", OTHER)
    with pytest.raises(Invalid):
        await attach(world, (await add(world)).id, "con.txt", SCAN)


async def test_no_file_outlives_its_item(world: WorkWorld) -> None:
    """Retention, and a batch that is dropped, take the files with them; a batch that is shown has them."""
    await world.store.write(item_files.own, ADMIN, SCAN)
    new = [NewItem(payload={}, files=[("scan.pdf", SCAN.sha256)])]
    dropped = await world.store.write(item_adding.open_batch, ADMIN, "invoices")
    await world.store.write(item_adding.add_slice, ADMIN, dropped, 0, new)
    await world.store.write(item_adding.drop, ADMIN, dropped)
    shown = await world.store.write(item_adding.open_batch, ADMIN, "invoices")
    await world.store.write(item_adding.add_slice, ADMIN, shown, 0, new)
    await world.store.write(item_adding.reveal, ADMIN, shown)
    item = await take(world)
    assert await names(world, item.id) == [("scan.pdf", "a")]
    done = Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.DONE)
    await world.store.write(items.complete, ADMIN, done)
    world.clock.advance(2 * 86400)
    await world.store.write(item_clock.tidy)
    assert await world.store.read(_count) == 0


async def test_an_item_that_nobody_waited_for_goes_back_unspent(world: WorkWorld) -> None:
    """At once, and only under the fence that was given; another's is left alone."""
    await add(world)
    item = await take(world)
    assert await world.store.write(item_returns.give_back, BOT, [(item.id, item.fence)]) == 0
    assert await world.store.write(item_returns.give_back, ADMIN, [(item.id, item.fence + 1)]) == 0
    assert await world.store.write(item_returns.give_back, ADMIN, [(item.id, item.fence)]) == 1
    assert await world.store.write(item_returns.give_back, ADMIN, [(item.id, item.fence)]) == 0
    again = await take(world)
    assert (again.id, again.tries, again.fence) == (item.id, 0, item.fence + 1)


def _count(tx: Transaction) -> int:
    return int(tx.connection.execute(sa.select(sa.func.count()).select_from(tables.item_files)).scalar_one())
