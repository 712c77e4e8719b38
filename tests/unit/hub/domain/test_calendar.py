"""Calendars: who works when."""

from datetime import date

import pytest

from hub.domain.calendar import PLAIN, WEEKDAYS, Calendar, Holiday, OnHoliday, faults_of, read, stored

BAVARIA = Calendar(
    country="DE",
    subdivision="BY",
    holidays=(Holiday(date="12-24", name="Christmas Eve"), Holiday(date="2026-11-20", name="Stocktaking")),
    working_days=("2026-12-26", "2026-01-01"),
)


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2026-12-25", "Christmas Day"),
        ("2026-01-06", "Epiphany"),  # Bavaria has it, Germany has not
        ("2026-12-24", "Christmas Eve"),
        ("2031-12-24", "Christmas Eve"),
        ("2026-11-20", "Stocktaking"),
        ("2027-11-20", None),
        ("2026-01-01", None),  # an own working day wins over New Year
        ("2026-11-21", None),  # a Saturday is no holiday
    ],
)
def test_a_holiday_has_a_name(day: str, name: str | None) -> None:
    assert name == BAVARIA.holiday_on(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("day", "works"),
    [("2026-12-26", True), ("2026-12-25", False), ("2026-11-21", False), ("2026-11-20", False), ("2026-11-19", True)],
)
def test_who_works_when(day: str, works: bool) -> None:
    assert works is BAVARIA.is_working_day(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("day", "how", "moved"),
    [
        ("2026-11-19", OnHoliday.SKIP, "2026-11-19"),
        ("2026-11-20", OnHoliday.SKIP, None),
        ("2026-11-20", OnHoliday.BEFORE, "2026-11-19"),
        ("2026-11-20", OnHoliday.AFTER, "2026-11-23"),
        ("2026-12-25", OnHoliday.BEFORE, "2026-12-23"),
        ("2026-12-24", OnHoliday.AFTER, "2026-12-26"),
    ],
)
def test_a_day_moves_to_the_next_one_on_which_people_work(day: str, how: OnHoliday, moved: str | None) -> None:
    found = BAVARIA.moved(date.fromisoformat(day), how)
    assert moved == (found and found.isoformat())


def test_a_calendar_without_near_working_days_moves_nothing() -> None:
    """A shop that closes for a season: nothing is looked for without end."""
    never = Calendar(weekend=WEEKDAYS)
    assert never.moved(date(2026, 1, 5), OnHoliday.AFTER) is None


def test_why_nobody_works() -> None:
    assert ("Saturday", "Christmas Day") == (
        BAVARIA.why_not(date(2026, 11, 21)),
        BAVARIA.why_not(date(2026, 12, 25)),
    )


def test_it_is_stored_and_read_back() -> None:
    assert (BAVARIA, PLAIN) == (read(stored(BAVARIA)), read({}))


def test_all_faults_are_told_at_once() -> None:
    wrong = Calendar(
        country="Germany",
        holidays=(Holiday(date="02-30"), Holiday(date="2026-1-1"), Holiday(date="12-24", name="x" * 201)),
        working_days=("tomorrow",),
        weekend=("caturday",),
    )
    fields = [fault.field for fault in faults_of(wrong)]
    expected = ["country", "weekend", "holidays.0.date", "holidays.1.date", "holidays.2.name", "working_days.0"]
    assert expected == fields


@pytest.mark.parametrize(
    ("calendar", "field", "words"),
    [
        (Calendar(country="DE", subdivision="XX"), "subdivision", "known: BB, BE"),
        (Calendar(subdivision="BY"), "subdivision", "name its country"),
        (Calendar(country="de"), "country", "DE"),
        (Calendar(weekend=WEEKDAYS), "weekend", "one"),
        (Calendar(working_days=("2026-01-01",) * 401), "holidays", "fewer"),
    ],
)
def test_a_fault_names_its_remedy(calendar: Calendar, field: str, words: str) -> None:
    (fault,) = faults_of(calendar)
    assert (field, True) == (fault.field, words in fault.remedy)


def test_a_good_calendar_has_no_faults() -> None:
    assert [] == faults_of(BAVARIA)
