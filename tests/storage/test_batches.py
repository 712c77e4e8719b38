"""Batches: slices that nobody sees before the last write; those that were left, and what they keep from others."""

from collections.abc import AsyncIterator

import pytest

from hub.domain.queue import QueueDefinition
from hub.errors import Conflict
from hub.services import item_adding, item_clock, items, queues
from hub.services.item_adding import NewItem
from tests.support.clock import FakeClock
from tests.support.work_world import ADMIN, WorkWorld, work_world


@pytest.fixture
async def world(database_url: str, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with queue `invoices`."""
    async with work_world(database_url, clock) as made:
        await made.store.write(queues.create, ADMIN, QueueDefinition(label="invoices"))
        yield made


async def test_a_batch_is_seen_whole_or_not_at_all(world: WorkWorld) -> None:
    """Slices stay unseen until the last write; a repeated slice adds nothing; a hole is refused."""
    batch = await world.store.write(item_adding.open_batch, ADMIN, "invoices")
    slices = [[NewItem(payload={"n": n}) for n in range(start, start + 50)] for start in (0, 50)]
    await world.store.write(item_adding.add_slice, ADMIN, batch, 0, slices[0])
    await world.store.write(item_adding.add_slice, ADMIN, batch, 0, slices[0])
    with pytest.raises(Conflict, match="50 items by now"):
        await world.store.write(item_adding.add_slice, ADMIN, batch, 70, slices[1])
    await world.store.write(item_adding.add_slice, ADMIN, batch, 50, slices[1])
    assert not await world.store.write(items.take, ADMIN, "invoices", 1)
    assert await world.store.write(item_adding.reveal, ADMIN, batch) == 100
    assert await world.store.write(item_adding.reveal, ADMIN, batch) == 100
    assert [item.payload["n"] for item in await world.store.write(items.take, ADMIN, "invoices", 100)] == list(
        range(100)
    )


async def test_an_import_that_died_says_how_it_is_dropped(world: WorkWorld) -> None:
    """It holds its references for an hour; who imports again learns the batch, not an item that nobody can see."""
    await world.store.write(queues.create, ADMIN, QueueDefinition(label="unique", unique_references=True))
    lines = [NewItem(payload={}, reference=str(number), place=f"line {number}") for number in range(3)]
    dead, again = [await world.store.write(item_adding.open_batch, ADMIN, "unique") for _ in range(2)]
    await world.store.write(item_adding.add_slice, ADMIN, dead, 0, lines[:1])
    with pytest.raises(Conflict) as refused:
        await world.store.write(item_adding.add_slice, ADMIN, again, 0, lines)
    (fault,) = refused.value.details["errors"]
    assert f"unfinished import {dead}, which is dropped at 20" in fault["message"]
    assert fault["remedy"].endswith(f"--drop {dead}")
    with pytest.raises(Conflict, match=f"--drop {dead}"):
        await world.store.write(item_adding.add, ADMIN, "unique", NewItem(payload={}, reference="0"))
    await world.store.write(item_adding.drop, ADMIN, dead)
    await world.store.write(item_adding.add_slice, ADMIN, again, 0, lines)
    assert await world.store.write(item_adding.reveal, ADMIN, again) == 3


async def test_a_batch_that_was_left_is_removed(world: WorkWorld) -> None:
    """An hour after its last slice nothing of it is there."""
    batch = await world.store.write(item_adding.open_batch, ADMIN, "invoices")
    await world.store.write(item_adding.add_slice, ADMIN, batch, 0, [NewItem(payload={})])
    world.clock.advance(7200)
    await world.store.write(item_clock.tidy)
    assert await world.rows("items") == []
