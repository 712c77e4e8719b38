"""Schedules as people write them: read, completed, refused with every fault; and previewed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.calendar import Calendar, OnHoliday
from hub.domain.schedule.definition import completed, faults_of, read, read_misfire
from hub.domain.schedule.misfire import Misfire, MisfirePolicy
from hub.domain.schedule.preview import preview
from hub.domain.schedule.rule import Unreadable
from hub.domain.schedule.schedule import Every

NOW = datetime(2026, 3, 28, tzinfo=UTC)
GERMANY = Calendar(country="DE")


@pytest.mark.parametrize(
    ("definition", "fields"),
    [
        ({}, ["cron"]),
        ({"cron": "* * * * *", "every": "1h"}, ["every"]),
        ({"cron": 5}, ["cron"]),
        ({"every": "0s"}, ["every"]),
        ({"every": "1.5s"}, ["every"]),
        ({"every": "none"}, ["every"]),
        ({"every": "soon"}, ["every"]),
        ({"every": "400d"}, ["every"]),
        ({"phrase": "whenever"}, ["phrase"]),
        ({"cron": "0 0 31 2 *"}, ["cron.day-of-month"]),
        ({"cron": "0 0 31W 2 *"}, ["cron"]),
        ({"cron": "* * * * *", "end": "2020-01-01T00:00:00Z"}, ["cron"]),
        ({"cron": "0 6 25 12 *", "on_holiday": "skip"}, ["cron"]),
        ({"cron": "* * * * *", "start": "2026-01-01"}, ["start"]),
        ({"cron": "* * * * *", "start": "2500-01-01T00:00:00Z"}, ["start"]),
        ({"cron": "* * * * *", "start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, ["end"]),
        ({"every": "1h", "on_holiday": "after"}, ["on_holiday"]),
        ({"cron": "* * * * *", "misfire_cap": 0, "misfire_window_s": True}, ["misfire_window_s", "misfire_cap"]),
        ({"cron": "* * * * *", "colour": "red"}, ["colour"]),
        (
            {"cron": "61 * * * *", "zone": "Europe/Berlim", "end": "x", "on_holiday": "x", "misfire": "x"},
            ["misfire", "zone", "end", "cron.minute", "on_holiday"],
        ),
    ],
)
def test_every_fault_is_told_at_once(definition: dict[str, Any], fields: list[str]) -> None:
    assert fields == [fault.field for fault in faults_of(completed(definition, NOW), GERMANY, NOW)]


def test_an_unknown_zone_gets_its_neighbours() -> None:
    (fault,) = faults_of({"cron": "* * * * *", "zone": "europe/berlim"}, None, NOW)
    assert "Europe/Berlin" in fault.remedy
    for name in ("../etc/passwd", "/etc", "", "Europe", "UTC\0", "x" * 500):
        with pytest.raises(Unreadable):
            read({"cron": "* * * * *", "zone": name}, None)


def test_an_interval_counts_from_its_anchor_its_start_or_now() -> None:
    for definition, anchor in (
        ({"every": "1h30m"}, NOW),
        ({"every": "1h30m", "start": "2026-04-01T00:00:00+02:00"}, datetime(2026, 3, 31, 22, tzinfo=UTC)),
        ({"every": "1h30m", "anchor": "2026-04-01T00:00:00Z"}, datetime(2026, 4, 1, tzinfo=UTC)),
    ):
        assert Every(seconds=5400, anchor=anchor) == read(completed(definition, NOW), None).rule
    first = read(completed({"every": "1h", "start": "2026-04-01T00:00:00Z"}, NOW), None).next_after(NOW)
    assert first is not None
    assert datetime(2026, 4, 1, tzinfo=UTC) == first.at


def test_a_calendar_is_there_to_be_kept_to() -> None:
    assert OnHoliday.SKIP is read({"cron": "* * * * *"}, GERMANY).on_holiday
    assert OnHoliday.AFTER is read({"cron": "* * * * *", "on_holiday": "after"}, GERMANY).on_holiday
    assert read({"cron": "* * * * *"}, None).on_holiday is None


def test_what_is_said_of_missed_moments() -> None:
    assert MisfirePolicy() == read_misfire({})
    said = read_misfire({"misfire": "all", "misfire_window_s": 60, "misfire_cap": 3})
    assert (Misfire.ALL, 60, 3) == (said.policy, said.window.total_seconds(), said.cap)


@pytest.mark.parametrize(
    ("definition", "notes"),
    [
        (
            {"cron": "30 2 * * *", "zone": "Europe/Berlin"},
            ["", "02:30 does not come on this day: the clock goes forward", ""],
        ),
        ({"every": "12h", "zone": "Europe/Berlin"}, ["", "", "the offset changes from +01:00 to +02:00"]),
        (
            {"cron": "30 * * * *", "zone": "Africa/Cairo", "start": "2026-10-29T19:45:00Z"},
            ["23:30 comes twice on this day: the clock goes back; this is the first one", "the second one", "", ""],
        ),
        (
            {"phrase": "3rd of the month at 08:00", "start": "2026-04-01T00:00:00Z", "on_holiday": "after"},
            ["moved from 2026-04-03 (Good Friday)", "moved from 2026-05-03 (Sunday)", ""],
        ),
    ],
)
def test_a_preview_says_where_clock_and_calendar_have_a_hand_in_it(
    definition: dict[str, Any], notes: list[str]
) -> None:
    said = completed(definition, NOW)
    calendar = GERMANY if "on_holiday" in definition else None
    found = [one.note for one in preview(read(said, calendar), NOW, len(notes))]
    assert all(bool(note) == bool(said) and note in said for note, said in zip(notes, found, strict=True)), found


def test_a_preview_ends_with_the_schedule() -> None:
    schedule = read({"cron": "0 0 * * *", "end": "2026-03-30T00:00:00Z"}, None)
    assert 2 == len(preview(schedule, NOW, 10))
