"""The loop of event triggers: asleep while nobody listens, woken by what is committed, quiet while the disk is full."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from hub.domain.queue import QueueDefinition
from hub.services import event_watcher, item_adding, items, queues, triggers
from hub.services.event_watcher import EventWatcher
from hub.services.item_adding import NewItem
from hub.services.queue_watcher import QueueWatcher
from hub.storage.room import Room
from hub.storage.store import Store
from tests.support.clock import FakeClock
from tests.support.event_work import listen, tell
from tests.support.waiting import eventually
from tests.support.work_world import ADMIN, WorkWorld, work_world


class FullRoom(Room):
    """A disk that is full until the test makes room."""

    full = True

    @property
    def is_full(self) -> bool:
        """Whether there is no room."""
        return self.full


@asynccontextmanager
async def watching(tmp_path: Path, clock: FakeClock, room: Room) -> AsyncIterator[WorkWorld]:
    """The loops of events and of queues run; the clock stands still, so that only wakes bring them on."""
    async with work_world(f"sqlite:///{tmp_path / 'hub.db'}", clock) as world, asyncio.TaskGroup() as group:
        events = EventWatcher(world.store, world.signals, room)
        emptied = QueueWatcher(world.store, world.signals, clock, room)
        running = [group.create_task(events.run()), group.create_task(emptied.run())]
        yield world
        for one in running:
            one.cancel()


async def made(world: WorkWorld, count: int) -> None:
    """Wait for so many tasks."""

    async def look() -> bool:
        return len(await world.rows("tasks")) == count

    await eventually(look)


async def test_it_is_woken_by_the_first_trigger_and_by_each_commit(clock: FakeClock, tmp_path: Path) -> None:
    """And sleeps again when the last one is gone."""
    async with watching(tmp_path, clock, Room()) as world:
        await tell(world, "runner.disconnected")
        for count, label in ((1, "first"), (2, "second")):
            await listen(world, label, on="runner.disconnected")
            await tell(world, "runner.disconnected")
            await made(world, count)
            await world.store.write(triggers.delete, ADMIN, label)


async def test_a_queue_that_runs_empty_is_told_at_once(clock: FakeClock, tmp_path: Path) -> None:
    """The last item that waited is taken, and the task is there."""
    async with watching(tmp_path, clock, Room()) as world:
        await world.store.write(queues.create, ADMIN, QueueDefinition(label="orders"))
        await listen(world, on="queue.emptied", queue="orders")
        await world.store.write(item_adding.add, ADMIN, "orders", NewItem(payload={"n": 1}))

        async def is_waiting() -> bool:
            return [one["stock"] for one in await world.rows("queues")] == ["waiting"]

        await eventually(is_waiting)
        await world.store.write(items.take, ADMIN, "orders", 1)
        await made(world, 1)


async def test_nothing_fires_while_the_disk_is_full(clock: FakeClock, tmp_path: Path) -> None:
    """The feed waits: then each event is looked at."""
    room = FullRoom()
    async with watching(tmp_path, clock, room) as world:
        await listen(world, on="runner.disconnected")
        await tell(world, "runner.disconnected")
        world.signals.listeners.ring()
        assert await world.rows("tasks") == []
        room.full = False
        world.signals.listeners.ring()
        await made(world, 1)


class Counted:
    """A store that notes which transactions went through this view of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.feed_changed = store.feed_changed
        self.done: list[str] = []

    async def read(self, query: Any, *given: Any) -> Any:
        """Note and read."""
        self.done.append(query.__name__)
        return await self._store.read(query, *given)

    async def write(self, use_case: Any, *given: Any) -> Any:
        """Note and write."""
        self.done.append(use_case.__name__)
        return await self._store.write(use_case, *given)


@asynccontextmanager
async def counting(tmp_path: Path, clock: FakeClock, *labels: str) -> AsyncIterator[tuple[WorkWorld, list[str]]]:
    """Only the loop of events runs, with triggers of these labels; what it asks of the store is counted."""
    async with work_world(f"sqlite:///{tmp_path / 'hub.db'}", clock) as world, asyncio.TaskGroup() as group:
        for label in labels:
            await listen(world, label, on="runner.disconnected")
        store = Counted(world.store)
        loop = group.create_task(EventWatcher(cast("Store", store), world.signals, Room()).run())
        yield world, store.done
        loop.cancel()


async def burst(world: WorkWorld) -> None:
    """Many commits, each of which rings the feed, with room between them for whoever reads at each."""
    for _ in range(30):
        await tell(world, "runner.connected")
        await world.store.read(lambda _: None)
        await world.store.read(lambda _: None)


async def test_where_nobody_listens_no_event_costs_a_transaction(clock: FakeClock, tmp_path: Path) -> None:
    async with counting(tmp_path, clock) as (world, done):
        await eventually(lambda: done)
        await burst(world)
        assert ["listen"] == done


async def test_a_burst_of_events_costs_one_look(
    clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed within the pause after a ring is looked at together; here the pause never ends."""
    monkeypatch.setattr(event_watcher, "_CALM_S", 3600.0)
    async with counting(tmp_path, clock, "first") as (world, done):
        await eventually(lambda: len(done) == 2)
        await burst(world)
        assert ["listen", "plan"] == done
