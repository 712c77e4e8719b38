"""The one clock. Nothing else of ours reads the time, so that a simulator (or a test) can own it.

Three readings, for three questions:

- `now`: what time is it? For records that people read. It may jump either way.
- `monotonic`: how long did this take, in this process? It never goes back; it may stand still while the machine sleeps.
- `boot_ns`: how old is this permit? It never goes back *and* counts suspended time (core.md D3), which
  `time.monotonic()` does not.

Waiting is not here: `asyncio.sleep` and `asyncio.timeout` follow the loop's clock, which the simulator replaces.
"""

import sys
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What both programs may ask about time."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an unspecified start; only differences mean something."""
        ...

    def boot_ns(self) -> int:
        """Return nanoseconds from an unspecified start of this boot, time spent suspended included."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an unspecified start; only differences mean something."""
        return time.monotonic()

    def boot_ns(self) -> int:
        """Return nanoseconds from an unspecified start of this boot, time spent suspended included."""
        return _boot_ns()


if sys.platform == "win32":
    import ctypes

    _tick_count = ctypes.windll.kernel32.GetTickCount64
    _tick_count.restype = ctypes.c_ulonglong

    def _boot_ns() -> int:
        # Counts sleep and hibernation; steps of 10 to 16 ms are fine against limits of 30 s.
        return int(_tick_count()) * 1_000_000

elif sys.platform == "linux":

    def _boot_ns() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

else:

    def _boot_ns() -> int:
        # Darwin's CLOCK_MONOTONIC goes on while the machine sleeps; its mach_absolute_time, which
        # time.monotonic() reads, does not.
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
