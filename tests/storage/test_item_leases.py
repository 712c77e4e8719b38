"""Leases of items that bots hold: prolonged while the bot lives on a linked runner, ended with its execution."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from agent.wire.facts import ExitFact
from agent.wire.messages import Start
from agent.wire.words import ExitKind
from hub.domain.access import Caller, Role
from hub.domain.item import AttemptOutcome, ErrorClass, ItemState
from hub.domain.queue import QueueDefinition
from hub.errors import Conflict, Forbidden
from hub.services import item_adding, item_clock, items, queues
from hub.services.item_adding import NewItem
from hub.services.item_clock import ItemClock
from hub.services.items import Completion
from hub.storage import item_pages, queue_watch, tables
from hub.storage.items import ItemRow
from hub.storage.transaction import Done, Transaction
from tests.support.clock import FakeClock
from tests.support.work_world import ADMIN, OTHER_RUNNER, WORKSPACE, PlayedSession, WorkWorld, exited, final, work_world

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with two queues; attempts of the second are expected to take 20 minutes at most."""
    async with work_world(database_url, clock) as made:
        await made.store.write(queues.create, ADMIN, QueueDefinition(label="plain"))
        await made.store.write(queues.create, ADMIN, QueueDefinition(label="expected", expected_s=1200))
        for queue in ("plain", "expected"):
            await made.store.write(item_adding.add, ADMIN, queue, NewItem(payload={}))
        yield made


def bot_of(start: Start) -> Caller:
    """The bot of that order, as its gateway's calls make it known."""
    return Caller(
        workspace_id=WORKSPACE,
        workspace="acme",
        token_id=start.execution_id,
        name=start.execution_id,
        role=Role.OPERATOR,
        execution_id=start.execution_id,
    )


async def held(world: WorkWorld, queue: str = "plain") -> tuple[ItemRow, PlayedSession, Start]:
    """An item that a running bot has."""
    _, session, start = await world.running()
    (item,) = await world.store.write(items.take, bot_of(start), queue, 1)
    return item, session, start


async def look(world: WorkWorld, item: ItemRow) -> ItemRow:
    """The item as it is now."""
    return await world.store.read(items.show, WORKSPACE, item.id)


async def test_the_runner_speaks_for_a_bot_that_lives(world: WorkWorld) -> None:
    """An hour of work on one item without a word of the bot: its lease goes on, a minute before each end."""
    item, _, start = await held(world)
    for _ in range(8):
        world.clock.advance(850)
        await world.store.write(item_clock.turn)
    assert (await look(world, item)).fence == item.fence
    done = Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.DONE)
    assert (await world.store.write(items.complete, bot_of(start), done)).state == ItemState.DONE


@pytest.mark.parametrize("lease_s", [10, 59, 61, 119])
async def test_short_leases_are_prolonged_in_passes_that_end(world: WorkWorld, lease_s: int) -> None:
    """Two slices of leases shorter than the minute before whose end they are prolonged: each is, in half its time."""
    await world.store.write(queues.create, ADMIN, QueueDefinition(label="short", lease_s=lease_s))
    await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "short", [NewItem(payload={})] * 6, each=False))
    _, _, start = await world.running()
    taken = await world.store.write(items.take, bot_of(start), "short", 6)
    turns = 0
    for _ in range(4):
        world.clock.advance(lease_s / 2)
        place = await world.store.write(item_clock.turn, None, 3)
        turns += 1
        while place is not None:
            assert turns < 40
            world.clock.advance(0.005)
            place = await world.store.write(item_clock.turn, place, 3)
            turns += 1
    assert {(await look(world, one)).fence for one in taken} == {1}
    assert {(await look(world, one)).state for one in taken} == {ItemState.PROCESSING}


async def test_a_runner_that_is_gone_speaks_for_nobody(world: WorkWorld) -> None:
    """Then the lease runs out, and what the bot says later comes too late."""
    item, session, start = await held(world)
    await world.disconnect(session)
    world.clock.advance(901)
    await world.store.write(item_clock.turn)
    assert (await look(world, item)).state == ItemState.POSTPONED
    done = Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.DONE)
    with pytest.raises(Conflict, match="over"):
        await world.store.write(items.complete, bot_of(start), done)


async def test_a_hung_bot_is_not_spoken_for_beyond_what_is_expected(world: WorkWorld) -> None:
    """Twenty minutes are expected: then the attempt times out, though the process lives."""
    item, _, _ = await held(world, "expected")
    for _ in range(2):
        world.clock.advance(850)
        await world.store.write(item_clock.turn)
    assert (await look(world, item)).state == ItemState.POSTPONED
    (attempt,) = await world.store.read(item_pages.attempts_of, WORKSPACE, item.id)
    assert attempt.outcome == "timed_out"


@pytest.mark.parametrize(
    ("how", "outcome", "counted"),
    [(ExitKind.NORMAL, "crashed", True), (ExitKind.HOST_RESTARTED, "returned", False)],
)
async def test_an_execution_that_ends_gives_its_items_back_at_once(
    world: WorkWorld, how: ExitKind, outcome: str, *, counted: bool
) -> None:
    """A bot that ended without a word of it is a crash; one that its machine took along spends nothing."""
    item, session, start = await held(world)
    said = exited(1) if how is ExitKind.NORMAL else ExitFact(at=world.clock.now(), how=how)
    await world.say(session, start, said, final(), first=2)
    assert (await look(world, item)).state in {ItemState.PENDING, ItemState.POSTPONED}
    (attempt,) = await world.store.read(item_pages.attempts_of, WORKSPACE, item.id)
    assert (attempt.outcome, attempt.is_counted) == (outcome, counted)
    with pytest.raises(Conflict, match="over"):
        await world.store.write(items.take, bot_of(start), "plain", 1)


async def test_what_an_execution_that_is_over_still_has_goes_back(world: WorkWorld) -> None:
    """However it was left behind: within a minute, unspent; what a person has stays his."""
    item, _, start = await held(world)
    (kept,) = await world.store.write(items.take, ADMIN, "expected", 1)
    over = sa.update(tables.executions).where(tables.executions.c.id == start.execution_id)

    def leave(tx: Transaction) -> Done[None]:
        tx.connection.execute(over.values(state="finished", outcome="succeeded", settled_at=tx.now))
        return Done(None)

    clock = ItemClock(world.store, world.signals, world.clock)
    world.signals.items.ring()
    await clock._step()
    assert (await look(world, item)).state == ItemState.PROCESSING
    await world.store.write(leave)
    world.clock.advance(60)
    world.signals.items.ring()
    await clock._step()
    assert [(await look(world, one)).state for one in (item, kept)] == [ItemState.PENDING, ItemState.PROCESSING]
    (attempt,) = await world.store.read(item_pages.attempts_of, WORKSPACE, item.id)
    assert (attempt.outcome, attempt.is_counted) == ("returned", False)


async def test_what_failed_here_waits_for_another_runner(world: WorkWorld) -> None:
    """R58: a bot there finds nothing for a minute, and is told when it does; anybody else finds it at once."""
    item, _, start = await held(world)
    bot = bot_of(start)
    failed = Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.FAILED, error_class=ErrorClass.SYSTEM)
    due = (await world.store.write(items.complete, bot, failed)).not_before
    assert due is not None
    world.clock.advance((due - world.clock.now()).total_seconds())
    await world.store.write(item_clock.turn)

    async def found(caller: Caller) -> tuple[bool, float | None]:
        return await world.store.read(items.is_there, caller, item.queue_id)

    async def triggers_count() -> int:
        return (await world.store.read(queue_watch.waiting, WORKSPACE, item.queue_id, 5)).pending

    assert await found(ADMIN) == (True, None)
    is_there, again_s = await found(bot)
    assert (is_there, await triggers_count()) == (False, 0)
    assert again_s is not None
    assert 60 <= again_s < 61
    assert not await world.store.write(items.take, bot, "plain", 1)
    await world.store.write(queues.pause, WORKSPACE, "plain", "ana", "")
    assert await found(bot) == (False, None)
    await world.store.write(queues.resume, WORKSPACE, "plain", "ana")
    await world.connect(OTHER_RUNNER)
    assert await triggers_count() == 1
    world.clock.advance(again_s)
    assert await found(bot) == (True, None)
    (taken,) = await world.store.write(items.take, bot, "plain", 1)
    assert taken.id == item.id
    assert await found(bot) == (False, None)


async def test_a_bot_has_only_its_own_items(world: WorkWorld) -> None:
    """S10: the fence of an item that another has opens nothing."""
    (item,) = await world.store.write(items.take, ADMIN, "plain", 1)
    _, _, start = await world.running()
    done = Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.DONE)
    with pytest.raises(Forbidden):
        await world.store.write(items.complete, bot_of(start), done)
