"""Lanes between the event loop, which puts, and threads, which take."""

import threading

from hub.storage.lanes import Lanes, Operation


class ThreadLanes:
    """`Lanes` under a lock; a thread blocks in `take`, the loop never waits for more than a moment."""

    def __init__(self, limit: int) -> None:
        self._lanes = Lanes(limit)
        self._changed = threading.Condition()

    def put(self, operation: Operation, *, urgent: bool = False) -> None:
        """Queue an operation. Raises StoreUnavailable when its lane is full or closed."""
        with self._changed:
            self._lanes.put(operation, urgent=urgent)
            self._changed.notify()

    def take(self, most: int, timeout_s: float | None = None) -> list[Operation]:
        """Wait for work and take up to `most`; nothing when closed and empty, or after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._lanes) or self._lanes.is_closed, timeout_s)
            return self._lanes.take(most)

    def close(self) -> None:
        """Refuse new work; what is queued can still be taken."""
        with self._changed:
            self._lanes.is_closed = True
            self._changed.notify_all()

    @property
    def is_drained(self) -> bool:
        """Closed, and nothing left."""
        with self._changed:
            return self._lanes.is_closed and not len(self._lanes)
