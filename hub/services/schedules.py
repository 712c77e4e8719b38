"""Triggers that keep a schedule: what is asked for is checked, armed with its next moment, and previewed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.domain import calendar as calendar_rules
from hub.domain.calendar import Calendar
from hub.domain.parameters import Fault
from hub.domain.schedule import definition as rules
from hub.domain.schedule.preview import Previewed, preview
from hub.domain.schedule.rule import Unreadable
from hub.domain.schedule.schedule import Schedule
from hub.domain.trigger import COMMON_MEMBERS, TriggerState
from hub.errors import Conflict
from hub.services.automations import invalid
from hub.services.effects import WakeTriggers
from hub.storage import calendars, triggers
from hub.storage.transaction import Effect, NewEvent, Transaction
from hub.storage.triggers import TriggerRow

PREVIEW_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a kind makes of a definition: its faults, or what is stored."""

    faults: Sequence[Fault] = ()
    definition: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    """`next_at`, `considered_at` and the like, for a trigger that is active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Which firings a preview shows."""

    count: int = 10
    after: datetime | None = None
    """From when on; None: from now."""


def merge(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with changed members; None takes one away. Another way to say when takes the old one's place."""
    merged = {**known, **changes}
    if any(changes.get(kind) is not None for kind in rules.KINDS):
        others = {kind for kind in (*rules.KINDS, "anchor") if changes.get(kind) is None}
        merged = {name: value for name, value in merged.items() if name not in others}
    return {name: value for name, value in merged.items() if value is not None}


def completed(known: Mapping[str, Any], said: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What is stored of a definition that takes the whole place of a known one.

    The same interval goes on counting from where it did, unless it says from where.
    """
    is_same = said.get("every") is not None and said["every"] == known.get("every")
    if is_same and "anchor" in known and not {"anchor", "start"} & set(said):
        said = {**said, "anchor": known["anchor"]}
    return {**rules.completed(said, now), "kind": known["kind"]}


def prepare(tx: Transaction, workspace_id: str, definition: Mapping[str, Any], calendar_id: str | None) -> Prepared:
    """Check a definition, all faults at once, and arm it from now on."""
    calendar = _calendar(tx, workspace_id, calendar_id)
    said = rules.completed(_own(definition), tx.now)
    faults = rules.faults_of(said, calendar, tx.now)
    if faults:
        return Prepared(faults=faults)
    due = rules.read(said, calendar).next_after(tx.now)
    common = {name: value for name, value in definition.items() if name in COMMON_MEMBERS and value is not None}
    columns = {"next_at": due.at if due else None, "considered_at": tx.now}
    return Prepared(definition={**said, **common}, columns=columns)


def schedule_of(row: TriggerRow) -> Schedule:
    """The schedule of a trigger. Raises Unreadable where what was once good is no more, as a zone that is gone."""
    calendar = None if row.calendar_definition is None else calendar_rules.read(row.calendar_definition)
    return rules.read(_own(row.definition), calendar)


def next_of(row: TriggerRow, now: datetime, look: Look) -> Sequence[Previewed]:
    """The next firings of a trigger, whether it is active or not."""
    return preview(_readable(row), look.after or now, min(look.count, PREVIEW_MAX))


def preview_of(
    tx: Transaction, workspace_id: str, definition: Mapping[str, Any], calendar_id: str | None, look: Look
) -> Sequence[Previewed]:
    """The next firings of what is no trigger yet. Raises Invalid with every fault."""
    calendar = _calendar(tx, workspace_id, calendar_id)
    after = look.after or tx.now
    said = rules.completed(_own(definition), after)
    faults = rules.faults_of(said, calendar, after)
    if faults:
        raise invalid("schedule", "This is no schedule.", faults)
    return preview(rules.read(said, calendar), after, min(look.count, PREVIEW_MAX))


def rearm_of_calendar(tx: Transaction, workspace_id: str, calendar_id: str) -> list[Effect]:
    """Give every active trigger of a calendar its next moment anew. Raises Conflict for one that has none."""
    for row in triggers.of_calendar(tx, workspace_id, calendar_id):
        if row.state != TriggerState.ACTIVE:
            continue
        due = _readable(row).next_after(row.considered_at or tx.now)
        if due is None:
            told = f"Trigger {row.label!r} would never fire again. Pause it, or give it another calendar."
            raise Conflict("never_fires", told)
        triggers.progress(tx, row, {"next_at": due.at})
        tx.record(
            NewEvent(
                workspace_id=workspace_id,
                kind="trigger.armed",
                subject=row.id,
                actor="hub",
                cause=calendar_id,
                data={"label": row.label, "next_at": due.at.isoformat()},
            )
        )
    return [WakeTriggers()]


def _readable(row: TriggerRow) -> Schedule:
    try:
        return schedule_of(row)
    except Unreadable as error:
        raise invalid("schedule", f"The schedule of {row.label!r} can't be read any more.", error.faults) from None


def _calendar(tx: Transaction, workspace_id: str, calendar_id: str | None) -> Calendar | None:
    found = None if calendar_id is None else calendars.by_id(tx, workspace_id, calendar_id)
    return None if found is None else calendar_rules.read(found.definition)


def _own(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition less what all kinds share."""
    return {name: value for name, value in definition.items() if name not in COMMON_MEMBERS}
