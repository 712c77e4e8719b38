"""Schedules across clock changes (R63), with calendars, starts and ends."""

from datetime import UTC, date, datetime, time
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.calendar import Calendar, Holiday, OnHoliday
from hub.domain.schedule.cron import read_cron
from hub.domain.schedule.rule import first_among, first_of
from hub.domain.schedule.schedule import Every, Schedule
from hub.domain.schedule.zones import Change


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(schedule: Schedule, after: str, count: int) -> list[str]:
    """The next firings as the clock on the wall shows them, with its offset."""
    return [due.local.isoformat(" ")[5:].replace(":00+", "+") for due in islice(schedule.following(utc(after)), count)]


def cron(line: str, zone: str) -> Schedule:
    return Schedule(rule=read_cron(line), zone=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("line", "zone", "after", "first"),
    [
        # Forward: the fixed time that does not come is due once, at the end of the gap.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28", ["03-28 02:30+01:00", "03-29 03:00+02:00", "03-30 02:30+02:00"]),
        ("*/10 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+02:00", "03-30 02:00+02:00"]),
        ("30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+02:00", "03-29 03:30+02:00"]),
        ("0 30 2 * * ?", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+02:00", "03-30 02:30+02:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03", ["10-04 02:30+11:00", "10-05 02:15+11:00"]),
        ("30 0 * * *", "Africa/Cairo", "2026-04-23", ["04-23 00:30+02:00", "04-24 01:00+03:00"][1:]),
        ("30 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["11-04 01:00-02:00", "11-05 00:30-02:00"]),
        # Back: the fixed time that comes twice is due the first time.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24", ["10-24 02:30+02:00", "10-25 02:30+02:00", "10-26 02:30+01:00"]),
        ("0 30 2 * * ?", "Europe/Berlin", "2026-10-24T12:00", ["10-25 02:30+02:00", "10-26 02:30+01:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", ["04-05 01:45+11:00", "04-06 01:45+10:30"]),
        ("30 23 * * *", "Africa/Cairo", "2026-10-29T12:00", ["10-29 23:30+03:00", "10-30 23:30+02:00"]),
        ("30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00", ["02-17 23:30-02:00", "02-18 23:30-03:00"]),
        # What goes with the hands goes through both hours, and over the one that does not come.
        ("30 * * * *", "Europe/Berlin", "2026-03-29T00:00", ["03-29 01:30+01:00", "03-29 03:30+02:00"]),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:15",
            ["10-25 02:30+02:00", "10-25 02:00+01:00", "10-25 02:30+01:00", "10-25 03:00+01:00"],
        ),
        ("0 * * * *", "Australia/Lord_Howe", "2026-10-03T14:30", ["10-04 03:00+11:00", "10-04 04:00+11:00"]),
    ],
)
def test_r63_clock_changes(line: str, zone: str, after: str, first: list[str]) -> None:
    found = [text.replace(":00-", "-") for text in shown(cron(line, zone), after, len(first))]
    assert first == found


def test_r63_intervals_follow_elapsed_time() -> None:
    every = Schedule(rule=Every(seconds=43200, anchor=utc("2026-03-28T05:00")), zone=ZoneInfo("Europe/Berlin"))
    expected = ["03-28 18:00+01:00", "03-29 07:00+02:00", "03-29 19:00+02:00"]
    assert expected == shown(every, "2026-03-28T06:00", 3)


def test_a_changed_clock_is_told() -> None:
    gap, fold = cron("30 2 * * *", "Europe/Berlin"), cron("30 * * * *", "Europe/Berlin")
    due = gap.next_after(utc("2026-03-28T12:00"))
    assert due is not None
    assert (Change.GAP, utc("2026-03-29T02:30").replace(tzinfo=None)) == (due.change, due.wanted)
    changes = [due.change for due in islice(fold.following(utc("2026-10-24T23:00")), 4)]
    assert [None, Change.FOLD, Change.FOLD, None] == changes


def test_a_day_that_a_zone_left_out() -> None:
    """Apia went over the date line: 2011-12-30 never was."""
    assert ["12-29 09:00-10:00", "12-31 00:00+14:00", "12-31 09:00+14:00"] == [
        text.replace(":00-", "-") for text in shown(cron("0 9 * * *", "Pacific/Apia"), "2011-12-29T12:00", 3)
    ]


def test_start_and_end_are_within() -> None:
    bounded = Schedule(
        rule=read_cron("0 6 * * *"),
        zone=ZoneInfo("UTC"),
        start=utc("2026-01-02T06:00"),
        end=utc("2026-01-03T06:00"),
    )
    assert ["01-02 06:00+00:00", "01-03 06:00+00:00"] == shown(bounded, "2025-01-01", 9)


@pytest.mark.parametrize(
    ("line", "how", "days"),
    [
        ("0 6 * * *", OnHoliday.SKIP, [1, 2, 6, 7]),
        ("0 6 * * *", OnHoliday.AFTER, [1, 2, 6, 7]),
        ("0 6 4 * *", OnHoliday.AFTER, [6, 35]),
        ("0 6 4 * *", OnHoliday.BEFORE, [2, 35]),
        ("0 * 5 * *", OnHoliday.BEFORE, [2] * 24 + [36]),
        ("0 6 4,5 * *", OnHoliday.SKIP, [35, 36]),
    ],
)
def test_holidays_move_or_skip(line: str, how: OnHoliday, days: list[int]) -> None:
    """2026-01-03 and -04 are a weekend, the 5th is an own holiday; days count from the 1st of January."""
    calendar = Calendar(holidays=(Holiday(date="2026-01-05"),))
    schedule = Schedule(rule=read_cron(line), zone=ZoneInfo("UTC"), calendar=calendar, on_holiday=how)
    found = [due.at.timetuple().tm_yday for due in islice(schedule.following(utc("2026-01-01T00:00")), len(days))]
    assert days == found


def test_a_moved_day_is_told_and_comes_once() -> None:
    schedule = Schedule(rule=read_cron("0 6 * * *"), zone=ZoneInfo("UTC"), on_holiday=OnHoliday.AFTER)
    found = list(islice(schedule.following(utc("2026-01-02T12:00")), 2))
    assert [(5, date(2026, 1, 3)), (6, None)] == [(due.at.day, due.moved_from) for due in found]
    again = schedule.next_after(utc("2026-01-05T05:59"))
    assert again is not None
    assert 5 == again.at.day


def test_an_interval_leaves_out_days_without_work() -> None:
    every = Every(seconds=7200, anchor=utc("2026-01-02T21:00"))
    schedule = Schedule(rule=every, zone=ZoneInfo("UTC"), on_holiday=OnHoliday.SKIP)
    assert ["01-02 23:00+00:00", "01-05 01:00+00:00"] == shown(schedule, "2026-01-02T21:00", 2)
    weekly = Every(seconds=7 * 86400, anchor=utc("2026-01-03"))
    never = Schedule(rule=weekly, zone=ZoneInfo("UTC"), on_holiday=OnHoliday.SKIP)
    assert never.next_after(utc("2026-01-01")) is None


def test_what_never_comes_is_found_out_in_bounded_time() -> None:
    for rule in (read_cron("0 0 31W 2 *"), read_cron("0 0 0 1 1 ? 2020")):
        assert Schedule(rule=rule, zone=ZoneInfo("Europe/Berlin")).next_after(utc("2026-01-01")) is None


@given(
    hours=st.sets(st.integers(0, 23), min_size=1),
    minutes=st.sets(st.integers(0, 59), min_size=1),
    seconds=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    at=st.times(),
)
def test_the_first_time_of_a_day_is_the_least_of_all(
    hours: set[int], minutes: set[int], seconds: set[int], at: time
) -> None:
    at = at.replace(microsecond=0)
    every = [time(hour, minute, second) for hour in hours for minute in minutes for second in seconds]
    expected = min((one for one in every if one >= at), default=None)
    assert expected == first_among(list(hours), list(minutes), list(seconds))(at)
    assert expected == first_of(every)(at)
