"""An outage of an application, seen by the items that need it: nothing is spent, and it comes back slowly (issue 5)."""

import itertools

import pytest

from hub.domain.breaker import Sign, sign_of
from hub.domain.item import AttemptOutcome, Ending, ErrorClass
from hub.domain.queue import ItemRetry, QueueDefinition
from hub.services import breakers, item_adding, item_clock, items, queues
from hub.services.item_adding import NewItem
from hub.services.items import Completion
from hub.storage.items import ItemRow
from hub.storage.transaction import Done, Transaction
from tests.support.work_world import ADMIN, WORKSPACE, WorkWorld

ITEMS = 12
CONSUMERS = 4


async def queue(world: WorkWorld) -> None:
    """Items that need SAP, each of which may be tried twice."""
    definition = QueueDefinition(label="invoices", target="sap", retry=ItemRetry(attempts=2, base_s=1, cap_s=1))
    await world.store.write(queues.create, ADMIN, definition)
    new = [NewItem(payload={"number": number}) for number in range(ITEMS)]
    await world.store.write(lambda tx: item_adding.add_many(tx, ADMIN, "invoices", new, each=False))


async def take(world: WorkWorld, count: int = 1) -> list[ItemRow]:
    return await world.store.write(items.take, ADMIN, "invoices", count)


async def end(
    world: WorkWorld, item: ItemRow, outcome: AttemptOutcome, error_class: ErrorClass | None = None
) -> ItemRow:
    said = Completion(item_id=item.id, fence=item.fence, outcome=outcome, error_class=error_class, message="no answer")
    return await world.store.write(items.complete, ADMIN, said)


async def state(world: WorkWorld) -> str:
    return (await world.store.read(breakers.show, WORKSPACE, "sap")).state


async def test_an_outage_burns_no_attempt_and_ends_slowly(world: WorkWorld) -> None:
    """Attempts burnt: 0. While it lasts one probe goes at a time, ever more rarely; then 1, 2, 4, and all."""
    await queue(world)
    handed = 0
    for second in range(600):
        taken = [one for _ in range(CONSUMERS) for one in await take(world)] if second % 5 == 0 else []
        handed += len(taken)
        for item in taken:
            ended = await end(world, item, AttemptOutcome.FAILED, ErrorClass.SYSTEM)
            assert (0, "pending") == (ended.tries, ended.state)
        if second % 5 == 0:
            world.clock.advance(5)
    assert handed < 20, "most of the outage nobody was sent to it"
    assert [] == [row for row in await world.rows("attempts") if row["is_counted"]]
    done, waves = 0, []
    while done < ITEMS:
        taken = await take(world, ITEMS)
        waves.append(len(taken))
        for item in taken:
            await end(world, item, AttemptOutcome.DONE)
        done += len(taken)
        world.clock.advance(0 if taken else 30)
    assert [1, 2, 4, 5] == [count for count in waves if count]
    assert "closed" == await state(world)


async def test_an_item_that_fails_alone_is_its_own_trouble(world: WorkWorld) -> None:
    """Others succeed: the application is well, and the item spends its tries like any other."""
    await queue(world)
    (poison,) = await take(world)
    for _ in range(60):
        ended = await end(world, poison, AttemptOutcome.FAILED, ErrorClass.SYSTEM)
        if ended.state == "failed":
            return
        world.clock.advance(61)
        await world.store.write(item_clock.turn)
        taken = await take(world, ITEMS)
        for other in taken:
            if other.id != poison.id:
                await end(world, other, AttemptOutcome.RETURNED)
        good = [one for one in taken if one.id == poison.id]
        await world.store.write(_succeeded)
        if good:
            (poison,) = good
    pytest.fail("it was tried for ever")


def _succeeded(tx: Transaction) -> Done[None]:
    return Done(None, breakers.succeeded(tx, WORKSPACE, "sap"))


async def test_an_empty_queue_keeps_no_probe(world: WorkWorld) -> None:
    """Asked for and not taken: the next item that is put in may be the probe."""
    await queue(world)
    all_items = await take(world, ITEMS)
    for item in all_items[:10]:
        await end(world, item, AttemptOutcome.FAILED, ErrorClass.SYSTEM)
    assert "open" == await state(world)
    for item in all_items[10:]:
        await end(world, item, AttemptOutcome.DONE)
    world.clock.advance(31)
    (probe,) = await take(world, 9)
    await end(world, probe, AttemptOutcome.RETURNED)
    assert 1 == len(await take(world, 9))
    assert [] == await take(world, 9)


@pytest.mark.parametrize(
    ("outcome", "error_class", "machines"),
    list(itertools.product(AttemptOutcome, [*ErrorClass, None], [False, True])),
)
def test_every_end_says_something_of_the_application_or_nothing(
    outcome: AttemptOutcome, error_class: ErrorClass | None, machines: bool
) -> None:
    """The whole table."""
    found = sign_of(Ending(outcome=outcome, error_class=error_class, is_machines_fault=machines))
    if machines:
        assert Sign.RETURNED is found
    elif outcome in {AttemptOutcome.DONE, AttemptOutcome.IN_REVIEW}:
        assert Sign.SUCCEEDED is found
    elif outcome is AttemptOutcome.FAILED:
        by_class = {ErrorClass.BUSINESS: Sign.SUCCEEDED, ErrorClass.SYSTEM: Sign.FAILED}
        assert by_class.get(error_class, Sign.RETURNED) is found  # type: ignore[arg-type]
    else:
        assert Sign.RETURNED is found
