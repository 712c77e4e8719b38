"""The clock of breakers: sleeps until the next probe may go, and is woken when one becomes due sooner."""

from agent.ports import Clock
from hub.services import breakers
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import breakers as rows
from hub.storage.store import Store

_SLEEP_S = 30.0
"""The wall clock may be set: a moment is looked at again at least this often."""
_IDLE_S = 600.0
"""Without a moment: only another hub's, which died with it, can be missed."""


class BreakerClock:
    """Lets probes go when their moment has come."""

    def __init__(self, store: Store, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock

    async def run(self) -> None:
        """Turn for ever."""
        await for_ever("breakers", self._step)

    async def _step(self) -> None:
        moment = await self._store.read(rows.next_moment)
        if moment is not None and moment <= self._clock.now():
            await self._store.write(breakers.turn)
            return
        if moment is None:
            await self._signals.breakers.collect(_IDLE_S)
            return
        wait_s = (moment - self._clock.now()).total_seconds()
        await self._signals.breakers.collect(min(max(wait_s, 0.0), _SLEEP_S))
