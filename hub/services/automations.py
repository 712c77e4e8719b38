"""Automations: what can be asked for. Made and changed by developers, read by whoever asks (`design.md` §1)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from agent.wire.words import OnDisconnect
from hub.domain import demand, limits
from hub.domain.access import Caller
from hub.domain.automation import Automation, AutomationState, Definition, ReportRule, faults_of
from hub.domain.condition import plain
from hub.domain.desktop_wish import DesktopWish
from hub.domain.parameters import Fault, Parameter, ParameterType, check
from hub.domain.retry import RetryPolicy
from hub.errors import Conflict, Invalid, NotFound
from hub.services import expr, resources
from hub.services.effects import RefreshDesired, WakeDispatch
from hub.storage import alerts
from hub.storage import automations as rows
from hub.storage.automations import AutomationRow
from hub.storage.transaction import Done, NewEvent, Transaction

_PARAMETERS = "parameters"
_KEY_VARIABLES = frozenset({_PARAMETERS})
PAUSED = "automation_paused"
"""Kind of the alert of an automation that the hub stopped."""


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
    What they share with others counts for them at once.
    """
    known = show(tx, caller.workspace_id, label)
    if "limits" in changes:
        changes = {**changes, "limits": limits.merged(known.definition.limits, changes["limits"])}
    if isinstance(changes.get("retry"), Mapping):
        changes = {**changes, "retry": dataclasses.replace(known.definition.retry, **changes["retry"])}
    if isinstance(changes.get("sharing"), Mapping):
        changes = {**changes, "sharing": dataclasses.replace(known.definition.sharing, **changes["sharing"])}
    if isinstance(changes.get("on_screen"), Mapping):
        changes = {**changes, "on_screen": dataclasses.replace(known.definition.on_screen, **changes["on_screen"])}
    changed = dataclasses.replace(known.definition, **changes)
    values = _values(tx, caller.workspace_id, changed)
    if changes.get("state") == AutomationState.ACTIVE:  # somebody decides: what the hub thought of it is over
        values |= {"paused_why": None, "stopped_at": None, "failed_in_a_row": 0}
        alerts.resolve(tx, caller.workspace_id, PAUSED, known.id)
    if not rows.update(tx, caller.workspace_id, known.id, values):
        raise Conflict("automation_changed", "The automation changed meanwhile. Look again.")
    _record(tx, caller, "automation.edited", known.id, changed)
    return Done(show(tx, caller.workspace_id, known.id), _effects(caller.workspace_id))


def has_bot(tx: Transaction, workspace_id: str, name: str) -> bool:
    """Whether a bot of that name was deployed here."""
    return rows.bot_id(tx, workspace_id, name) is not None


def accept_parameters(automation: Automation, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a new task, defaults filled in. Raises Invalid with every fault, Conflict while paused."""
    if automation.definition.state is AutomationState.PAUSED:
        why = f" ({automation.paused_why})" if automation.paused_why else ""
        raise Conflict("automation_paused", f"{automation.definition.label!r} is paused and takes no tasks{why}.")
    result, faults = check(automation.definition.parameters, given)
    if faults:
        raise invalid("parameters", "The parameters don't fit what the automation declares.", faults)
    return result


def key_of(automation: Automation, parameters: Mapping[str, Any]) -> str | None:
    """The limit that a new task counts under by its automation's expression. Raises Invalid where that has no value.

    Secret parameters are not there for it: the value is shown to whoever asks why a task waits.
    """
    text = automation.definition.sharing.concurrency_key
    if text is None:
        return None
    secret = {one.name for one in automation.definition.parameters if one.secret}
    given = {name: value for name, value in parameters.items() if name not in secret}
    try:
        value = expr.evaluate(text, {_PARAMETERS: given})
    except expr.ExpressionFailed as error:
        raise _no_key(text, str(error)) from None
    found = demand.key_of(automation.id, value)
    if found is None:
        raise _no_key(text, f"its value must be a text, a number or a boolean, at most {demand.VALUE_MAX} characters")
    return found


def _no_key(text: str, why: str) -> Invalid:
    fault = Fault(field="concurrency_key", message=f"{text[:80]}: {why}", remedy="give the parameters that it names")
    return invalid("concurrency_key", "The task has no value for its automation's concurrency key.", [fault])


def invalid(code: str, message: str, faults: Sequence[Fault]) -> Invalid:
    """An `Invalid` that carries its faults as adapters show them."""
    return Invalid(code, message, {"errors": [fault.as_json() for fault in faults]})


def _values(tx: Transaction, workspace_id: str, new: Definition) -> dict[str, Any]:
    faults = faults_of(new) + resources.faults_of(tx, workspace_id, new.sharing)
    if new.sharing.concurrency_key is not None:
        faults += expr.faults(new.sharing.concurrency_key, "concurrency_key", _KEY_VARIABLES)
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
        "label_set_id": rows.label_set(tx, workspace_id, new.all_needs),
        "priority": new.priority,
        "report": new.report,
        "on_disconnect": new.on_disconnect,
        "lost_after_s": new.lost_after_s,
        "run_limit_s": new.run_limit_s,
        "limits": limits.stored(new.limits),
        "retry": new.retry.stored(),
        **demand.stored(new.sharing),
        "desktop": new.on_screen.stored(),
        "state": new.state,
    }


def _automation(workspace_id: str, row: AutomationRow) -> Automation:
    definition = Definition(
        label=row.label,
        bot=row.bot,
        name=row.name,
        description=row.description,
        parameters=tuple(_parameter(one) for one in row.parameters),
        needs=plain(row.needs),
        priority=row.priority,
        report=ReportRule(row.report),
        on_disconnect=OnDisconnect(row.on_disconnect),
        lost_after_s=row.lost_after_s,
        run_limit_s=row.run_limit_s,
        limits=limits.read(row.limits),
        retry=RetryPolicy.read(row.retry),
        sharing=demand.read(row.concurrency, row.concurrency_key, row.uses, row.rate),
        on_screen=DesktopWish.read(row.desktop),
        state=AutomationState(row.state),
    )
    return Automation(
        id=row.id,
        workspace_id=workspace_id,
        bot_id=row.bot_id,
        released_build_id=row.released_build_id,
        label_set_id=row.label_set_id,
        definition=definition,
        paused_why=row.paused_why,
        stopped_at=row.stopped_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _parameter(stored: Mapping[str, Any]) -> Parameter:
    return Parameter(**{**stored, "type": ParameterType(stored["type"])})


def _record(tx: Transaction, caller: Caller, kind: str, automation_id: str, new: Definition) -> None:
    data = {"label": new.label, "bot": new.bot, "state": str(new.state), "needs": new.all_needs}
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
