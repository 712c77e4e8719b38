"""Cron lines: five fields as Unix has them, six or seven as Quartz does (seconds first, days from 1 = SUN, years last).

The library `cronsim` reads the fields and knows days (`L`, `LW`, `5L`, `MON#2`). What it has not is here: Quartz's `?`,
its numbers of days, its years, `15W`, `L-3`, ranges over an end (`FRI-MON`, `22-2`). Decided because: cronsim's own way
through a clock change is that of Debian's cron, which drops `*/30 2 * * *` in the hour that is missing, and a line with
seconds may fire twice or never; R63 wants fixed times once. So the way through the day is ours (`schedule.py`).
"""

import calendar as months
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from cronsim.cronsim import CronSim, CronSimError, Field

from hub.domain.calendar import Calendar
from hub.domain.parameters import Fault
from hub.domain.schedule.rule import Rule, Unreadable, first_among

TEXT_MAX = 200
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RANGE = re.compile(r"(\w{1,4})-(\w{1,4})(?:/(\d{1,3}))?\Z")
_QUARTZ_DAY = re.compile(r"([1-7]|[A-Z]{3})(L|#[1-5]|/[1-7]|-(?:[1-7]|[A-Z]{3})(?:/[1-7])?)?\Z")
_SPECIAL_DAY = re.compile(r"(?:(\d{1,2})W|L-(\d{1,2}))\Z")
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_YEARS = range(1970, 2100)
_REMEDIES = {
    Field.SECOND: "0-59, *, */15, 0,30",
    Field.MINUTE: "0-59, *, */15, 0,30",
    Field.HOUR: "0-23, *, */2, 8-18, 22-2",
    Field.DAY: "1-31, *, ?, L, LW, L-3, 15W",
    Field.MONTH: "1-12 or JAN-DEC, *, */3",
    Field.DOW: "SUN-SAT or 0-7 (0 and 7 = SUN), *, ?, MON-FRI, 5L, MON#2",
}
_QUARTZ_DOW = "SUN-SAT or 1-7 (1 = SUN, as Quartz counts), *, ?, MON-FRI, 6L, MON#2"

_Special = Callable[[date], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The fields of a line in cronsim's dialect, and what cronsim has no words for."""

    fields: Sequence[str]
    """Second, minute, hour, day of the month, month, day of the week."""
    specials: Sequence[_Special]
    has_days: bool
    """Whether the day of the month names days that are not special, too."""
    years: frozenset[int] | None


@lru_cache(maxsize=2048)
def read_cron(text: str) -> Rule:
    """The rule of a cron line. Raises Unreadable with a fault for each field that is none."""
    line = _line(text)
    sim = CronSim(" ".join(line.fields), _ANY_DAY)
    is_both = (line.has_days and line.fields[3].startswith("*")) or line.fields[5].startswith("*")
    specials, years = line.specials, line.years

    def is_of_month(day: date) -> bool:
        return (line.has_days and sim.match_dom(day)) or any(special(day) for special in specials)

    def is_day(day: date, calendar: Calendar) -> bool:
        del calendar
        if day.month not in sim.months or (years is not None and day.year not in years):
            return False
        if is_both:
            return is_of_month(day) and sim.match_dow(day)
        return is_of_month(day) or sim.match_dow(day)

    first_time = first_among(list(sim.hours), list(sim.minutes), list(sim.seconds))
    return Rule(is_day=is_day, first_time=first_time, repeats=line.fields[2].startswith("*"))


def _line(text: str) -> _Line:
    words = _MACROS.get(text.strip().lower(), text).upper().split()
    if len(text) > TEXT_MAX or len(words) not in {5, 6, 7}:
        remedy = "five fields (minute hour day month weekday), or six or seven as Quartz has them (seconds first)"
        raise Unreadable(Fault(field="cron", message=f"{text[:80]!r} has {len(words)} fields", remedy=remedy))
    is_quartz = len(words) > 5
    fields = words[:6] if is_quartz else ["0", *words]
    faults = _both_days(fields) if is_quartz else []
    specials, days = _special_days(fields[3])
    fields = [*fields[:3], days or "*", *fields[4:]]
    translated = []
    for field, word in zip(Field, fields, strict=True):
        try:
            made = _translated(field, word, is_quartz=is_quartz)
            field.parse(made)
            translated.append(made)
        except (CronSimError, ValueError):
            faults.append(_fault(field, word, is_quartz=is_quartz))
    years = None
    if len(words) == 7:
        years = _years(words[6])
        if not years:
            message = f"{words[6][:40]!r} is no year"
            faults.append(Fault(field="cron.year", message=message, remedy="2026, 2026-2030, 2026,2028, 2026/2 or *"))
    if not faults:
        faults = _impossible(translated)
    if faults:
        raise Unreadable(*faults)
    return _Line(fields=translated, specials=specials, has_days=bool(days), years=years)


def _both_days(fields: Sequence[str]) -> list[Fault]:
    """Quartz takes one of the two only; which one a line with both means, nobody can know."""
    if {fields[3], fields[5]} & {"?", "*"}:
        return []
    remedy = "put ? into one of them"
    return [Fault(field="cron.day-of-week", message="day of the month and of the week are both named", remedy=remedy)]


def _impossible(fields: Sequence[str]) -> list[Fault]:
    """The 31st of February and the like: cronsim finds it as it is made."""
    try:
        CronSim(" ".join(fields), _ANY_DAY)
    except CronSimError:
        message = f"no month that is named has a day {fields[3]}"
        return [Fault(field="cron.day-of-month", message=message, remedy="name a day that comes, or L for the last")]
    return []


def _fault(field: Field, word: str, *, is_quartz: bool) -> Fault:
    name = field.msg().removeprefix("Bad ")
    remedy = _QUARTZ_DOW if is_quartz and field is Field.DOW else _REMEDIES[field]
    return Fault(field=f"cron.{name}", message=f"{word[:40]!r} is no {name}", remedy=remedy)


def _translated(field: Field, word: str, *, is_quartz: bool) -> str:
    """A field as cronsim takes it. Raises ValueError."""
    if field in {Field.DAY, Field.DOW} and word == "?":
        return "*"
    items = word.split(",")
    if field is Field.DOW and is_quartz:
        return ",".join(_quartz_day(item) for item in items)
    return ",".join(_unwrapped(field, item) for item in items)


def _unwrapped(field: Field, item: str) -> str:
    """`FRI-MON`, `22-2`, `NOV-FEB`: over the end, as a list."""
    found = _RANGE.match(item)
    if found is None or field is Field.DAY:
        return item
    first, last = (field.int(found[group]) for group in (1, 2))
    if first <= last:
        return item
    low, high = (1, 12) if field is Field.MONTH else (0, {Field.HOUR: 23, Field.DOW: 6}.get(field, 59))
    return _listed([*range(first, high + 1), *range(low, last + 1)], found[3])


def _listed(numbers: Sequence[int], step: str | None) -> str:
    every = int(step or 1)
    if not every:
        raise ValueError("a step of nothing")
    return ",".join(str(number) for number in numbers[::every])


def _quartz_day(item: str) -> str:
    """A day of the week of Quartz, 1 = SUN, as cronsim has it, 0 = SUN."""
    if item.startswith("*"):
        return item
    if item == "L":
        return "6"
    found = _QUARTZ_DAY.match(item)
    if found is None:
        raise ValueError("no day of the week")
    first, rest = _day_number(found[1]), found[2] or ""
    if rest.startswith("-"):
        last_name, _, step = rest[1:].partition("/")
        last = _day_number(last_name)
        return _listed([(first + ahead) % 7 for ahead in range((last - first) % 7 + 1)], step)
    if rest.startswith("/"):
        return _listed(range(first, 7), rest[1:])
    return f"{first}{rest}"


def _day_number(name: str) -> int:
    return int(name) - 1 if name.isdigit() else _DAYS.index(name)


def _special_days(word: str) -> tuple[list[_Special], str]:
    """What the day of the month says that cronsim does not know, and the rest of it."""
    specials: list[_Special] = []
    plain = []
    for item in word.split(","):
        found = _SPECIAL_DAY.match(item)
        if found is not None and found[1] and 1 <= int(found[1]) <= 31:
            specials.append(_near_weekday(int(found[1])))
        elif found is not None and found[2] and 1 <= int(found[2]) <= 30:
            specials.append(_before_last(int(found[2])))
        else:
            plain.append(item)
    return specials, ",".join(plain)


def _near_weekday(wanted: int) -> _Special:
    """`15W`: the day from Monday to Friday that is nearest to the 15th, in the same month."""

    def is_it(day: date) -> bool:
        last = months.monthrange(day.year, day.month)[1]
        if wanted > last:
            return False
        weekday = date(day.year, day.month, wanted).weekday()
        if weekday == 5:
            found = wanted - 1 if wanted > 1 else wanted + 2
        elif weekday == 6:
            found = wanted + 1 if wanted < last else wanted - 2
        else:
            found = wanted
        return day.day == found

    return is_it


def _before_last(days: int) -> _Special:
    """`L-3`: so many days before the last of the month."""
    return lambda day: day.day == months.monthrange(day.year, day.month)[1] - days


def _years(word: str) -> frozenset[int] | None:
    """The years of a field; all of them for `*`, none for what can't be read."""
    found: set[int] = set()
    for item in word.split(","):
        match = re.fullmatch(r"(?:(\*)|(\d{4})(?:-(\d{4}))?)(?:/(\d{1,2}))?", item)
        if match is None or match[4] in {"0", "00"}:
            return frozenset()
        first = int(match[2] or _YEARS.start)
        last = int(match[3] or (first if match[2] and not match[4] else _YEARS.stop - 1))
        found.update(year for year in range(first, last + 1, int(match[4] or 1)) if year in _YEARS)
    return frozenset(found)
