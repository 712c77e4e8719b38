"""All watched folders of a daemon: begun and ended as the hub says, and each answer brought to the one that asked."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from agent.ports.clock import Clock
from agent.watching.bells import Bells
from agent.watching.watcher import Surroundings, Watcher
from agent.wire.watching import FilesTaken, FolderNews, Watch, WatchedFolder

log = logging.getLogger(__name__)
_THREADS = 4


class WatchDesk:
    """Used on the loop; `run` is the daemon's."""

    def __init__(self, clock: Clock, tell: Callable[[FolderNews], bool]) -> None:
        self._clock = clock
        self._tell = tell
        self._pages: list[Watch] = []
        self._version = ""
        self._wanted: dict[str, WatchedFolder] = {}
        self._changed = asyncio.Event()
        self._watchers: dict[str, tuple[Watcher, asyncio.Task[None]]] = {}

    def want(self, page: Watch) -> None:
        """Take a page of what is to be watched; the last one makes the set. The same version again changes nothing."""
        if page.page == 0:
            self._pages = []
        if len(self._pages) != page.page or any(one.version != page.version for one in self._pages):
            log.warning("a page of watched folders came out of order")
            return
        self._pages.append(page)
        if not page.last:
            return
        pages, self._pages = self._pages, []
        if page.version != self._version:
            self._version = page.version
            self._wanted = {one.trigger_id: one for part in pages for one in part.folders}
            self._changed.set()

    def answered(self, answer: FilesTaken) -> None:
        """Bring an answer to the watcher that waits for it; one that nobody waits for any more is nothing."""
        for watcher, _ in self._watchers.values():
            if watcher.asked == answer.number:
                watcher.answered(answer)
                return

    def opened(self) -> None:
        """A session is open."""
        for watcher, _ in self._watchers.values():
            watcher.opened()

    async def run(self) -> None:
        """Watch what is wanted, for ever."""
        await self._changed.wait()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="watching")
        bells = Bells(pool, self._ring)
        around = Surroundings(clock=self._clock, pool=pool, bells=bells, tell=self._tell, numbers=itertools.count(1))
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    self._follow(group, around)
        finally:
            bells.close()
            pool.shutdown(wait=False, cancel_futures=True)

    def _follow(self, group: asyncio.TaskGroup, around: Surroundings) -> None:
        for trigger_id, (watcher, task) in list(self._watchers.items()):
            if not _is_same(watcher.wanted, self._wanted.get(trigger_id)):
                task.cancel()
                del self._watchers[trigger_id]
        for trigger_id, wanted in self._wanted.items():
            if trigger_id not in self._watchers:
                watcher = Watcher(wanted, around)
                self._watchers[trigger_id] = (watcher, group.create_task(watcher.run(), name=f"folder {trigger_id}"))

    def _ring(self, paths: set[str] | None) -> None:
        for watcher, _ in self._watchers.values():
            watcher.ring(paths)


def _is_same(watched: WatchedFolder, wanted: WatchedFolder | None) -> bool:
    """Whether it goes on as it is: that nothing more is left alone there, it knows itself."""
    return wanted is not None and watched == wanted.model_copy(update={"leave_existing": watched.leave_existing})
