"""Side by side, or alone: keeps a retried transaction from meeting the same rivals again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Up to `seats` turns at once; a turn alone waits until all others of this hub have ended. First come, first
    served, so that neither kind starves.
    """

    def __init__(self, seats: int) -> None:
        self._seats = seats
        self._free = asyncio.Semaphore(seats)
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncIterator[None]:
        """Hold one seat, or (alone) all of them."""
        if not alone:
            async with self._free:
                yield
            return
        async with self._alone:
            taken = 0
            try:
                for _seat in range(self._seats):
                    await self._free.acquire()
                    taken += 1
                yield
            finally:
                for _seat in range(taken):
                    self._free.release()
