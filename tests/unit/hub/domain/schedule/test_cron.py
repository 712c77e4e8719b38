"""Cron lines in both dialects: what they mean, and what is wrong with the others."""

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from hub.domain.schedule.cron import read_cron
from hub.domain.schedule.rule import Unreadable
from hub.domain.schedule.schedule import Schedule

# A Thursday.
FROM = datetime(2026, 1, 1, tzinfo=UTC)


def moments(line: str, count: int) -> list[str]:
    schedule = Schedule(rule=read_cron(line), zone=ZoneInfo("UTC"))
    return [due.at.strftime("%m-%d %H:%M:%S").removesuffix(":00") for due in islice(schedule.following(FROM), count)]


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("* * * * *", ["01-01 00:01", "01-01 00:02"]),
        ("*/20 8-9 * * *", ["01-01 08:00", "01-01 08:20", "01-01 08:40", "01-01 09:00"]),
        ("0 22-1 * * *", ["01-01 01:00", "01-01 22:00", "01-01 23:00", "01-02 00:00"]),
        ("0 6 * * 0", ["01-04 06:00", "01-11 06:00"]),
        ("0 6 * * 7", ["01-04 06:00"]),
        ("0 6 * * MON-FRI", ["01-01 06:00", "01-02 06:00", "01-05 06:00"]),
        ("0 6 * * fri-mon", ["01-02 06:00", "01-03 06:00", "01-04 06:00", "01-05 06:00", "01-09 06:00"]),
        ("0 6 * nov-feb/2 mon#1", ["01-05 06:00", "11-02 06:00"]),
        ("0 6 L * *", ["01-31 06:00", "02-28 06:00"]),
        ("0 6 LW * *", ["01-30 06:00", "02-27 06:00"]),
        ("0 6 * * 5L", ["01-30 06:00", "02-27 06:00"]),
        ("0 6 10 * MON", ["01-05 06:00", "01-10 06:00", "01-12 06:00"]),  # Unix: either
        ("0 6 15W * ?", ["01-15 06:00", "02-16 06:00"]),
        ("0 6 15W * MON", ["01-05 06:00", "01-12 06:00", "01-15 06:00"]),
        ("0 6 L-2,3 * *", ["01-03 06:00", "01-29 06:00", "02-03 06:00"]),
        ("@daily", ["01-02 00:00"]),
        ("@Weekly", ["01-04 00:00"]),
        # Quartz: seconds first, days from 1 = SUN
        ("*/30 * * * * ?", ["01-01 00:00:30", "01-01 00:01"]),
        ("0 0 12 ? * 1", ["01-04 12:00"]),
        ("0 0 12 ? * 2-6", ["01-01 12:00", "01-02 12:00", "01-05 12:00"]),
        ("0 0 12 ? * 6-2", ["01-02 12:00", "01-03 12:00", "01-04 12:00", "01-05 12:00"]),
        ("0 0 12 ? * 2/2", ["01-02 12:00", "01-05 12:00", "01-07 12:00"]),
        ("0 0 12 ? * 6-2/2", ["01-02 12:00", "01-04 12:00", "01-09 12:00"]),
        ("0 0 12 ? * */7", ["01-04 12:00"]),
        ("0 0 12 ? * L", ["01-03 12:00", "01-10 12:00"]),
        ("0 0 12 ? * 6L", ["01-30 12:00"]),
        ("0 0 12 ? * FRI#2", ["01-09 12:00", "02-13 12:00"]),
        ("0 0 12 1W * ?", ["01-01 12:00", "02-02 12:00", "03-02 12:00"]),
        ("0 0 12 31W * ?", ["01-30 12:00", "03-31 12:00"]),
        ("0 0 12 L-30 * ?", ["01-01 12:00", "03-01 12:00"]),
        ("0 15 10 ? * MON-FRI 2027-2028", ["01-01 10:15", "01-04 10:15"]),
        ("0 0 0 1 1 ? 2028,2030/20", ["01-01 00:00"]),
        ("0 0 0 1 1 ? *", ["01-01 00:00"]),
        ("0 0 0 1 JAN/6 ?", ["07-01 00:00"]),
    ],
)
def test_what_a_line_means(line: str, first: list[str]) -> None:
    assert first == moments(line, len(first))


def test_years_are_kept_to() -> None:
    schedule = Schedule(rule=read_cron("0 0 0 1 1 ? 2028,2030/20"), zone=ZoneInfo("UTC"))
    assert [2028, 2030, 2050, 2070] == [due.at.year for due in islice(schedule.following(FROM), 4)]
    ends = Schedule(rule=read_cron("0 0 0 1 1 ? 2027"), zone=ZoneInfo("UTC"))
    assert 1 == len(list(ends.following(FROM)))


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("", ["cron"]),
        ("* * * *", ["cron"]),
        ("* * * * * * * *", ["cron"]),
        ("* * * * *" + " " * 200, ["cron"]),
        ("60 24 32 13 8", ["cron.minute", "cron.hour", "cron.day-of-month", "cron.month", "cron.day-of-week"]),
        ("x y * * *", ["cron.minute", "cron.hour"]),
        ("*/0 22-2/0 * * *", ["cron.minute", "cron.hour"]),
        ("? * * * *", ["cron.minute"]),
        ("0 0 L-31 * *", ["cron.day-of-month"]),
        ("0 0 32W * *", ["cron.day-of-month"]),
        ("0 0 20-10 * *", ["cron.day-of-month"]),
        ("0 0 * * MON#6", ["cron.day-of-week"]),
        ("0 0 * * XYZ", ["cron.day-of-week"]),
        ("0 0 31 2 *", ["cron.day-of-month"]),
        ("0 0 30 FEB *", ["cron.day-of-month"]),
        ("0 0 31 4,6,9 *", ["cron.day-of-month"]),
        ("0 0 0 1 * MON", ["cron.day-of-week"]),
        ("0 0 0 ? * 0", ["cron.day-of-week"]),
        ("0 0 0 ? * 8", ["cron.day-of-week"]),
        ("0 0 0 ? * ABC", ["cron.day-of-week"]),
        ("0 0 0 1 1 ? 1969", ["cron.year"]),
        ("0 0 0 1 1 ? then", ["cron.year"]),
        ("0 0 0 1 1 ? 2026/0", ["cron.year"]),
        ("61 0 0 1 1 ? x", ["cron.second", "cron.year"]),
    ],
)
def test_every_fault_names_its_field(line: str, fields: list[str]) -> None:
    with pytest.raises(Unreadable) as caught:
        read_cron(line)
    assert fields == [fault.field for fault in caught.value.faults]
    assert all(fault.remedy for fault in caught.value.faults)
