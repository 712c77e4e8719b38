"""Calendar phrases: a closed grammar."""

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from hub.domain.calendar import Calendar, Holiday
from hub.domain.schedule.phrases import GRAMMAR, read_phrase
from hub.domain.schedule.rule import Unreadable
from hub.domain.schedule.schedule import Schedule

# A Thursday.
FROM = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("phrase", "first"),
    [
        ("daily at 08:30", ["01-01 08:30", "01-02 08:30"]),
        ("Every day  at 8:30 pm", ["01-01 20:30"]),
        ("every day at noon and midnight", ["01-01 12:00", "01-02 00:00"]),
        ("daily at 12 am, 12 pm and 23:59:30", ["01-01 12:00", "01-01 23:59", "01-02 00:00"]),
        ("weekdays at 08:30", ["01-01 08:30", "01-02 08:30", "01-05 08:30"]),
        ("every weekday at 08:30", ["01-01 08:30"]),
        ("weekends at 10:00", ["01-03 10:00", "01-04 10:00", "01-10 10:00"]),
        ("on mondays at 9:00", ["01-05 09:00", "01-12 09:00"]),
        ("every monday and friday at 9:00", ["01-02 09:00", "01-05 09:00", "01-09 09:00"]),
        ("monday, tuesday and friday at 9:00", ["01-02 09:00", "01-05 09:00", "01-06 09:00"]),
        ("1st and 15th of the month at 06:00", ["01-01 06:00", "01-15 06:00", "02-01 06:00"]),
        ("on the first of the month at 06:00", ["01-01 06:00", "02-01 06:00"]),
        ("31st of the month at 06:00", ["01-31 06:00", "03-31 06:00"]),
        ("24th of december at 06:00", ["12-24 06:00"]),
        ("1st of january and july at 06:00", ["01-01 06:00", "07-01 06:00"]),
        ("last day of the month at 06:00", ["01-31 06:00", "02-28 06:00"]),
        ("2nd last day of every month at 06:00", ["01-30 06:00"]),
        ("first monday of the month at 06:00", ["01-05 06:00", "02-02 06:00"]),
        ("last friday of march at 06:00", ["03-27 06:00"]),
        ("5th friday of the month at 06:00", ["01-30 06:00", "05-29 06:00"]),
        ("last day of the quarter at 06:00", ["03-31 06:00", "06-30 06:00"]),
        ("working days at 07:00", ["01-01 07:00", "01-02 07:00", "01-05 07:00"]),
        ("every working day at 07:00", ["01-01 07:00"]),
        ("last working day of the month at 18:00", ["01-30 18:00", "02-27 18:00"]),
        ("3rd working day of the month at 07:00", ["01-05 07:00", "02-04 07:00"]),
        ("2nd last working day of the quarter at 07:00", ["03-30 07:00", "06-29 07:00"]),
        ("second working day of july at 07:00", ["07-02 07:00"]),
    ],
)
def test_what_a_phrase_means(phrase: str, first: list[str]) -> None:
    schedule = Schedule(rule=read_phrase(phrase), zone=ZoneInfo("UTC"))
    found = [due.at.strftime("%m-%d %H:%M") for due in islice(schedule.following(FROM), len(first))]
    assert first == found


def test_working_days_are_those_of_the_calendar() -> None:
    calendar = Calendar(holidays=(Holiday(date="2026-01-01"), Holiday(date="2026-01-30")), working_days=("2026-01-03",))
    for phrase, day in (("3rd working day of the month at 07:00", 5), ("last working day of the month at 07:00", 29)):
        schedule = Schedule(rule=read_phrase(phrase), zone=ZoneInfo("UTC"), calendar=calendar)
        found = schedule.next_after(FROM)
        assert found is not None
        assert (phrase, day) == (phrase, found.at.day)


@pytest.mark.parametrize(
    "phrase",
    [
        "",
        "daily",
        "at 08:00",
        "every 15 minutes",
        "sometimes at 08:00",
        "daily at 25:00",
        "daily at 8",
        "daily at 13 pm",
        "daily at 08:00 or 09:00",
        "32nd of the month at 08:00",
        "0th of the month at 08:00",
        "15th of the quarter at 08:00",
        "6th monday of the month at 08:00",
        "24th working day of the month at 08:00",
        "0th working day of the month at 08:00",
        "last working day of smarch at 08:00",
        "daily at 08:00" + " " * 200,
    ],
)
def test_what_is_not_understood_is_refused_with_what_is(phrase: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_phrase(phrase)
    (fault,) = caught.value.faults
    assert ("phrase", GRAMMAR) == (fault.field, fault.remedy)
