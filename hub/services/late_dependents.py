"""Tells those who wait for a finished task and were not told with its end: there were too many for one transaction."""

from hub.services import settlement
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import prerequisites
from hub.storage.store import Store

_LOOK_S = 120.0


class LateDependents:
    """Goes on slice by slice as the bell rings; looks at its start, and now and then, for what a dead process left."""

    def __init__(self, store: Store, signals: Signals, look_s: float = _LOOK_S) -> None:
        self._store = store
        self._signals = signals
        self._look_s = look_s

    async def run(self) -> None:
        """Tell for ever."""
        await for_ever("late dependents", self._step)

    async def _step(self) -> None:
        await self.look()
        await self._signals.dependents.collect(self._look_s)

    async def look(self) -> None:
        """One look; writes only where somebody waits to be told."""
        if await self._store.read(prerequisites.untold) is not None:
            while await self._store.write(settlement.tell_late):
                pass
