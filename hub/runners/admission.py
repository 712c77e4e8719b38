"""How many new connections a hub takes a second: a herd after a restart is spread (design.md §5)."""

from collections.abc import Callable


class Admission:
    """A token bucket: `rate_per_s` on average, as many at once."""

    def __init__(self, rate_per_s: float, elapsed_s: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._elapsed_s = elapsed_s
        self._tokens = rate_per_s
        self._at_s = elapsed_s()

    def admit(self) -> float:
        """0 for a connection that is let in, else the seconds after which to come back."""
        now_s = self._elapsed_s()
        self._tokens = min(self._rate_per_s, self._tokens + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate_per_s
