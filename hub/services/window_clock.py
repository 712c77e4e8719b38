"""Opens and closes runners as their maintenance windows begin and end."""

from agent.ports import Clock
from hub.domain.credits import CreditBook
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import windows
from hub.storage.store import Store

LOOK_S = 30.0


class WindowClock:
    """Sleeps until the next window begins or ends; woken when one is planned or taken back.

    It looks every `look_s` seconds too: the wall clock may be set, and another hub may have planned one.
    """

    def __init__(self, store: Store, book: CreditBook, signals: Signals, clock: Clock, look_s: float = LOOK_S) -> None:
        self._store = store
        self._book = book
        self._signals = signals
        self._clock = clock
        self._look_s = look_s
        self._closed: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Keep the book, for ever."""
        await for_ever("windows", self._step)

    async def _step(self) -> None:
        wait_s = await self.look()
        await self._signals.windows.collect(wait_s)

    async def look(self) -> float:
        """One look; seconds until the next is due."""
        found = await self._store.read(windows.closed)
        for workspace_id in self._book.keep_windows(found.runners):
            self._signals.dispatch.ring(workspace_id)
        if found.runners != self._closed:
            self._closed = found.runners
            self._signals.fitness.ring()
        if found.next_edge is None:
            return self._look_s
        return min(self._look_s, max(0.0, (found.next_edge - self._clock.now()).total_seconds()))
