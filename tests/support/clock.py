"""A clock that tests turn by hand."""

from datetime import UTC, datetime, timedelta

from agent.ports import SystemClock

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


class FakeClock:
    """A `Clock` port that stands still until told otherwise.

    `advance` is time that passes while the machine is awake; `suspend` is time that it sleeps (the monotonic clock
    misses it, the boot clock does not); `jump` is somebody setting the wall clock.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic_ns = 1_000_000_000
        self._boot_ns = 5_000_000_000

    def now(self) -> datetime:
        """Return the wall clock's time."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds awake."""
        return self._monotonic_ns / 1e9

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, asleep or awake."""
        return self._boot_ns

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._monotonic_ns += round(seconds * 1e9)
        self.suspend(seconds)

    def suspend(self, seconds: float) -> None:
        """Let `seconds` pass while the machine sleeps."""
        self._boot_ns += round(seconds * 1e9)
        self._now += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward (or back, when negative) without any time passing."""
        self._now += timedelta(seconds=seconds)


class ShiftedClock(SystemClock):
    """The machine's clock, and as much time as a test has let pass: for a real hub, whose loop goes on."""

    def __init__(self) -> None:
        self._shift_s = 0.0

    def now(self) -> datetime:
        """Return the wall clock's time."""
        return super().now() + timedelta(seconds=self._shift_s)

    def monotonic(self) -> float:
        """Return seconds awake."""
        return super().monotonic() + self._shift_s

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, asleep or awake."""
        return super().boot_ns() + round(self._shift_s * 1e9)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once, by every clock."""
        self._shift_s += seconds
