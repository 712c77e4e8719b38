"""A calendar: on which days people work, and what stands in the way on the others. Schedules keep to it.

A country's (and its part's) public holidays come from the library `holidays`, imported when the first calendar needs it
and asked once for each year; own days win over them, own working days win over everything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from hub.domain.parameters import Fault

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YEARLY = re.compile(r"(\d{2})-(\d{2})\Z")
_RUN_MAX = 60
"""Days in a row without work, at most; a calendar that has more has no working day near, and moves nothing there."""
DAYS_MAX = 400
_NAME_MAX = 200


class OnHoliday(StrEnum):
    """What becomes of a firing whose day is no working day."""

    SKIP = "skip"
    BEFORE = "before"
    """On the last working day before."""
    AFTER = "after"
    """On the first working day after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """A day of one's own: ``2026-12-31``, or each year ``12-31``."""

    date: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What a calendar is made of; by itself it knows weekends only."""

    country: str = ""
    """ISO 3166 code, as in ``DE``; empty: no public holidays."""
    subdivision: str = ""
    """A part of the country, as in ``BY``."""
    holidays: Sequence[Holiday] = ()
    working_days: Sequence[str] = ()
    """``2026-12-19``: worked, whatever else is said of the day."""
    weekend: Sequence[str] = ("saturday", "sunday")

    def holiday_on(self, day: date) -> str | None:
        """The name of the holiday, own or public; None where there is none. A weekend is none."""
        if day.isoformat() in self.working_days:
            return None
        for one in self.holidays:
            if one.date in {day.isoformat(), day.isoformat()[5:]}:
                return one.name or "own holiday"
        return _public(self.country, self.subdivision, day.year).get(day) if self.country else None

    def is_working_day(self, day: date) -> bool:
        """Whether people work on it."""
        if day.isoformat() in self.working_days:
            return True
        return WEEKDAYS[day.weekday()] not in self.weekend and self.holiday_on(day) is None

    def why_not(self, day: date) -> str:
        """Why nobody works on a day that is no working day, in a word or two."""
        return self.holiday_on(day) or WEEKDAYS[day.weekday()].capitalize()

    def moved(self, day: date, how: OnHoliday) -> date | None:
        """Where a day goes: itself if it is a working day, else nowhere (skip) or to its nearest one that way."""
        if self.is_working_day(day):
            return day
        if how is OnHoliday.SKIP:
            return None
        step = timedelta(days=1 if how is OnHoliday.AFTER else -1)
        for _ in range(_RUN_MAX):
            day += step
            if self.is_working_day(day):
                return day
        return None


PLAIN = Calendar()
"""Monday to Friday."""


def faults_of(calendar: Calendar) -> list[Fault]:
    """What is wrong with a calendar, all at once; empty when it can stand."""
    return [*_country_faults(calendar), *_weekend_faults(calendar), *_day_faults(calendar)]


def read(stored: Mapping[str, Any]) -> Calendar:
    """A calendar as its row holds it."""
    return Calendar(
        country=stored.get("country", ""),
        subdivision=stored.get("subdivision", ""),
        holidays=tuple(Holiday(date=one["date"], name=one.get("name", "")) for one in stored.get("holidays", ())),
        working_days=tuple(stored.get("working_days", ())),
        weekend=tuple(stored.get("weekend", PLAIN.weekend)),
    )


def stored(calendar: Calendar) -> dict[str, Any]:
    """A calendar as its row holds it; `read` is the way back."""
    return {
        "country": calendar.country,
        "subdivision": calendar.subdivision,
        "holidays": [{"date": one.date, "name": one.name} for one in calendar.holidays],
        "working_days": list(calendar.working_days),
        "weekend": list(calendar.weekend),
    }


def _country_faults(calendar: Calendar) -> list[Fault]:
    country, part = calendar.country, calendar.subdivision
    if not country:
        remedy = "name its country too, or leave it out"
        return [Fault(field="subdivision", message="has no country", remedy=remedy)] if part else []
    known = _countries()
    if country not in known:
        near = _near(country.upper(), list(known))
        remedy = f"an ISO code such as {', '.join(near or ['BR', 'DE', 'US'])}"
        return [Fault(field="country", message=f"{country[:40]!r} is no country with known holidays", remedy=remedy)]
    if part and part not in known[country]:
        parts = ", ".join(known[country]) or "it has none"
        return [Fault(field="subdivision", message=f"{part[:40]!r} is no part of {country}", remedy=f"known: {parts}")]
    return []


def _weekend_faults(calendar: Calendar) -> list[Fault]:
    faults = [
        Fault(field="weekend", message=f"{day[:40]!r} is no day of the week", remedy=f"one of {', '.join(WEEKDAYS)}")
        for day in calendar.weekend
        if day not in WEEKDAYS
    ]
    if set(WEEKDAYS) <= set(calendar.weekend):
        faults.append(Fault(field="weekend", message="no day of the week is left", remedy="leave one to work on"))
    return faults


def _day_faults(calendar: Calendar) -> list[Fault]:
    faults = []
    if len(calendar.holidays) + len(calendar.working_days) > DAYS_MAX:
        faults.append(Fault(field="holidays", message=f"more than {DAYS_MAX} days of one's own", remedy="give fewer"))
    for index, one in enumerate(calendar.holidays):
        if not (_is_day(one.date) or _is_yearly(one.date)):
            remedy = "2026-12-31, or 12-31 for each year"
            faults.append(Fault(field=f"holidays.{index}.date", message=f"{one.date[:40]!r} is no day", remedy=remedy))
        if len(one.name) > _NAME_MAX:
            remedy = f"{_NAME_MAX} characters"
            faults.append(Fault(field=f"holidays.{index}.name", message="is too long", remedy=remedy))
    for index, day in enumerate(calendar.working_days):
        if not _is_day(day):
            fault = Fault(field=f"working_days.{index}", message=f"{day[:40]!r} is no day", remedy="2026-12-19")
            faults.append(fault)
    return faults


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_yearly(text: str) -> bool:
    return bool(_YEARLY.match(text)) and _is_day(f"2024-{text}")


def _near(name: str, known: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, known, n=3, cutoff=0.5)


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, Sequence[str]]:
    import holidays

    return holidays.list_supported_countries(include_aliases=True)


@lru_cache(maxsize=512)
def _public(country: str, subdivision: str, year: int) -> Mapping[date, str]:
    """A year's public holidays; in English where the library has that, so that all hubs say the same."""
    import holidays

    supported: Any = getattr(getattr(holidays, country), "supported_languages", ())
    language = "en_US" if "en_US" in supported else None
    return dict(holidays.country_holidays(country, subdiv=subdivision or None, years=year, language=language))
