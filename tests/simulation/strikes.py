"""Faults that wait: each strikes before the n-th next call to the system, so that it falls between any two of them."""

from collections.abc import Callable
from pathlib import Path

from tests.simulation.process import CURRENT, Process


class Strikes:
    """What is armed on one machine."""

    def __init__(self) -> None:
        self._armed: list[_Strike] = []

    def arm(
        self, victim: Process | None, after: int, act: Callable[[], None], kinds: frozenset[str] = frozenset()
    ) -> None:
        """Do `act` before the `after`-th next call of `victim` (None: of any process), of these kinds only; 0: now."""
        if after <= 0:
            act()
        else:
            self._armed.append(_Strike(victim, after, act, kinds))

    def clear(self) -> None:
        """Nothing strikes any more."""
        self._armed.clear()

    def before_step(self, kind: str, _: Path) -> None:
        """A call to the system comes; what is due strikes first (`disk.SimDisk.before_step`)."""
        current = CURRENT.get()
        if current is None:
            return
        for strike in list(self._armed):
            if strike.comes(current, kind):
                self._armed.remove(strike)
                strike.act()


class _Strike:
    """A fault that waits for so many steps."""

    def __init__(self, victim: Process | None, left: int, act: Callable[[], None], kinds: frozenset[str]) -> None:
        self._victim = victim
        self._left = left
        self._kinds = kinds
        self.act = act

    def comes(self, current: Process, kind: str) -> bool:
        """Count a step of `current`; True when it is the one."""
        if (self._victim is None or self._victim is current) and (not self._kinds or kind in self._kinds):
            self._left -= 1
        return self._left <= 0
