"""The next firings as people look at them: local time, offset, a note where a clock or a calendar has a hand in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from hub.domain.calendar import PLAIN
from hub.domain.schedule.schedule import Due, Schedule
from hub.domain.schedule.zones import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """One firing to come."""

    at: datetime
    local: datetime
    note: str = ""


def preview(schedule: Schedule, after: datetime, count: int) -> Sequence[Previewed]:
    """The next `count` firings after a moment; fewer where the schedule ends."""
    found = []
    last: datetime | None = None
    for due in islice(schedule.following(after), count):
        notes = [*_of_clock(due), *_of_offset(last, due.local), *_of_calendar(schedule, due)]
        found.append(Previewed(at=due.at, local=due.local, note="; ".join(notes)))
        last = due.local
    return found


def _of_clock(due: Due) -> list[str]:
    if due.change is Change.GAP and due.wanted is not None:
        return [f"{due.wanted:%H:%M} does not come on this day: the clock goes forward over it; at the end of the gap"]
    if due.change is Change.FOLD:
        which = "second" if due.local.fold else "first"
        return [f"{due.local:%H:%M} comes twice on this day: the clock goes back; this is the {which} one"]
    return []


def _of_offset(last: datetime | None, local: datetime) -> list[str]:
    if last is None or last.utcoffset() == local.utcoffset():
        return []
    return [f"the offset changes from {_offset(last)} to {_offset(local)}"]


def _of_calendar(schedule: Schedule, due: Due) -> list[str]:
    if due.moved_from is None:
        return []
    why = (schedule.calendar or PLAIN).why_not(due.moved_from)
    return [f"moved from {due.moved_from} ({why})"]


def _offset(moment: datetime) -> str:
    """`+02:00`; Python 3.11 knows no `%:z`."""
    return moment.isoformat()[-6:]
