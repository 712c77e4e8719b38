"""What a zone's clocks do when they change: times that never come (a gap), times that come twice (a fold)."""

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

from hub.domain.parameters import Fault
from hub.domain.schedule.rule import Unreadable


class Change(StrEnum):
    """What a change of the clock does to one time of day."""

    GAP = "gap"
    """It does not come: the clock goes over it."""
    FOLD = "fold"
    """It comes twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """When a time on the wall is, and what the clock does to it."""

    at: datetime
    """UTC. The first time, of one that comes twice; the end of the gap, of one that never comes (R63)."""
    change: Change | None = None


def read_zone(name: str) -> ZoneInfo:
    """The IANA zone of that name. Raises Unreadable with the names that come near."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        known = {one.casefold(): one for one in available_timezones()}
        near = [known[one] for one in difflib.get_close_matches(name[:64].casefold(), known, n=3, cutoff=0.6)]
        remedy = f"an IANA name such as {', '.join(near or ['Europe/Berlin', 'America/Sao_Paulo', 'UTC'])}"
        fault = Fault(field="zone", message=f"{name[:64]!r} is no time zone", remedy=remedy)
        raise Unreadable(fault) from None


def instant_of(local: datetime, zone: ZoneInfo) -> Instant:
    """When the clocks of `zone` show `local` (a naive time)."""
    first = local.replace(tzinfo=zone, fold=0)
    at = first.astimezone(UTC)
    before, after = first.utcoffset(), local.replace(tzinfo=zone, fold=1).utcoffset()
    assert before is not None
    assert after is not None
    if before == after:
        return Instant(at=at)
    if before > after:
        return Instant(at=at, change=Change.FOLD)
    # In a gap `before` is the offset in front of it, and reads as if the clock had not gone forward.
    end = first_change(zone, at - (after - before), at)
    return Instant(at=end or at, change=Change.GAP)


def on_the_wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of `zone` show, as a naive time."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def first_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The moment in (after, until] at which the zone's offset becomes that of `until`; None where both have the same.

    To the second; for spans so short that there is at most one change in them.
    """
    wanted = _offset(zone, until)
    if _offset(zone, after) == wanted:
        return None
    low, high = 0, int((until - after).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(zone, after + timedelta(seconds=middle)) == wanted else (middle, high)
    return after + timedelta(seconds=high)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
