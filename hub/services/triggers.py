"""Triggers: defined and changed by developers, paused, resumed and fired by operators, shown with their history.

What a kind adds is looked up in `KINDS`: how its definition is checked, changed and armed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.domain.access import Caller
from hub.domain.automation import label_name_faults
from hub.domain.parameters import MISSING, Fault, check
from hub.domain.task import TaskView
from hub.domain.trigger import FiringOutcome, TriggerKind, TriggerState, common_faults
from hub.errors import Conflict, NotFound
from hub.services import (
    automations,
    calendars,
    event_triggers,
    file_triggers,
    firing,
    queue_triggers,
    schedules,
    tasks,
    webhooks,
)
from hub.services.automations import invalid
from hub.services.effects import RefreshWatched, WakeTriggers
from hub.services.schedules import Prepared
from hub.services.tasks import NewTask
from hub.storage import alerts
from hub.storage import triggers as rows
from hub.storage.transaction import Done, Effect, Transaction
from hub.storage.triggers import FiringRow, TriggerRow

NAME_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrigger:
    """A trigger that is asked for."""

    label: str
    automation: str
    """Label or id."""
    kind: TriggerKind = TriggerKind.SCHEDULE
    definition: Mapping[str, Any] = field(default_factory=dict)
    """What its kind says, and what all kinds share (`hub.domain.trigger.Common`)."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    calendar: str | None = None
    """Label or id."""
    is_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a kind of trigger knows to do."""

    prepare: Callable[[Transaction, str, Mapping[str, Any], str | None], Prepared]
    """(workspace, definition, calendar id) to what is stored; it arms it from now on."""
    merge: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    """(definition, changes) to a definition."""


KINDS: Mapping[TriggerKind, Kind] = {
    TriggerKind.SCHEDULE: Kind(prepare=schedules.prepare, merge=schedules.merge),
    TriggerKind.WEBHOOK: Kind(prepare=webhooks.prepare, merge=webhooks.merge),
    TriggerKind.QUEUE: Kind(prepare=queue_triggers.prepare, merge=queue_triggers.merge),
    TriggerKind.EVENT: Kind(prepare=event_triggers.prepare, merge=event_triggers.merge),
    TriggerKind.FILE: Kind(prepare=file_triggers.prepare, merge=file_triggers.merge),
}


def show(tx: Transaction, workspace_id: str, named: str) -> TriggerRow:
    """The trigger of that label or id. Raises NotFound."""
    find = rows.by_id if named.startswith("trg_") else rows.by_label
    row = find(tx, workspace_id, named)
    if row is None:
        told = f"There is no trigger {named[:128]!r} here. `botyard trigger list` shows all."
        raise NotFound("no_trigger", told, {"name": named[:128]})
    return row


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[TriggerRow]:
    """Triggers in order of label, those behind the label `after`."""
    return rows.page(tx, workspace_id, after, limit)


def history(
    tx: Transaction, workspace_id: str, named: str, before: tuple[datetime, str] | None, limit: int
) -> list[FiringRow]:
    """What a trigger did and why, newest first. Raises NotFound."""
    row = show(tx, workspace_id, named)
    return rows.history(tx, workspace_id, row.id, before, limit)


def create(tx: Transaction, caller: Caller, new: NewTrigger) -> Done[TriggerRow]:
    """Define a trigger, armed from now on unless it is paused.

    Raises Invalid with every fault, NotFound for its automation or calendar, Conflict for a used label.
    """
    values = _values(tx, caller.workspace_id, new)
    trigger_id = tx.new_id("trg")
    state = TriggerState.PAUSED if new.is_paused else TriggerState.ACTIVE
    values |= {"label": new.label, "kind": new.kind, "state": state, "created_by": caller.actor}
    if new.is_paused:
        values["next_at"] = None
    if not rows.insert(tx, caller.workspace_id, trigger_id, values):
        raise Conflict("label_used", f"There is a trigger {new.label!r} already. Edit it, or take another label.")
    row = show(tx, caller.workspace_id, trigger_id)
    firing.record(tx, row, "trigger.created", caller.actor, new=state, cause="api", data={"kind": new.kind})
    return Done(row, _woken(row))


def edit(tx: Transaction, caller: Caller, named: str, changes: Mapping[str, Any]) -> Done[TriggerRow]:
    """Change the named members, all or none: name, automation, parameters, calendar (None: none), definition.

    In a definition only the named members change. Its next moment is found anew from now on, but one of events that
    listens to the same goes on with what it waits for; one that had ended goes on. Label and kind stay.

    Raises as `create` does.
    """
    row = _locked(tx, caller.workspace_id, named)
    kind = TriggerKind(row.kind)
    asked = NewTrigger(
        label=row.label,
        kind=kind,
        automation=changes.get("automation") or row.automation_id,
        definition=KINDS[kind].merge(row.definition, changes.get("definition") or {}),
        parameters=row.parameters if changes.get("parameters") is None else changes["parameters"],
        name=row.name if changes.get("name") is None else changes["name"],
        calendar=changes.get("calendar", row.calendar_id),
    )
    values = _values(tx, caller.workspace_id, asked)
    state = TriggerState.ACTIVE if row.state == TriggerState.ENDED else TriggerState(row.state)
    values["state"] = state
    goes_on = kind is TriggerKind.EVENT and event_triggers.is_same_watch(row.definition, values["definition"])
    if state is not TriggerState.ACTIVE:
        values["next_at"] = None
    elif row.state == TriggerState.ACTIVE:
        values.pop("event_pos", None)  # events that nobody has looked at yet are looked at as it is now
        if goes_on:
            del values["considered_at"], values["next_at"]
    rows.change(tx, caller.workspace_id, row.id, values)
    if not goes_on:
        firing.disarm(tx, row)
    firing.record(tx, row, "trigger.edited", caller.actor, old=row.state, new=state, cause="api")
    return Done(show(tx, caller.workspace_id, row.id), _woken(row))


def pause(tx: Transaction, caller: Caller, named: str) -> Done[TriggerRow]:
    """Fire no more until it is resumed; what falls due meanwhile is left out. Again is no error.

    Files are not left out: those that came meanwhile and still lie there fire when it is resumed.
    """
    row = _locked(tx, caller.workspace_id, named)
    if row.state != TriggerState.PAUSED:
        values = {"state": TriggerState.PAUSED, "next_at": None, "off_why": None}
        rows.change(tx, caller.workspace_id, row.id, values)
        firing.disarm(tx, row)
        _settle_alert(tx, row)
        firing.record(tx, row, "trigger.paused", caller.actor, old=row.state, new=TriggerState.PAUSED, cause="api")
    return Done(show(tx, caller.workspace_id, row.id), _woken(row))


def resume(tx: Transaction, caller: Caller, named: str) -> Done[TriggerRow]:
    """Fire again, from now on; failures are counted anew. Again is no error. Raises Conflict for one that has ended."""
    row = _locked(tx, caller.workspace_id, named)
    if row.state == TriggerState.ACTIVE:
        return Done(row)
    prepared = KINDS[TriggerKind(row.kind)].prepare(tx, caller.workspace_id, row.definition, row.calendar_id)
    if prepared.faults:
        fault = prepared.faults[0]
        told = f"Trigger {row.label!r} can't go on: {fault.field} {fault.message}. Edit it ({fault.remedy})."
        raise Conflict("can_not_resume", told)
    values = {**prepared.columns, "state": TriggerState.ACTIVE, "off_why": None, "failed_in_a_row": 0}
    rows.change(tx, caller.workspace_id, row.id, values)
    _settle_alert(tx, row)
    firing.record(tx, row, "trigger.resumed", caller.actor, old=row.state, new=TriggerState.ACTIVE, cause="api")
    return Done(show(tx, caller.workspace_id, row.id), _woken(row))


def delete(tx: Transaction, caller: Caller, named: str) -> Done[TriggerRow]:
    """Remove a trigger and its history; its tasks stay."""
    row = _locked(tx, caller.workspace_id, named)
    rows.delete(tx, caller.workspace_id, row.id)
    _settle_alert(tx, row)
    firing.record(tx, row, "trigger.deleted", caller.actor, old=row.state, cause="api")
    return Done(row, _woken(row))


def fire_now(tx: Transaction, caller: Caller, named: str, parameters: Mapping[str, Any]) -> Done[TaskView]:
    """Make a task at once, because a person wants one: in any state of the trigger, whatever its overlap policy says.

    `parameters` win over the trigger's own. Raises what asking for the task would raise.
    """
    row = _locked(tx, caller.workspace_id, named)
    new = NewTask(
        workspace_id=caller.workspace_id,
        automation=row.automation_id,
        parameters={**row.parameters, **parameters},
        priority=row.definition.get("priority"),
        trigger_id=row.id,
        actor=caller.actor,
    )
    done = tasks.create(tx, new)
    values = {"id": tx.new_id("frg"), "cause_key": f"now:{done.result.id}", "scheduled_for": None}
    values |= {"outcome": FiringOutcome.FIRED, "why": f"by {caller.actor}", "task_id": done.result.id}
    rows.insert_firing(tx, row, values)
    return done


def _values(tx: Transaction, workspace_id: str, new: NewTrigger) -> dict[str, Any]:
    """The columns of a definition. Raises Invalid with every fault."""
    kind = KINDS.get(new.kind)
    faults = [*label_name_faults(new.label), *common_faults(new.definition)]
    if len(new.name) > NAME_MAX:
        faults.append(Fault(field="name", message="is too long", remedy=f"{NAME_MAX} characters"))
    automation = automations.show(tx, workspace_id, new.automation)
    calendar_id = None if new.calendar is None else calendars.show(tx, workspace_id, new.calendar).id
    brought = file_triggers.brought(new.definition) if new.kind is TriggerKind.FILE else {}
    given = check(automation.definition.parameters, {**new.parameters, **brought})[1]
    # What a payload or an event brings can't be missing yet.
    mapped = new.definition.get("map") or {} if new.kind is TriggerKind.EVENT else {}
    is_payloads = new.kind is TriggerKind.WEBHOOK
    faults += [one for one in given if one.message != MISSING or not (is_payloads or one.field in _fields(mapped))]
    prepared = Prepared()
    if kind is None:
        faults.append(Fault(field="kind", message=f"{new.kind} is none", remedy=f"one of {', '.join(KINDS)}"))
    else:
        prepared = kind.prepare(tx, workspace_id, new.definition, calendar_id)
    faults += prepared.faults
    if faults:
        raise invalid("trigger", "The trigger can't be defined so.", faults)
    return {
        "name": new.name or new.label,
        "automation_id": automation.id,
        "definition": {**prepared.definition, "kind": new.kind},
        "parameters": dict(new.parameters),
        "calendar_id": calendar_id,
        **prepared.columns,
    }


def _fields(mapped: Any) -> frozenset[str]:
    """The fields of parameters that expressions give."""
    return frozenset(f"parameters.{name}" for name in mapped) if isinstance(mapped, Mapping) else frozenset()


def _woken(row: TriggerRow) -> list[Effect]:
    """Whoever listens for it looks again."""
    return [RefreshWatched(workspace_id=row.workspace_id)] if row.kind == TriggerKind.FILE else [WakeTriggers()]


def _settle_alert(tx: Transaction, row: TriggerRow) -> None:
    alerts.resolve(tx, row.workspace_id, firing.OFF, row.id)


def _locked(tx: Transaction, workspace_id: str, named: str) -> TriggerRow:
    known = show(tx, workspace_id, named)
    row = rows.by_id(tx, workspace_id, known.id, lock=True)
    if row is None:
        raise NotFound("no_trigger", f"Trigger {known.label!r} was deleted meanwhile.", {"name": known.label})
    return row
