"""Two hubs do something with the same items at once, and meet at every point of it: one wins, once (R57, R58)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
import sqlalchemy as sa

from agent.wire.facts import make_fact
from agent.wire.messages import Start
from hub.domain.access import Caller, Role
from hub.domain.item import AttemptOutcome
from hub.domain.queue import ItemRetry, QueueDefinition
from hub.errors import Conflict
from hub.services import facts, item_adding, item_ends, item_orders, items, queues
from hub.services.item_adding import NewItem
from hub.services.item_orders import Order
from hub.services.items import Completion
from hub.services.subject import SessionKey
from hub.storage import tables
from hub.storage.item_pages import ItemFilter
from hub.storage.store import claim
from hub.storage.transaction import Done, Transaction
from tests.support.clock import FakeClock
from tests.support.interleaving import UseCase, meetings
from tests.support.work_world import ADMIN, WHOLE, WORKSPACE, WorkWorld, exited, final, key_of, work_world

pytestmark = pytest.mark.timeout(180)
BEN = Caller(workspace_id=WORKSPACE, workspace="acme", token_id="key_2", name="ben", role=Role.OPERATOR)


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with queue `orders`."""
    async with work_world(database_url, clock) as made:
        retry = ItemRetry(attempts=9, base_s=0, cap_s=0)
        await made.store.write(queues.create, ADMIN, QueueDefinition(label="orders", retry=retry))
        yield made


def clear(tx: Transaction) -> Done[None]:
    """Two items that wait, and no history."""
    for table in (tables.attempts, tables.items, tables.events):
        tx.connection.execute(sa.delete(table))
    item_adding.add_many(tx, ADMIN, "orders", [NewItem(payload={"n": n}) for n in range(2)], each=False)
    return Done(None)


def take(caller: Caller, count: int = 1) -> UseCase:
    """Take some."""
    return claim(partial(items.take, caller=caller, named="orders", count=count))


async def held(world: WorkWorld) -> list[str]:
    """Items in work."""
    return sorted(row["id"] for row in await world.rows("items", state="processing"))


@pytest.mark.parametrize("count", [1, 2])
async def test_two_takers_never_have_the_same_item(world: WorkWorld, count: int) -> None:
    """Each takes one of the two, or one takes both."""

    async def reset() -> None:
        await world.store.write(clear)

    async for met in meetings(world.store, take(ADMIN, count), take(BEN, count), reset):
        assert not isinstance(met.first, Exception), met
        assert not isinstance(met.second, Exception), met
        taken = sorted(one.id for one in (*met.first, *met.second))
        assert len(set(taken)) == len(taken) > 0, met
        assert taken == await held(world)
        assert {1} == {row["fence"] for row in await world.rows("items", state="processing")}


async def test_what_is_canceled_is_not_taken_as_well(world: WorkWorld) -> None:
    """An order by filter and a taker: each item is one's or the other's."""
    (queue,) = await world.rows("queues")
    cancel = partial(item_orders.order, caller=ADMIN, what=Order.CANCEL, wanted=ItemFilter(queue_id=queue["id"]))

    async def reset() -> None:
        await world.store.write(clear)

    for first, second in ((cancel, take(BEN, 2)), (take(BEN, 2), cancel)):
        async for met in meetings(world.store, first, second, reset):
            ordered, taken = (met.first, met.second) if first is cancel else (met.second, met.first)
            assert not isinstance(ordered, Exception), met
            assert not isinstance(taken, Exception), met
            states = sorted(row["state"] for row in await world.rows("items"))
            assert ["canceled"] * ordered.changed == [one for one in states if one == "canceled"], met
            assert len(taken) == states.count("processing"), met


async def test_nothing_is_left_with_an_execution_that_is_over(world: WorkWorld) -> None:
    """A bot's take meets the settlement of its execution: it takes nothing more, or what it took goes back at once."""
    ran: list[tuple[SessionKey, Start]] = []

    async def reset() -> None:
        await world.store.write(clear)
        _, session, start = await world.running()
        ran[:] = [(key_of(session), start)]

    def taken(tx: Transaction) -> Done[object]:
        bot = ran[0][1].execution_id
        caller = replace(BEN, token_id=bot, name=bot, execution_id=bot)
        done = items.take(tx, caller, "orders", 1)
        return Done(done.result, done.effects)

    def settle(tx: Transaction) -> Done[object]:
        session, start = ran[0]
        said = [make_fact(start.execution_id, start.fence, n, body) for n, body in ((2, exited(0)), (3, final()))]
        done = facts.accept(tx, session, said, {start.execution_id: WHOLE})
        return Done(None, done.effects)

    for first, second in ((claim(taken), settle), (settle, claim(taken))):
        async for met in meetings(world.store, first, second, reset):
            answers = [one for one in (met.first, met.second) if isinstance(one, Exception)]
            assert all(isinstance(one, Conflict) for one in answers), met
            assert not await held(world), met


async def test_an_attempt_ends_once(world: WorkWorld, clock: FakeClock) -> None:
    """Its holder says done, and says it again; the sweep finds that its lease is over: one of them wrote the end."""
    said: list[Completion] = []

    async def reset() -> None:
        await world.store.write(clear)
        (item,) = await world.store.write(take(ADMIN))
        said[:] = [Completion(item_id=item.id, fence=item.fence, outcome=AttemptOutcome.DONE)]

    async def reset_late() -> None:
        await reset()
        clock.advance(1000)

    def complete(tx: Transaction) -> Done[object]:
        done = items.complete(tx, ADMIN, said[0])
        return Done(done.result, done.effects)

    def expire(tx: Transaction) -> Done[object]:
        done = item_ends.expire(tx)
        return Done(done.result, done.effects)

    for second, prepare in ((complete, reset), (claim(expire), reset_late)):
        async for met in meetings(world.store, complete, second, prepare):
            answers = [one for one in (met.first, met.second) if isinstance(one, Exception)]
            assert all(isinstance(one, Conflict) for one in answers), met
            assert 1 == len(await world.rows("attempts")), met
            ends = [one for one in await world.rows("events") if one["kind"] in {"item.done", "item.pending"}]
            assert 1 == len([one for one in ends if one["old"] == "processing"]), met
