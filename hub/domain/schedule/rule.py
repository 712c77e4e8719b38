"""What a cron line or a phrase comes down to: on which days, at which times of day, by the clock on the wall."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, time

from hub.domain.calendar import Calendar
from hub.domain.parameters import Fault

IsDay = Callable[[date, Calendar], bool]
FirstTime = Callable[[time], time | None]
"""The first time of day that is not before the given one; None when the day has no more. To the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Days and times; the times of each day are the same."""

    is_day: IsDay
    first_time: FirstTime
    repeats: bool = False
    """It goes with the hands of the clock (its hours are `*`): an hour that comes twice counts twice, one that does not
    come is left out. Otherwise its times are fixed, and each comes once a day whatever the clock does (R63)."""


class Unreadable(ValueError):  # noqa: N818 - a name, not a suffix, says what it is
    """A text that is no schedule, with every fault in it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def first_of(times: Sequence[time]) -> FirstTime:
    """Listed times."""
    ordered = sorted(set(times))

    def first(at_least: time) -> time | None:
        place = bisect_left(ordered, at_least)
        return ordered[place] if place < len(ordered) else None

    return first


def first_among(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]) -> FirstTime:
    """Every time whose hour, minute and second are each among the given ones."""
    hours, minutes, seconds = sorted(hours), sorted(minutes), sorted(seconds)

    def first(at_least: time) -> time | None:
        for hour in hours[bisect_left(hours, at_least.hour) :]:
            if hour > at_least.hour:
                return time(hour, minutes[0], seconds[0])
            for minute in minutes[bisect_left(minutes, at_least.minute) :]:
                if minute > at_least.minute:
                    return time(hour, minute, seconds[0])
                place = bisect_left(seconds, at_least.second)
                if place < len(seconds):
                    return time(hour, minute, seconds[place])
        return None

    return first
