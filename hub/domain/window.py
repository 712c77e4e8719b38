"""Maintenance windows: from when until when a runner gets no new work; what it runs goes on.

A window holds from its start on and no longer at its end: of two that touch, no work is given between them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.domain.parameters import Fault

REASON_MAX = 500
"""Characters of why a runner gets no work."""
WINDOWS_MAX = 100
"""Of one runner that have not ended."""
LONGEST = timedelta(days=366)
FARTHEST = timedelta(days=3660)
"""So far ahead a window may begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window of a runner."""

    id: str
    runner_id: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str

    def holds(self, now: datetime) -> bool:
        """Whether it is open at that moment."""
        return self.starts_at <= now < self.ends_at


def open_at(windows: Iterable[Window], now: datetime) -> Window | None:
    """The one that keeps the runner from work now; of several the one that ends last."""
    return max((one for one in windows if one.holds(now)), key=lambda one: (one.ends_at, one.id), default=None)


def free_at(windows: Iterable[Window], now: datetime) -> datetime:
    """When the runner may get work: now, or the end of the windows that follow one another without a gap from now."""
    known = list(windows)
    moment = now
    while (held_by := open_at(known, moment)) is not None:
        moment = held_by.ends_at
    return moment


def next_edge(windows: Iterable[Window], now: datetime) -> datetime | None:
    """The next moment after `now` at which one begins or ends."""
    edges = [edge for one in windows for edge in (one.starts_at, one.ends_at) if edge > now]
    return min(edges, default=None)


def faults_of(starts_at: datetime, ends_at: datetime, reason: str, *, now: datetime, known: int) -> list[Fault]:
    """Everything that is wrong with a new window; `known` windows of the runner have not ended."""
    faults = []
    if ends_at <= starts_at:
        faults.append(_fault("ends_at", "does not lie after starts_at", "let it end later than it starts"))
    elif ends_at <= now:
        faults.append(_fault("ends_at", "has passed", "let it end in the future"))
    elif ends_at - starts_at > LONGEST:
        days = LONGEST.days
        faults.append(_fault("ends_at", f"more than {days} days after starts_at", "drain the runner for so long"))
    if starts_at - now > FARTHEST:
        faults.append(_fault("starts_at", "more than ten years ahead", "plan it later"))
    if not reason.strip():
        faults.append(_fault("reason", "is empty", "say why: people see it where tasks wait"))
    elif len(reason) > REASON_MAX:
        faults.append(_fault("reason", f"{len(reason)} characters, at most {REASON_MAX}", "say it shorter"))
    if known >= WINDOWS_MAX:
        remedy = "remove one that is not needed"
        faults.append(_fault("runner", f"has {known} windows to come, at most {WINDOWS_MAX}", remedy))
    return faults


def _fault(field: str, message: str, remedy: str) -> Fault:
    return Fault(field=field, message=message, remedy=remedy)
