"""A schedule: from any moment, when it is due next. Pure; a moment is aware UTC, to the second.

Clock changes (R63): a fixed time that a gap leaves out is due once, at the end of the gap; one that a fold brings twice
is due the first time; intervals follow elapsed time. A rule whose hours are `*` goes with the hands of the clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hub.domain.calendar import PLAIN, Calendar, OnHoliday
from hub.domain.schedule.rule import Rule
from hub.domain.schedule.zones import Change, first_change, instant_of, on_the_wall

HORIZON_DAYS = 50 * 366
"""What is not due in so many days never is."""
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_SPAN = timedelta(hours=26)
"""Longer than a day, and so short that a zone's clock changes at most once in it."""
_RUN_MAX = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """An interval: `anchor` and each `seconds` after it, whatever the clocks do meanwhile."""

    seconds: int
    anchor: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One moment of a schedule, and how it came about."""

    at: datetime
    local: datetime
    """What the clock shows then, with its offset."""
    wanted: datetime | None = None
    """What was asked for (naive), where a clock change makes a difference to it."""
    change: Change | None = None
    moved_from: date | None = None
    """The day that it would have been on, had people worked then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When something is due."""

    rule: Rule | Every
    zone: ZoneInfo
    start: datetime | None = None
    """Nothing before it."""
    end: datetime | None = None
    """Nothing after it."""
    calendar: Calendar | None = None
    on_holiday: OnHoliday | None = None
    """What a day without work does to it; None: nothing."""

    def next_after(self, moment: datetime) -> Due | None:
        """The first moment after this one; None when there never is another."""
        moment = moment.replace(microsecond=0)
        if self.start is not None:
            moment = max(moment, self.start - _SECOND)
        if isinstance(self.rule, Every):
            found = self._every(self.rule, moment)
        elif self.rule.repeats:
            found = self._repeating(self.rule, moment + _SECOND)
        else:
            found = self._fixed(self.rule, moment)
        return None if found is None or (self.end is not None and found.at > self.end) else found

    def following(self, moment: datetime) -> Iterator[Due]:
        """Every moment after this one, in order."""
        due = self.next_after(moment)
        while due is not None:
            yield due
            due = self.next_after(due.at)

    def _fixed(self, rule: Rule, moment: datetime) -> Due | None:
        for wanted, source in self._walls(rule, on_the_wall(moment, self.zone) + _SECOND):
            found = instant_of(wanted, self.zone)
            # The clock shows again what it showed before (a fold): that was taken the first time.
            if found.at > moment:
                return self._due(found.at, wanted, source, found.change)
        return None

    def _repeating(self, rule: Rule, at: datetime) -> Due | None:
        """The first one not before `at`, stretch by stretch of one offset."""
        while True:
            shown = at.astimezone(self.zone)
            offset = shown.utcoffset()
            assert offset is not None
            found = next(self._walls(rule, shown.replace(tzinfo=None, fold=0)), None)
            if found is None:
                return None
            wanted, source = found
            due_at = (wanted - offset).replace(tzinfo=UTC)
            limit = min(due_at, at + _SPAN)
            change = first_change(self.zone, at, limit) if limit > at else None
            if change is not None:
                at = change  # from here on the clock shows something else
            elif due_at <= limit:
                kind = Change.FOLD if instant_of(wanted, self.zone).change is Change.FOLD else None
                return self._due(due_at, wanted, source, kind)
            else:
                # No wall time up to `wanted` is asked for, so nothing is missed on the way.
                at = max(limit, due_at - _SPAN)

    def _walls(self, rule: Rule, at_least: datetime) -> Iterator[tuple[datetime, date]]:
        """Wall times from this one on, each with the day that asked for it."""
        at_least = at_least if not at_least.microsecond else at_least.replace(microsecond=0) + _SECOND
        for day, source in self._days(rule, at_least.date()):
            found = rule.first_time(at_least.time() if day == at_least.date() else time())
            while found is not None:
                wanted = datetime.combine(day, found)
                yield wanted, source
                after = wanted + _SECOND
                found = rule.first_time(after.time()) if after.date() == day else None

    def _days(self, rule: Rule, first: date) -> Iterator[tuple[date, date]]:
        """Days that are due from `first` on, each with the day that it stands for (another one, if it was moved)."""
        calendar = self.calendar or PLAIN
        source, last = self._first_source(first), None
        for _ in range(HORIZON_DAYS):
            if rule.is_day(source, calendar):
                day = source if self.on_holiday is None else calendar.moved(source, self.on_holiday)
                if day is not None and day >= first and day != last:
                    yield day, source
                    last = day
            source += _DAY

    def _first_source(self, first: date) -> date:
        """The earliest day that can be moved to `first`."""
        if self.on_holiday is OnHoliday.AFTER:
            calendar = self.calendar or PLAIN
            for _ in range(_RUN_MAX):
                if calendar.is_working_day(first - _DAY):
                    break
                first -= _DAY
        return first

    def _every(self, every: Every, moment: datetime) -> Due | None:
        step = timedelta(seconds=every.seconds)
        for _ in range(_RUN_MAX):
            passed = (moment - every.anchor) // step
            at = every.anchor + step * max(passed + 1, 0)
            shown = on_the_wall(at, self.zone)
            if self.on_holiday is None or (self.calendar or PLAIN).is_working_day(shown.date()):
                return self._due(at, shown, shown.date(), None)
            # The last second before the next day: whatever is due then comes after it.
            moment = max(at, instant_of(datetime.combine(shown.date() + _DAY, time()), self.zone).at - _SECOND)
        return None

    def _due(self, at: datetime, wanted: datetime, source: date, change: Change | None) -> Due:
        return Due(
            at=at,
            local=at.astimezone(self.zone),
            wanted=wanted if change is not None else None,
            change=change,
            moved_from=source if source != wanted.date() else None,
        )
