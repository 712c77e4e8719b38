"""Calendar phrases: a closed grammar of what people say, ``DAYS at TIMES``. What else is said is refused with it."""

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, time, timedelta
from functools import lru_cache

from hub.domain.calendar import WEEKDAYS, Calendar
from hub.domain.parameters import Fault
from hub.domain.schedule.rule import IsDay, Rule, Unreadable, first_of

TEXT_MAX = 200
GRAMMAR = (
    "DAYS at TIMES. DAYS: daily, weekdays, weekends, working days, every monday and friday, 1st and 15th of the month, "
    "last day of the month, first monday of the month, last working day of the month, 3rd working day of the month, "
    "2nd last working day of the quarter; in place of 'the month': january and july. TIMES: 08:30, 6 pm, noon, "
    "08:30 and 17:00"
)
# fmt: off
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)
# fmt: on
_WORDS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_NTH = r"(?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth)"
_DAY_NAME = rf"(?:{'|'.join(WEEKDAYS)})"
_AND = r"(?:, and | and |, )"
_MONTH_NAME = rf"(?:{'|'.join(_MONTHS)})"
_OF = rf" of (?:(?:the |every |each )(?P<period>month|quarter)|(?P<months>{_MONTH_NAME}(?:{_AND}{_MONTH_NAME})*))"
_PLACE = rf"(?P<place>last|{_NTH} last|{_NTH})"
_TIME = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?(?: ?(?P<half>am|pm))?\Z")
_NAMED_TIMES = {"noon": time(12), "midnight": time(0)}
_MOST = {"month": 23, "quarter": 66}

_Of = Callable[[date], tuple[date, date] | None]
"""The first and the last day of the stretch that a day is counted in; None for a day that does not count."""


@lru_cache(maxsize=2048)
def read_phrase(text: str) -> Rule:
    """The rule of a phrase. Raises Unreadable that says what is understood."""
    plain = " ".join(text.lower().split()).removeprefix("on ").removeprefix("the ")
    days, at, times = plain.rpartition(" at ")
    if len(text) > TEXT_MAX or not at:
        raise _unreadable(f"{text[:80]!r} says no time of day")
    is_day = _days(days.removeprefix("the "))
    if is_day is None:
        raise _unreadable(f"{days[:80]!r} names no days")
    return Rule(is_day=is_day, first_time=first_of(_times(times)))


def _unreadable(message: str) -> Unreadable:
    return Unreadable(Fault(field="phrase", message=message, remedy=GRAMMAR))


def _times(text: str) -> list[time]:
    return [_time(one) for one in re.split(_AND, text)]


def _time(text: str) -> time:
    if text in _NAMED_TIMES:
        return _NAMED_TIMES[text]
    found = _TIME.match(text)
    if found is None or (found["minute"] is None and found["half"] is None):
        raise _unreadable(f"{text[:40]!r} is no time of day")
    hour = int(found["hour"])
    if found["half"]:
        if not 1 <= hour <= 12:
            raise _unreadable(f"{text[:40]!r} is no time of day")
        hour = hour % 12 + (12 if found["half"] == "pm" else 0)
    try:
        return time(hour, int(found["minute"] or 0), int(found["second"] or 0))
    except ValueError:
        raise _unreadable(f"{text[:40]!r} is no time of day") from None


def _days(text: str) -> IsDay | None:
    plain = _PLAIN_DAYS.get(text.removeprefix("every ")) or _PLAIN_DAYS.get(text)
    if plain is not None:
        return plain
    for pattern, read in _FORMS:
        found = pattern.fullmatch(text)
        if found is not None:
            return read(found)
    return None


def _of_week(names: Sequence[str]) -> IsDay:
    wanted = {WEEKDAYS.index(name) for name in names}
    return lambda day, _: day.weekday() in wanted


_PLAIN_DAYS: dict[str, IsDay] = {
    "daily": lambda _day, _calendar: True,
    "day": lambda _day, _calendar: True,
    "weekdays": _of_week(WEEKDAYS[:5]),
    "weekday": _of_week(WEEKDAYS[:5]),
    "weekends": _of_week(WEEKDAYS[5:]),
    "weekend": _of_week(WEEKDAYS[5:]),
    "working days": lambda day, calendar: calendar.is_working_day(day),
    "working day": lambda day, calendar: calendar.is_working_day(day),
}


def _named_days(found: re.Match[str]) -> IsDay:
    return _of_week(re.findall(_DAY_NAME, found[0]))


def _numbered_days(found: re.Match[str]) -> IsDay:
    """`1st and 15th of the month`."""
    numbers = [int(number) for number in re.findall(r"\d+", found["numbers"])]
    numbers += [_WORDS[word] for word in re.findall(r"[a-z]+", found["numbers"]) if word in _WORDS]
    if not all(1 <= number <= 31 for number in numbers) or found["period"] == "quarter":
        raise _unreadable(f"{found[0][:80]!r} names no days of a month")
    months = _months(found)
    return lambda day, _: day.day in numbers and day.month in months


def _placed_day(found: re.Match[str]) -> IsDay:
    """`last day of the month`, `first monday of the month`, `3rd working day of the quarter`."""
    place, from_end = _place(found["place"])
    what, stretch = found["what"], _stretch(found)
    most = 31 if what == "day" else _MOST[found["period"] or "month"]
    if what in WEEKDAYS:
        most = 5 if found["period"] != "quarter" else 14
    if not 1 <= place <= most:
        raise _unreadable(f"{found[0][:80]!r}: there are at most {most} of these")

    def counts(day: date, calendar: Calendar) -> bool:
        if what == "working day":
            return calendar.is_working_day(day)
        return what == "day" or WEEKDAYS[day.weekday()] == what

    def is_day(day: date, calendar: Calendar) -> bool:
        around = stretch(day)
        if around is None or not counts(day, calendar):
            return False
        edge, step = (around[1], -1) if from_end else (around[0], 1)
        seen = 0
        while seen <= place:
            seen += counts(edge, calendar)
            if edge == day:
                return seen == place
            edge += timedelta(days=step)
        return False

    return is_day


def _place(text: str) -> tuple[int, bool]:
    """(how many, whether from the end)."""
    word = text.removesuffix("last").strip()
    number = re.match(r"\d+", word)
    return int(number[0]) if number else _WORDS.get(word, 1), text.endswith("last")


def _stretch(found: re.Match[str]) -> _Of:
    if found["period"] == "quarter":
        return _quarter
    months = _months(found)

    def month(day: date) -> tuple[date, date] | None:
        if day.month not in months:
            return None
        return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])

    return month


def _quarter(day: date) -> tuple[date, date]:
    last = (day.month + 2) // 3 * 3
    return date(day.year, last - 2, 1), date(day.year, last, monthrange(day.year, last)[1])


def _months(found: re.Match[str]) -> frozenset[int]:
    if found["months"] is None:
        return frozenset(range(1, 13))
    return frozenset(_MONTHS.index(name) + 1 for name in re.findall(_MONTH_NAME, found["months"]))


_FORMS: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], IsDay]]] = (
    (re.compile(rf"(?:every )?{_DAY_NAME}s?(?:{_AND}{_DAY_NAME}s?)*"), _named_days),
    (re.compile(rf"(?:every )?(?P<numbers>{_NTH}(?:{_AND}(?:the )?{_NTH})*){_OF}"), _numbered_days),
    (re.compile(rf"(?:every )?{_PLACE} (?P<what>day|working day|{_DAY_NAME}){_OF}"), _placed_day),
)
