"""The clock of triggers: sleeps until the next one is due, fires what is, in slices that leave room for others."""

import asyncio
import logging

from agent.ports import Clock
from hub.errors import Unavailable
from hub.services.due_triggers import SLICE, fire_due, fire_due_apart
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import triggers
from hub.storage.room import Room
from hub.storage.store import Store

log = logging.getLogger(__name__)

_SLEEP_S = 30.0
"""The wall clock may be set: a moment is looked at again at least this often."""
_IDLE_S = 120.0
"""Without any trigger: another hub may have got one."""
_FULL_S = 5.0
_AT_ONCE = 4
_HELD_S = 1.0


class TriggerClock:
    """Fires schedules when their moment has come."""

    def __init__(self, store: Store, signals: Signals, clock: Clock, room: Room) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._room = room

    async def run(self) -> None:
        """Fire what is due, for ever."""
        await for_ever("triggers", self._step)

    async def _step(self) -> None:
        if self._room.is_full:
            # Nothing new while there is no room for it (R14); what falls due meanwhile is missed, and treated so.
            await self._signals.triggers.collect(_FULL_S)
            return
        due = await self._store.read(triggers.next_due)
        if due is not None and due <= self._clock.now():
            # Several at once, which the store commits together; each takes triggers that no other has.
            if any(await asyncio.gather(*(self._fire() for _ in range(_AT_ONCE)))):
                return
            # Another hub holds their rows and fires them; look again in a moment.
            await self._signals.triggers.collect(_HELD_S)
            return
        if due is None:
            await self._signals.triggers.collect(_IDLE_S)
            return
        wait_s = (due - self._clock.now()).total_seconds()
        await self._signals.triggers.collect(min(max(wait_s, 0.0), _SLEEP_S))

    async def _fire(self) -> int:
        try:
            return await self._store.write(fire_due, SLICE)
        except Unavailable:
            raise
        except Exception:
            # One trigger never stops the others, nor the hub.
            log.exception("triggers: a slice failed; each is tried by itself")
            return await self._store.write(fire_due_apart, SLICE)
