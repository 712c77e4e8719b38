"""How much of the runner's disk output may take, and how long what the hub has stays (core.md §3, P4). Pure.

Each slot has the same share: a shim keeps its cap without the daemon, so that all of them together cannot exceed the
runner's whenever the hub is away.
"""

from collections import deque
from dataclasses import dataclass, field

GIB = 1024**3
LEAST_SHARE_BYTES = 1024 * 1024
"""A bot that is started may print so much, however little is left: the hub is there, since it ordered it."""
_MARK_EVERY_S = 60.0
_SMALL_DISK = 10
"""Of a small disk no more than one part in so many is kept free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What an administrator allows."""

    output_bytes: int = 10 * GIB
    """Output of all executions that the hub does not have."""
    keep_free_bytes: int = GIB
    keep_s: float = 24 * 3600.0
    """How long output that the hub has stays here beside it, while there is room."""


def share(allowance: Allowance, slots: int, limit: int, ended_bytes: int) -> int:
    """The cap of the next execution: its own limit, as far as its slot's share goes.

    `ended_bytes` is what ended executions have here that the hub has not.
    """
    return min(limit, max(LEAST_SHARE_BYTES, (allowance.output_bytes - ended_bytes) // max(1, slots)))


def kept_free(allowance: Allowance, total_bytes: int) -> int:
    """What stays free of a disk of this size."""
    return min(allowance.keep_free_bytes, total_bytes // _SMALL_DISK)


@dataclass(slots=True, kw_only=True)
class KeptOutput:
    """What is known of one execution's output: its cap, how far the hub has it for good, and since when."""

    cap_bytes: int = GIB
    safe: int = 0
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def note_safe(self, safe: int, now: float) -> None:
        """The hub stores everything before `safe` for good; `now` by a clock for durations, in seconds."""
        self.safe = max(self.safe, safe)
        if not self._marks or now - self._marks[-1][0] >= _MARK_EVERY_S:
            self._marks.append((now, self.safe))
        else:
            self._marks[-1] = (self._marks[-1][0], self.safe)

    def removable(self, available: int, now: float, keep_s: float, *, is_short: bool) -> int:
        """Segments before this offset may go: the hub has had them for so long, or their room is needed.

        `available` is the output's length; what is kept counts with the rest against the execution's cap.
        """
        aged = 0
        while self._marks and self._marks[0][0] <= now - keep_s:
            aged = self._marks.popleft()[1]
        if aged:
            self._marks.appendleft((float("-inf"), aged))
        return self.safe if is_short else max(aged, min(self.safe, available - self.cap_bytes))
