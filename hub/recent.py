"""What this hub read a moment ago and need not read for each call: who holds a key, what an automation runs.

Both save a call a way to the database and back, and neither is trusted further than it may be: a caller is forgotten as
soon as a key is revoked here, and after a second where another hub did it (S5 allows five); a target is a hint for
taking a credit, and the grant's own transaction decides (`core.md` D4).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from agent.ports import Clock
from hub.domain.access import Caller

T = TypeVar("T")
KEPT_S = 1.0
_KEPT_MOST = 1024


@dataclass(frozen=True, slots=True)
class Target:
    """What a task of an automation needs, its bot and the released build."""

    needs: dict[str, str]
    bot_id: str
    build_id: str | None


class Remembered(Generic[T]):
    """Values by name, each for a second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, T]] = {}

    def get(self, name: str) -> T | None:
        """The value, if it was put less than a second ago."""
        until, value = self._kept.get(name, (0.0, None))
        return value if self._monotonic() < until else None

    def put(self, name: str, value: T) -> None:
        """Keep a value; beyond a thousand all older ones go."""
        if len(self._kept) >= _KEPT_MOST:
            self._kept.clear()
        self._kept[name] = (self._monotonic() + KEPT_S, value)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


class Recent:
    """One hub's memory of the last second."""

    def __init__(self, clock: Clock) -> None:
        self.callers: Remembered[Caller] = Remembered(clock.monotonic)
        """By the sha256 of the secret."""
        self.targets: Remembered[Target] = Remembered(clock.monotonic)
        """By ``workspace_id/automation``, as the request named it."""

    def clear(self) -> None:
        """Something else than tasks was changed here: forget all."""
        self.callers.clear()
        self.targets.clear()
