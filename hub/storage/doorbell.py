"""A doorbell: wakes whoever waits for "something happened since I last looked". It never queues anything."""

import asyncio


class Doorbell:
    """Counts rings; a waiter names the count it has seen. Bounded: one integer, one event. Belongs to one loop."""

    def __init__(self) -> None:
        self._rings = 0
        self._next = asyncio.Event()

    @property
    def rings(self) -> int:
        """How often it rang so far; read this before you look at the data, then `wait` with it."""
        return self._rings

    def ring(self) -> None:
        """Wake all waiters. Call on the loop."""
        self._rings += 1
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seen: int) -> int:
        """Return the count of rings as soon as it is not `seen` any more."""
        while self._rings == seen:
            await self._next.wait()
        return self._rings
