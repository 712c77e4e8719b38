"""Two loops about a store that may be restored one day, or was (core.md D8, R20).

`PositionWatch` knows the commit position that heartbeats are answered with; `HeldWatch` releases what a restored store
held, once every runner has shown what it ran.
"""

import asyncio

from agent.ports import Clock
from hub.services import held
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import events
from hub.storage.store import Store

_POSITION_S = 1.0
"""At most so often the position is read; runners may know an older one."""
_LOOK_S = 2.0


class PositionWatch:
    """Keeps `Signals.commit_position` up to date."""

    def __init__(self, store: Store, signals: Signals) -> None:
        self._store = store
        self._signals = signals

    async def run(self) -> None:
        """Follow the feed, for ever."""
        await for_ever("commit position", self._step)

    async def _step(self) -> None:
        seen = self._store.feed_changed.rings
        self._signals.commit_position = await self._store.read(events.head)
        await asyncio.sleep(_POSITION_S)
        await self._store.feed_changed.wait(seen)


class HeldWatch:
    """Releases held tasks; not in the first `wait_s` of this process, or of the holding.

    Within that time every living runner has come by (P10). One that was enrolled after the backup is refused, and known
    to be there: then nothing is released by itself any more.
    """

    def __init__(self, store: Store, clock: Clock, wait_s: float) -> None:
        self._store = store
        self._clock = clock
        self._wait_s = wait_s
        self._since_s: float | None = None

    async def run(self) -> None:
        """Look while anything is held, for ever."""
        await for_ever("held tasks", self._step)

    async def _step(self) -> None:
        seen = self._store.feed_changed.rings
        if not await self._store.read(held.is_held):
            self._since_s = None
            # Each task brings several events, and a look costs a transaction: one for all of a while.
            await asyncio.sleep(_LOOK_S)
            await self._store.feed_changed.wait(seen)
            return
        now_s = self._clock.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s < self._wait_s or not await self._store.write(held.release_shown):
            await asyncio.sleep(_LOOK_S)
