"""A schedule as people write it, and every fault of it at once.

One of ``cron``, ``every`` and ``phrase``; beside it ``zone``, ``start``, ``end``, ``anchor`` (of an interval),
``on_holiday``, ``misfire``, ``misfire_window_s``, ``misfire_cap``. What is stored is the same with nothing left out.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hub.domain.calendar import Calendar, OnHoliday
from hub.domain.parameters import Fault
from hub.domain.quantities import read_duration
from hub.domain.schedule.cron import read_cron
from hub.domain.schedule.misfire import CAP_MAX, Misfire, MisfirePolicy
from hub.domain.schedule.phrases import read_phrase
from hub.domain.schedule.rule import Rule, Unreadable
from hub.domain.schedule.schedule import Every, Schedule
from hub.domain.schedule.zones import read_zone

KINDS = ("cron", "every", "phrase")
MEMBERS = frozenset({*KINDS, "zone", "start", "end", "anchor", "on_holiday"})
MISFIRE_MEMBERS = frozenset({"misfire", "misfire_window_s", "misfire_cap"})
WINDOW_MAX_S = 31 * 86400
_EVERY_MAX_S = 366 * 86400
_YEARS = range(1970, 2200)
_DEFAULT_ZONE = "UTC"

T = TypeVar("T")


def completed(definition: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A definition with nothing left out: an interval counts from `start`, or from now on."""
    said = {name: value for name, value in definition.items() if value is not None}
    said.setdefault("zone", _DEFAULT_ZONE)
    if "every" in said and not {"anchor", "start"} & set(said):
        said["anchor"] = now.replace(microsecond=0).isoformat()
    return said


def faults_of(definition: Mapping[str, Any], calendar: Calendar | None, now: datetime) -> list[Fault]:
    """What is wrong with a definition, all at once; that it never fires (again) is one thing."""
    faults = [*_members(definition), *_misfire_faults(definition), *_unitless(definition)]
    try:
        schedule = read(definition, calendar)
    except Unreadable as error:
        return [*faults, *error.faults]
    if not faults and schedule.next_after(now) is None:
        field = next(kind for kind in KINDS if definition.get(kind) is not None)
        remedy = "look at its days, at start and end, and at the calendar's working days"
        faults.append(Fault(field=field, message="never fires from now on", remedy=remedy))
    return faults


def read(definition: Mapping[str, Any], calendar: Calendar | None) -> Schedule:
    """The schedule of a definition that is `completed`. Raises Unreadable with every fault."""
    faults: list[Fault] = []
    zone = _taken(lambda: read_zone(str(definition.get("zone", _DEFAULT_ZONE))), faults)
    start = _taken(lambda: _moment(definition, "start"), faults)
    end = _taken(lambda: _moment(definition, "end"), faults)
    rule = _taken(lambda: _rule(definition, start), faults)
    on_holiday = _taken(lambda: _on_holiday(definition, calendar), faults)
    if start is not None and end is not None and end < start:
        faults.append(Fault(field="end", message="lies before start", remedy="give a later one"))
    if isinstance(rule, Every) and on_holiday not in {None, OnHoliday.SKIP}:
        remedy = "skip, or a cron line in place of the interval"
        faults.append(Fault(field="on_holiday", message="an interval can't be moved to another day", remedy=remedy))
    if faults or rule is None or zone is None:
        raise Unreadable(*faults)
    return Schedule(rule=rule, zone=zone, start=start, end=end, calendar=calendar, on_holiday=on_holiday)


def read_misfire(definition: Mapping[str, Any]) -> MisfirePolicy:
    """What a stored definition says of missed moments."""
    usual = MisfirePolicy()
    window_s = definition.get("misfire_window_s")
    return MisfirePolicy(
        policy=Misfire(definition.get("misfire", usual.policy)),
        window=usual.window if window_s is None else timedelta(seconds=window_s),
        cap=definition.get("misfire_cap", usual.cap),
    )


def _taken(make: Callable[[], T], faults: list[Fault]) -> T | None:
    try:
        return make()
    except Unreadable as error:
        faults.extend(error.faults)
        return None


def _rule(definition: Mapping[str, Any], start: datetime | None) -> Rule | Every:
    named = [kind for kind in KINDS if definition.get(kind) is not None]
    if len(named) != 1:
        message = f"{' and '.join(named)} are named together" if named else "says nothing of when"
        raise Unreadable(Fault(field=(named or ["cron"])[-1], message=message, remedy=f"one of {', '.join(KINDS)}"))
    (kind,) = named
    text = definition[kind]
    if not isinstance(text, str):
        raise Unreadable(Fault(field=kind, message="is no text", remedy="write it as text"))
    if kind == "every":
        return _every(text, _moment(definition, "anchor") or start)
    return read_cron(text) if kind == "cron" else read_phrase(text)


def _every(text: str, anchor: datetime | None) -> Every:
    try:
        length_s = read_duration(text, bare=True)
    except ValueError:
        length_s = None
    # `none` is no interval either.
    if length_s is None or length_s % 1 or not 1 <= length_s <= _EVERY_MAX_S:
        remedy = "whole seconds up to a year: 30s, 15m, 2h, 1d, 1h30m"
        raise Unreadable(Fault(field="every", message=f"{text[:40]!r} is no interval", remedy=remedy))
    return Every(seconds=int(length_s), anchor=anchor or datetime(2000, 1, 1, tzinfo=UTC))


def _unitless(definition: Mapping[str, Any]) -> list[Fault]:
    """A stored interval may be a bare number of seconds; nobody may write one anew."""
    text = definition.get("every")
    try:
        read_duration(text if isinstance(text, str) else "0")
    except ValueError:
        plain = str(text).strip()
        if plain.replace(".", "", 1).isdecimal():
            return [
                Fault(
                    field="every",
                    message=f"{plain[:40]!r} lacks its unit",
                    remedy=f"say {plain[:40]}m or {plain[:40]}s",
                )
            ]
    return []


def _moment(definition: Mapping[str, Any], name: str) -> datetime | None:
    text = definition.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text).replace(microsecond=0)
        if moment.tzinfo is not None and moment.year in _YEARS:
            return moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        pass
    remedy = "2026-12-31T18:00:00+01:00, with its offset, from 1970 to 2199"
    raise Unreadable(Fault(field=name, message=f"{str(text)[:40]!r} is no moment", remedy=remedy))


def _on_holiday(definition: Mapping[str, Any], calendar: Calendar | None) -> OnHoliday | None:
    """What is said of holidays; a calendar of which nothing is said is there to be skipped by."""
    said = definition.get("on_holiday")
    if said is None:
        return OnHoliday.SKIP if calendar is not None else None
    if said not in set(OnHoliday):
        remedy = f"one of {', '.join(OnHoliday)}"
        raise Unreadable(Fault(field="on_holiday", message=f"{str(said)[:40]!r} is no way to move", remedy=remedy))
    return OnHoliday(said)


def _members(definition: Mapping[str, Any]) -> list[Fault]:
    known = ", ".join(sorted(MEMBERS | MISFIRE_MEMBERS))
    return [
        Fault(field=str(name)[:64], message="is no member of a schedule", remedy=f"known are: {known}")
        for name in definition
        if name not in MEMBERS | MISFIRE_MEMBERS
    ]


def _misfire_faults(definition: Mapping[str, Any]) -> list[Fault]:
    faults = []
    policy = definition.get("misfire")
    if policy is not None and policy not in set(Misfire):
        remedy = f"one of {', '.join(Misfire)}"
        faults.append(Fault(field="misfire", message=f"{str(policy)[:40]!r} is no policy", remedy=remedy))
    for name, high in (("misfire_window_s", WINDOW_MAX_S), ("misfire_cap", CAP_MAX)):
        value = definition.get(name)
        if value is not None and (type(value) is not int or not 1 <= value <= high):
            faults.append(Fault(field=name, message=f"{str(value)[:40]!r} is out of range", remedy=f"1 to {high}"))
    return faults
