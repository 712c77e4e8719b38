"""Automations: what can be asked for. Made and changed by developers, read by whoever asks (`design.md` §1)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from agent.wire.words import OnDisconnect
from hub.domain import limits
from hub.domain.access import Caller
from hub.domain.automation import Automation, AutomationState, Definition, ReportRule, faults_of
from hub.domain.parameters import Fault, Parameter, ParameterType, check
from hub.domain.task import RetryPolicy
from hub.errors import Conflict, Invalid, NotFound
from hub.services.effects import RefreshDesired, WakeDispatch
from hub.storage import automations as rows
from hub.storage.automations import AutomationRow
from hub.storage.transaction import Done, NewEvent, Transaction


def show(tx: Transaction, workspace_id: str, label: str) -> Automation:
    """The automation of that label, or of that id. Raises NotFound."""
    find = rows.by_id if label.startswith("aut_") else rows.by_label
    row = find(tx, workspace_id, label)
    if row is None:
        told = f"There is no automation {label[:128]!r} here. `botyard automation list` shows all."
        raise NotFound("no_automation", told, {"name": label[:128]})
    return _automation(workspace_id, row)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Automation]:
    """Automations in order of label, those behind the label `after`."""
    return [_automation(workspace_id, row) for row in rows.page(tx, workspace_id, after, limit)]


def create(tx: Transaction, caller: Caller, new: Definition) -> Done[Automation]:
    """Define an automation. Raises Invalid with every fault, NotFound for its bot, Conflict for a used label."""
    values = _values(tx, caller.workspace_id, new)
    automation_id = tx.new_id("aut")
    if not rows.insert(tx, caller.workspace_id, automation_id, {**values, "label": new.label}):
        raise Conflict("label_used", f"There is an automation {new.label!r} already. Edit it, or take another label.")
    _record(tx, caller, "automation.created", automation_id, new)
    return Done(show(tx, caller.workspace_id, automation_id), _effects(caller.workspace_id))


def ensure(tx: Transaction, caller: Caller, new: Definition) -> Done[Automation]:
    """The automation of that label, made as `new` says unless it is there; `deploy` asks for it."""
    known = rows.by_label(tx, caller.workspace_id, new.label)
    if known is not None:
        return Done(_automation(caller.workspace_id, known))
    return create(tx, caller, new)


def edit(tx: Transaction, caller: Caller, label: str, changes: Mapping[str, Any]) -> Done[Automation]:
    """Change the named members of a definition, all or none; the label stays. Raises as `create` does.

    Tasks that wait keep the parameters they were asked with; what they need, and which bot runs, stays as it was too.
    """
    known = show(tx, caller.workspace_id, label)
    if "limits" in changes:
        changes = {**changes, "limits": limits.merged(known.definition.limits, changes["limits"])}
    changed = dataclasses.replace(known.definition, **changes)
    if not rows.update(tx, caller.workspace_id, known.id, _values(tx, caller.workspace_id, changed)):
        raise Conflict("automation_changed", "The automation changed meanwhile. Look again.")
    _record(tx, caller, "automation.edited", known.id, changed)
    return Done(show(tx, caller.workspace_id, known.id), _effects(caller.workspace_id))


def accept_parameters(automation: Automation, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a new task, defaults filled in. Raises Invalid with every fault, Conflict while paused."""
    if automation.definition.state is AutomationState.PAUSED:
        raise Conflict("automation_paused", f"{automation.definition.label!r} is paused and takes no tasks.")
    result, faults = check(automation.definition.parameters, given)
    if faults:
        raise invalid("parameters", "The parameters don't fit what the automation declares.", faults)
    return result


def invalid(code: str, message: str, faults: Sequence[Fault]) -> Invalid:
    """An `Invalid` that carries its faults as adapters show them."""
    return Invalid(code, message, {"errors": [fault.as_json() for fault in faults]})


def _values(tx: Transaction, workspace_id: str, new: Definition) -> dict[str, Any]:
    faults = faults_of(new)
    if faults:
        raise invalid("automation", "The automation can't be defined so.", faults)
    bot_id = rows.bot_id(tx, workspace_id, new.bot)
    if bot_id is None:
        told = f"There is no bot {new.bot!r} here. Deploy it first: botyard deploy PATH."
        raise NotFound("no_bot", told, {"name": new.bot})
    return {
        "name": new.name or new.label,
        "description": new.description,
        "bot_id": bot_id,
        "parameters": [dataclasses.asdict(one) for one in new.parameters],
        "label_set_id": rows.label_set(tx, workspace_id, new.needs),
        "priority": new.priority,
        "report": new.report,
        "on_disconnect": new.on_disconnect,
        "lost_after_s": new.lost_after_s,
        "run_limit_s": new.run_limit_s,
        "limits": limits.stored(new.limits),
        "retry": {"attempts": new.retry.attempts, "on": sorted(new.retry.on)},
        "state": new.state,
    }


def _automation(workspace_id: str, row: AutomationRow) -> Automation:
    definition = Definition(
        label=row.label,
        bot=row.bot,
        name=row.name,
        description=row.description,
        parameters=tuple(_parameter(one) for one in row.parameters),
        needs=row.needs,
        priority=row.priority,
        report=ReportRule(row.report),
        on_disconnect=OnDisconnect(row.on_disconnect),
        lost_after_s=row.lost_after_s,
        run_limit_s=row.run_limit_s,
        limits=limits.read(row.limits),
        retry=RetryPolicy.read(row.retry),
        state=AutomationState(row.state),
    )
    return Automation(
        id=row.id,
        workspace_id=workspace_id,
        bot_id=row.bot_id,
        released_build_id=row.released_build_id,
        label_set_id=row.label_set_id,
        definition=definition,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _parameter(stored: Mapping[str, Any]) -> Parameter:
    return Parameter(**{**stored, "type": ParameterType(stored["type"])})


def _record(tx: Transaction, caller: Caller, kind: str, automation_id: str, new: Definition) -> None:
    data = {"label": new.label, "bot": new.bot, "state": str(new.state), "needs": dict(new.needs)}
    tx.record(
        NewEvent(
            workspace_id=caller.workspace_id,
            kind=kind,
            subject=automation_id,
            actor=caller.actor,
            data=data,
            cause="api",
        )
    )


def _effects(workspace_id: str) -> list[object]:
    return [RefreshDesired(workspace_id=workspace_id), WakeDispatch(workspace_id=workspace_id)]
