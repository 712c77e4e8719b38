"""What a runner tells of watched folders: settled in slices that leave room for others, answered after the commit."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from agent.wire.watching import FilesFound, FilesTaken, FolderNews
from hub.context import Hub
from hub.runners.session import RunnerSession
from hub.services import file_triggers
from hub.services.due_triggers import SLICE
from hub.storage.store import StoreUnavailable
from hub.storage.transaction import Done, Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PAUSE_S = 0.5


class FolderDesk:
    """Serves one session after another; holds nothing of any."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def take(self, session: RunnerSession, news: FolderNews) -> None:
        """Settle what is told, and answer. Raises SessionOver."""
        if self._hub.room.is_full:
            answer = _full(news)
        elif isinstance(news, FilesFound):
            answer = await self._files(session, news)
        else:
            is_taken = await self._write(file_triggers.told, session.key, news)
            answer = FilesTaken(number=news.number, refused=not is_taken)
        session.send(answer)

    async def _files(self, session: RunnerSession, news: FilesFound) -> FilesTaken:
        again: list[int] = []
        for first in range(0, len(news.files), SLICE):
            taken = await self._write(file_triggers.take, session.key, news, first, SLICE)
            if taken.is_refused:
                # What went before is settled; told again, it is known.
                return FilesTaken(number=news.number, refused=True)
            again += taken.again
        return FilesTaken(number=news.number, again=tuple(again))

    async def _write(self, use_case: Callable[[Transaction, *Ts], Done[T]], *args: *Ts) -> T:
        """Write, and again after a pause when the store is busy: the runner waits for its answer meanwhile."""
        while True:
            try:
                return await self._hub.store.write(use_case, *args)
            except StoreUnavailable as error:
                log.warning("files wait: %s", error)
                await asyncio.sleep(_PAUSE_S)


def _full(news: FolderNews) -> FilesTaken:
    """Nothing new while there is no room for it (R14): told again later."""
    if isinstance(news, FilesFound):
        return FilesTaken(number=news.number, again=tuple(range(len(news.files))))
    return FilesTaken(number=news.number, refused=True)
