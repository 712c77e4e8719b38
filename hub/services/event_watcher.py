"""Reads the feed for the triggers that listen to it: woken by commits, and asleep while nobody listens."""

import asyncio
import logging
from contextlib import suppress

from hub.errors import Unavailable
from hub.services import event_pass
from hub.services.event_pass import Listening, Plan, Slice
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage.room import Room
from hub.storage.store import Store

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 30.0
"""A ring that nobody heard is made good after this long."""
_IDLE_S = 600.0
"""Nobody listens: another hub may have got a trigger, which it serves itself unless it died since."""
_FULL_S = 5.0
_CALM_S = 0.05
"""A burst of events is looked at together."""
_KEPT_EVERY = 500
"""Events that concern nobody move the stored cursor only now and then: looking at them again costs little."""
_TOLD_AT_ONCE = 20


class EventWatcher:
    """Brings events and the triggers that listen to them together."""

    def __init__(self, store: Store, signals: Signals, room: Room) -> None:
        self._store = store
        self._signals = signals
        self._room = room
        self._listening: Listening | None = None
        self._position = 0

    async def run(self) -> None:
        """Follow the feed for ever."""
        await for_ever("event triggers", self._step)

    async def _step(self) -> None:
        if self._room.is_full:
            # Nothing new while there is no room for it (R14); the feed waits.
            await self._signals.listeners.collect(_FULL_S)
            return
        if self._listening is None:
            self._listening = await self._store.read(event_pass.listen)
            self._position = self._listening.begin
        if not self._listening.listeners:
            await self._signals.listeners.collect(_IDLE_S)
            self._listening = None
            return
        rings = self._store.feed_changed.rings
        if not await self.look():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._store.feed_changed.wait(rings)
        await asyncio.sleep(_CALM_S)

    async def look(self) -> bool:
        """Serve the next events; whether there may be more."""
        if self._listening is None:
            self._listening = await self._store.read(event_pass.listen)
            self._position = self._listening.begin
        plan = await self._store.read(event_pass.plan, self._listening, self._position)
        self._listening = plan.listening
        if plan.gap is not None:
            await self._tell_gap(plan, *plan.gap)
        is_worth_it = plan.work or plan.is_edited or plan.to - plan.listening.kept >= _KEPT_EVERY
        if is_worth_it and not await self._carry_out(plan):
            return True
        self._position = max(self._position, plan.to)
        return plan.is_more

    async def _carry_out(self, plan: Plan) -> bool:
        kept = plan.listening.kept
        # Whatever ends this on the way, it is read and planned anew from what is stored.
        self._listening = None
        for part in event_pass.slices(plan):
            if not await self._carry_out_part(kept, part):
                return False
            kept = max(kept, part.to)
        self._listening = event_pass.standing_at(plan.listening, kept)
        return True

    async def _carry_out_part(self, kept: int, part: Slice) -> bool:
        try:
            return await self._store.write(event_pass.carry_out, kept, part)
        except Unavailable:
            raise
        except Exception:
            # One trigger never stops the others, nor the hub.
            log.exception("event triggers: a slice failed; each is tried by itself")
            return await self._store.write(event_pass.carry_out_apart, kept, part)

    async def _tell_gap(self, plan: Plan, first: int, last: int) -> None:
        ids = [key for key, one in plan.listening.listeners.items() if (one.row.event_pos or 0) < last]
        for start in range(0, len(ids), _TOLD_AT_ONCE):
            await self._store.write(event_pass.tell_gap, first, last, ids[start : start + _TOLD_AT_ONCE])
