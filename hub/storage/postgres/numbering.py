"""Gives committed events their dense positions, in turn with the other hubs (core.md §5, event feed)."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from hub.storage import feed
from hub.storage.postgres.connection import Trouble, trouble_of

log = logging.getLogger(__name__)

_TRY_AGAIN_S = 0.005
_SWEEP_S = 5.0
"""Rows that a dead hub left without a position are found after this long."""
_PAUSE_AFTER_TROUBLE_S = 1.0


class Numbering:
    """One loop: woken after each commit with events, it numbers until no row is left, then rings."""

    def __init__(self, engine: AsyncEngine, ring: Callable[[], None]) -> None:
        self._engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._ring = ring
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Tell it that events were committed."""
        self._wanted.set()

    async def run(self) -> None:
        """Number for ever; ends by cancellation only."""
        while True:
            try:
                await self._number_all()
            except Exception as error:
                if trouble_of(error) is Trouble.OWN:
                    raise
                log.warning("events wait for their positions: %s", type(error).__name__)
                await asyncio.sleep(_PAUSE_AFTER_TROUBLE_S)
                continue
            await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_SWEEP_S):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _number_all(self) -> None:
        # Cleared before the look: what is committed after it sets the event again.
        self._wanted.clear()
        while True:
            async with self._engine.begin() as connection:
                numbered = await connection.run_sync(feed.number_waiting)
            if numbered is not None:
                if numbered:
                    self._ring()
                if numbered < feed.BATCH:
                    return  # who commits later wakes its own numbering
            elif not await self._is_any_left():
                self._ring()  # another hub numbered them
                return
            else:
                await asyncio.sleep(_TRY_AGAIN_S)

    async def _is_any_left(self) -> bool:
        async with self._engine.connect() as connection:
            return await connection.run_sync(feed.is_any_waiting)
