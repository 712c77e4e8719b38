"""Calendars: defined and changed by developers; what keeps to one is armed anew when it changes."""

import dataclasses
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from hub.domain import calendar as rules
from hub.domain.access import Caller
from hub.domain.automation import label_name_faults
from hub.domain.calendar import Calendar
from hub.domain.parameters import Fault
from hub.errors import Conflict, NotFound
from hub.services import schedules
from hub.services.automations import invalid
from hub.storage import calendars as rows
from hub.storage.calendars import CalendarRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_YEARS = range(1970, 2200)
_SHOWN_USERS = 5


def show(tx: Transaction, workspace_id: str, named: str) -> CalendarRow:
    """The calendar of that label or id. Raises NotFound."""
    find = rows.by_id if named.startswith("cal_") else rows.by_label
    row = find(tx, workspace_id, named)
    if row is None:
        label = named[:128]
        make = f" Make one: botyard calendar create {label} --country DE." if not label_name_faults(label) else ""
        told = f"There is no calendar {label!r} here. `botyard calendar list` shows all.{make}"
        raise NotFound("no_calendar", told, {"name": named[:128]})
    return row


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[CalendarRow]:
    """Calendars in order of label, those behind the label `after`."""
    return rows.page(tx, workspace_id, after, limit)


def create(tx: Transaction, caller: Caller, label: str, name: str, new: Calendar) -> Done[CalendarRow]:
    """Define a calendar. Raises Invalid with every fault, Conflict for a used label."""
    _check(new, label_name_faults(label))
    calendar_id = tx.new_id("cal")
    values = {"label": label, "name": name or label, "definition": rules.stored(new)}
    if not rows.insert(tx, caller.workspace_id, calendar_id, values):
        raise Conflict("label_used", f"There is a calendar {label!r} already. Edit it, or take another label.")
    _record(tx, caller, "calendar.created", calendar_id, label)
    return Done(show(tx, caller.workspace_id, calendar_id))


def edit(tx: Transaction, caller: Caller, named: str, changes: Mapping[str, Any]) -> Done[CalendarRow]:
    """Change the named members, all or none; triggers that keep to it have their next moment anew.

    Raises as `create` does, and for a trigger that would never fire again.
    """
    row = show(tx, caller.workspace_id, named)
    members = {name: value for name, value in changes.items() if name != "name"}
    changed = dataclasses.replace(rules.read(row.definition), **members)
    _check(changed, [])
    values = {"name": changes.get("name") or row.name, "definition": rules.stored(changed)}
    if not rows.change(tx, caller.workspace_id, row.id, values):
        raise Conflict("calendar_gone", "The calendar was deleted meanwhile.")
    effects: list[Effect] = schedules.rearm_of_calendar(tx, caller.workspace_id, row.id)
    _record(tx, caller, "calendar.edited", row.id, row.label)
    return Done(show(tx, caller.workspace_id, row.id), effects)


def delete(tx: Transaction, caller: Caller, named: str) -> Done[CalendarRow]:
    """Remove a calendar. Raises Conflict while a trigger keeps to it."""
    row = show(tx, caller.workspace_id, named)
    users = rows.users(tx, caller.workspace_id, row.id, _SHOWN_USERS)
    if users:
        told = f"{row.label!r} is kept to by {', '.join(users)}. Give those another calendar first."
        raise Conflict("calendar_in_use", told)
    rows.delete(tx, caller.workspace_id, row.id)
    _record(tx, caller, "calendar.deleted", row.id, row.label)
    return Done(row)


def days_off(row: CalendarRow, year: int) -> list[tuple[date, str]]:
    """The year's holidays, own and public, that are not worked on, each with its name; weekends are not among them."""
    if year not in _YEARS:
        fault = Fault(field="year", message=f"{year} is out of range", remedy=f"{_YEARS.start} to {_YEARS.stop - 1}")
        raise invalid("year", "There is no such year.", [fault])
    calendar = rules.read(row.definition)
    days = (date(year, 1, 1) + timedelta(days=number) for number in range(366))
    named = ((day, calendar.holiday_on(day)) for day in days if day.year == year)
    return [(day, name) for day, name in named if name is not None]


def _check(calendar: Calendar, faults: list[Fault]) -> None:
    faults = [*faults, *rules.faults_of(calendar)]
    if faults:
        raise invalid("calendar", "The calendar can't be defined so.", faults)


def _record(tx: Transaction, caller: Caller, kind: str, calendar_id: str, label: str) -> None:
    tx.record(
        NewEvent(
            workspace_id=caller.workspace_id,
            kind=kind,
            subject=calendar_id,
            actor=caller.actor,
            cause="api",
            data={"label": label},
        )
    )
