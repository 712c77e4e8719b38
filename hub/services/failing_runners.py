"""The loop that keeps work from runners whose machine fails again and again."""

from hub.services.loops import for_ever
from hub.services.quarantine import bench
from hub.services.signals import Signals
from hub.storage.store import Store


class FailingRunners:
    """Looks at the rows of failures whenever one has grown, and once at its start."""

    def __init__(self, store: Store, signals: Signals, threshold: int) -> None:
        self._store = store
        self._signals = signals
        self._threshold = threshold

    async def run(self) -> None:
        """Look for ever."""
        await for_ever("failing runners", self._step)

    async def _step(self) -> None:
        await self._store.write(bench, self._threshold)
        await self._signals.failing.collect()
