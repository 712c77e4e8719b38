"""The clocks of simulated machines (`agent.ports.Clock`): skewed, drifting, set, suspended (R38, R39)."""

from datetime import UTC, datetime, timedelta

from tests.simulation.loop import SimLoop
from tests.simulation.process import Host

EPOCH = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""When every world begins."""


class HostClock:
    """What the processes of one machine read."""

    def __init__(self, loop: SimLoop, host: Host) -> None:
        self._loop = loop
        self.host = host

    def now(self) -> datetime:
        """See `agent.ports.Clock`."""
        return EPOCH + timedelta(seconds=self.host.wall(self._loop.now))

    def monotonic(self) -> float:
        """See `agent.ports.Clock`."""
        return self.host.monotonic(self._loop.now)

    def boot_ns(self) -> int:
        """See `agent.ports.Clock`."""
        return int(self.host.boot(self._loop.now) * 1e9)
