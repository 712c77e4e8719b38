"""Lanes between callers and the store's own asyncio workers."""

import asyncio

from hub.storage.lanes import Lanes, Operation


class LoopLanes:
    """`Lanes` whose takers are coroutines; all on one loop."""

    def __init__(self, limit: int) -> None:
        self._lanes = Lanes(limit)
        self._permits = asyncio.Semaphore(0)

    def put(self, operation: Operation, *, urgent: bool = False) -> None:
        """Queue an operation. Raises StoreUnavailable when its lane is full or closed."""
        self._lanes.put(operation, urgent=urgent)
        self._permits.release()

    async def take(self) -> Operation | None:
        """Wait for an operation, urgent ones first; None when the lanes are closed and empty."""
        await self._permits.acquire()
        taken = self._lanes.take(1)
        if taken:
            return taken[0]
        self._permits.release()  # closed: let the next worker see it too
        return None

    def close(self) -> None:
        """Refuse new work; workers finish what is queued, then end."""
        self._lanes.is_closed = True
        self._permits.release()

    def take_rest(self) -> list[Operation]:
        """Take everything at once, for whoever answers it when there are no workers any more."""
        return self._lanes.take(len(self._lanes))
