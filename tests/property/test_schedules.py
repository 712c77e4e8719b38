"""Schedules against a clock that is looked at each minute, in weeks in which clocks change (R63)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain.calendar import Calendar, OnHoliday
from hub.domain.schedule.cron import read_cron
from hub.domain.schedule.phrases import read_phrase
from hub.domain.schedule.rule import Rule
from hub.domain.schedule.schedule import Schedule

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)

ZONES = ["Europe/Berlin", "Africa/Cairo", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC", "Pacific/Apia"]
WEEKS = ["2018-02-15", "2018-11-01", "2026-03-26", "2026-10-22", "2026-04-02", "2026-10-01", "2026-04-21", "2026-10-27"]
WEEKS += ["2026-06-10", "2024-02-26", "2011-12-28"]
MINUTES = ["0", "30", "15", "*/20", "*", "5,45"]
HOURS = ["*", "*/2", "2", "0", "1,2,3", "23", "22-2"]
PHRASES = ["daily at 02:30", "last working day of the month at 00:10", "every friday at 23:45 and 1 am"]
DAYS = ["*", "1,29,4", "L", "LW", "15W"]


def looked_at(schedule: Schedule, rule: Rule, begin: datetime, until: datetime) -> Iterable[datetime]:
    """Every minute that is due in (begin, until], by looking at the clock each minute and nothing else.

    A fixed time is due in the first minute in which the clock shows it, or is past it without having shown it.
    """
    calendar = Calendar()
    shown_before: set[datetime] = set()
    moment = begin - DAY
    last = moment.astimezone(schedule.zone).replace(tzinfo=None, fold=0)
    while moment < until:
        moment += MINUTE
        wall = moment.astimezone(schedule.zone).replace(tzinfo=None, fold=0)
        passed = [wall] if wall <= last + MINUTE else [last + MINUTE * n for n in range(1, (wall - last) // MINUTE + 1)]
        last = wall
        walls = [wall] if rule.repeats else [one for one in passed if one not in shown_before]
        shown_before.update(passed)
        due = any(rule.is_day(one.date(), calendar) and rule.first_time(one.time()) == one.time() for one in walls)
        if due and moment > begin:
            yield moment


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    minute=st.sampled_from(MINUTES),
    hour=st.sampled_from(HOURS),
    days=st.sampled_from(DAYS),
    zone=st.sampled_from(ZONES),
    week=st.sampled_from(WEEKS),
    offset=st.integers(min_value=0, max_value=3 * 1440),
)
def test_it_agrees_with_a_clock_that_is_looked_at_each_minute(
    minute: str, hour: str, days: str, zone: str, week: str, offset: int
) -> None:
    rule = read_cron(f"{minute} {hour} {days} * *")
    schedule = Schedule(rule=rule, zone=ZoneInfo(zone))
    begin = datetime.fromisoformat(week).replace(tzinfo=UTC) + MINUTE * offset
    until = begin + 2 * DAY
    found = []
    for due in schedule.following(begin):
        if due.at > until:
            break
        found.append(due.at)
    assert list(looked_at(schedule, rule, begin, until)) == found
    assert sorted(set(found)) == found


@settings(max_examples=200)
@given(
    phrase=st.sampled_from(PHRASES),
    how=st.sampled_from([None, *OnHoliday]),
    zone=st.sampled_from(ZONES),
    hours=st.integers(min_value=0, max_value=200_000),
)
def test_each_moment_comes_after_the_one_before_from_wherever_one_asks(
    phrase: str, how: OnHoliday | None, zone: str, hours: int
) -> None:
    schedule = Schedule(rule=read_phrase(phrase), zone=ZoneInfo(zone), on_holiday=how)
    begin = datetime(2017, 1, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=hours % 60)
    first, second = islice(schedule.following(begin), 2)
    assert begin < first.at < second.at
    between = first.at - max(SECOND, (first.at - begin) / 2)
    asked_later = schedule.next_after(between) if between >= begin else first
    assert asked_later == first
