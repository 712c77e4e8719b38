"""Looks at queues that changed, for their triggers and the feed; woken by every change, and by itself now and then."""

import asyncio

from agent.ports import Clock
from hub.services import queue_stock, queue_triggers
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import queue_watch
from hub.storage.room import Room
from hub.storage.store import Store

_SWEEP_S = 60.0
"""What another hub changed rings nowhere here."""
_FULL_S = 5.0
_CALM_S = 0.05
"""A burst of items is looked at together."""


class QueueWatcher:
    """Brings changed queues and their triggers together."""

    def __init__(self, store: Store, signals: Signals, clock: Clock, room: Room) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._room = room
        self._changed: dict[tuple[str, str], None] = {}
        """What is still to be looked at: (workspace, queue or trigger)."""
        self._sweep_at_s = -_SWEEP_S

    async def run(self) -> None:
        """Look for ever; first at every queue that a trigger listens to."""
        await for_ever("queue triggers", self._step)

    async def _step(self) -> None:
        left_s = self._sweep_at_s + _SWEEP_S - self._clock.monotonic()
        if self._changed:
            left_s = min(left_s, _FULL_S)
        for name in await self._signals.queues.collect(max(left_s, 0.0)):
            self._changed[name.partition("/")[::2]] = None
        if self._room.is_full:
            return  # nothing new while there is no room for it (R14)
        if self._clock.monotonic() >= self._sweep_at_s + _SWEEP_S:
            self._changed |= dict.fromkeys(await self._store.read(queue_watch.watched))
            self._sweep_at_s = self._clock.monotonic()
        for one in list(self._changed):
            await self._look(*one)
            # Only what was looked at is forgotten: a store that is busy is asked again.
            del self._changed[one]
        await asyncio.sleep(_CALM_S)

    async def _look(self, workspace_id: str, changed_id: str) -> None:
        if changed_id.startswith("trg_"):
            await self._store.write(queue_triggers.of_trigger, workspace_id, changed_id)
            return
        listening, is_changed = await self._store.read(queue_watch.look, workspace_id, changed_id)
        if listening:
            await self._store.write(queue_triggers.of_queue, workspace_id, changed_id)
        if is_changed:
            await self._store.write(queue_stock.tell, workspace_id, changed_id)
