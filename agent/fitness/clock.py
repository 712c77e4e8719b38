"""The hub's time, as far as its answers to heartbeats tell it (pure).

    offset = our wall clock - (hub's time at the last answer + what the boot clock counted since)

So a jump of our own wall clock shows at the next look, one of the hub's at the next heartbeat. Nothing but this
judgement uses it: permits and leases count on boot clocks (`core.md` D3).
"""

from dataclasses import dataclass
from datetime import datetime

_NS = 1_000_000_000
_ERROR_MAX_S = 30.0
"""An answer that took longer tells nothing."""
_DRIFT = 2e-4
"""What a second of the boot clock may be wrong by, generously: quartz is off by a tenth of it."""


@dataclass(slots=True)
class HubClock:
    """Remembers the last answer."""

    _hub_ns: int | None = None
    """The hub's time in ns since 1970, at `_boot_ns` of ours."""
    _boot_ns: int = 0
    _error_ns: int = 0

    def heard(self, hub_at: datetime, sent_boot_ns: int, now_boot_ns: int) -> None:
        """An answer came to what was sent then; the hub wrote its time somewhere between the two."""
        took_ns = now_boot_ns - sent_boot_ns
        if not 0 <= took_ns <= 2 * _ERROR_MAX_S * _NS:
            return
        self._hub_ns = round(hub_at.timestamp() * _NS)
        self._boot_ns = sent_boot_ns + took_ns // 2
        self._error_ns = took_ns // 2

    def offset_s(self, wall: datetime, boot_ns: int) -> tuple[float | None, float]:
        """How far `wall` is ahead of the hub's, and by how much that may be wrong; (None, 0) before any answer."""
        if self._hub_ns is None:
            return None, 0.0
        passed_ns = boot_ns - self._boot_ns
        offset_ns = round(wall.timestamp() * _NS) - (self._hub_ns + passed_ns)
        return offset_ns / _NS, self._error_ns / _NS + abs(passed_ns) / _NS * _DRIFT
