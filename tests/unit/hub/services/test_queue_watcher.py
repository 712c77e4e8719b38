"""What changed in a queue is looked at for its triggers; a store that says no for a while makes nothing forgotten."""

from typing import Any

import pytest

from hub.domain.queue import QueueDefinition
from hub.domain.trigger import TriggerKind
from hub.services import item_adding, queues, triggers
from hub.services.item_adding import NewItem
from hub.services.queue_watcher import QueueWatcher
from hub.services.triggers import NewTrigger
from hub.storage.room import Room
from hub.storage.store import StoreUnavailable
from tests.support.work_world import ADMIN, WorkWorld


class BusyStore:
    """A store that refuses the next write."""

    def __init__(self, world: WorkWorld) -> None:
        self._store = world.store
        self.is_busy = False

    async def read(self, *asked: Any) -> Any:
        """As the store does."""
        return await self._store.read(*asked)

    async def write(self, *asked: Any) -> Any:
        """As the store does, if it is not busy."""
        if self.is_busy:
            self.is_busy = False
            raise StoreUnavailable("store_busy", "Too much to do.")
        return await self._store.write(*asked)


async def test_a_wake_outlives_a_store_that_says_no(world: WorkWorld) -> None:
    """The bell rings once: what it rang for is kept until it was looked at."""
    await world.store.write(queues.create, ADMIN, QueueDefinition(label="orders"))
    new = NewTrigger(label="w", automation="invoices", kind=TriggerKind.QUEUE, definition={"queue": "orders"})
    await world.store.write(triggers.create, ADMIN, new)
    store: Any = BusyStore(world)
    watcher = QueueWatcher(store, world.signals, world.clock, Room())
    await watcher._step()
    assert [] == await world.rows("tasks")
    await world.store.write(item_adding.add, ADMIN, "orders", NewItem(payload={}))
    store.is_busy = True
    with pytest.raises(StoreUnavailable):
        await watcher._step()
    world.clock.advance(10)
    world.signals.queues.ring("wsp_other/que_other")  # it need not wait for its pause here
    await watcher._step()
    assert 1 == len(await world.rows("tasks"))
