"""Triggers that listen to calls from outside: checked, mapped, fired once for each message (S41, R66)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.domain.access import Caller
from hub.domain.parameters import Fault
from hub.domain.trigger import COMMON_MEMBERS, FiringOutcome, TriggerKind, TriggerState
from hub.domain.webhook import MEMBERS, Delivery, HookRule, faults_of, make_secret, read_rule, why_refused
from hub.errors import BotyardError, Conflict, Invalid, NotFound
from hub.services import expr, firing
from hub.services.expr import ExpressionFailed
from hub.services.firing import Cause
from hub.services.schedules import Prepared
from hub.storage import triggers
from hub.storage.transaction import Done, Transaction
from hub.storage.triggers import TriggerRow

VARIABLES = frozenset({"body", "headers"})
_HIDDEN = frozenset({"authorization", "cookie", "webhook-signature"})
"""Headers that no expression sees."""


class NotSigned(BotyardError):  # noqa: N818 - one of the refusals of a call
    """The call is nobody's who knows the secret (401)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came of a call."""

    workspace_id: str
    task_id: str | None
    is_repeated: bool = False
    """The message had come before: this is what came of it then."""
    why: str = ""
    """Why there is no task."""
    refused: Invalid | None = None
    """What its sender is told where the payload can't be read."""


def merge(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with changed members; None takes one away."""
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


def prepare(tx: Transaction, workspace_id: str, definition: Mapping[str, Any], calendar_id: str | None) -> Prepared:
    """Check a definition, all faults at once: an expression that does not compile never gets as far as a call."""
    del tx, workspace_id
    said = {name: value for name, value in definition.items() if name in {*MEMBERS, *COMMON_MEMBERS}}
    faults = faults_of(said)
    for name, text in (said.get("map") or {}).items():
        faults += expr.faults(text, f"map.{name}", VARIABLES) if isinstance(text, str) else []
    for name in sorted(set(definition) - set(said)):
        faults.append(
            Fault(field=name, message="means nothing for a webhook", remedy=f"known are {', '.join(MEMBERS)}")
        )
    if calendar_id is not None:
        faults.append(Fault(field="calendar", message="means nothing for a webhook", remedy="leave it out"))
    return Prepared(faults=faults) if faults else Prepared(definition=said, columns={"next_at": None})


def renew_secret(tx: Transaction, caller: Caller, row: TriggerRow, entropy: bytes) -> Done[str]:
    """Give a webhook a new secret, which is told once; the old one opens nothing any more."""
    if row.kind != TriggerKind.WEBHOOK:
        raise Conflict("no_webhook", f"Trigger {row.label!r} is no webhook and has no secret.")
    secret = make_secret(entropy)
    triggers.change(tx, row.workspace_id, row.id, {"secret": secret})
    firing.record(tx, row, "trigger.secret_renewed", caller.actor, cause="api")
    return Done(secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A call that was found to be of somebody who knows the secret, and by which definition."""

    secret: str
    definition: Mapping[str, Any]


def verify(tx: Transaction, trigger_id: str, delivery: Delivery) -> Signed:
    """Check a call before anything is written for it: what strangers send never holds up the writer.

    Raises NotFound for the trigger, NotSigned.
    """
    found = triggers.hook(tx, trigger_id)
    row = triggers.by_id(tx, found[0], trigger_id) if found is not None else None
    if found is None or row is None:
        raise _no_hook()
    return _signed(row, found[1], delivery, tx)


def receive(tx: Transaction, trigger_id: str, delivery: Delivery, signed: Signed) -> Done[Received]:
    """Make the task of a call that `verify` let pass. The same message again gets the first one's task, and makes none.

    Raises as `verify` does, where secret or definition changed meanwhile; Conflict while it does not fire. A body that
    is no JSON, or that its expressions can't read, is a failure in the history as any other, and `refused`.
    """
    row, secret = _locked(tx, trigger_id)
    if secret != signed.secret or row.definition != signed.definition:
        _signed(row, secret, delivery, tx)
    rule = read_rule(row.definition)
    key = f"hook {delivery.id or tx.new_id('msg')}"
    before = triggers.firing_of(tx, row, key)
    if before is not None and before[2] == FiringOutcome.FAILED:
        key = f"{key} {tx.new_id('try')}"  # what was in the way may be mended by now
    elif before is not None:
        return Done(Received(workspace_id=row.workspace_id, task_id=before[0], is_repeated=True, why=before[1]))
    if row.state != TriggerState.ACTIVE:
        raise Conflict("trigger_state", f"This trigger is {row.state} and takes no calls.")
    try:
        parameters = _parameters(rule, delivery)
    except Invalid as error:
        firing.fail(tx, row, Cause(key=key), firing.said_of(error))
        return Done(Received(workspace_id=row.workspace_id, task_id=None, why=error.message, refused=error))
    fired, effects = firing.fire(tx, row, Cause(key=key, parameters=parameters))
    assert fired is not None
    why = fired.why if fired.outcome is not FiringOutcome.FIRED else ""
    return Done(Received(workspace_id=row.workspace_id, task_id=fired.task_id, why=why), effects)


def _parameters(rule: HookRule, delivery: Delivery) -> dict[str, Any]:
    """The parameters that the payload gives. Raises Invalid with every fault."""
    try:
        body = json.loads(delivery.body or b"{}", parse_constant=_no_number)
        json.dumps(body, ensure_ascii=False).encode()  # half a character can't be kept
    except (ValueError, RecursionError):
        raise Invalid("body", "The body is no JSON in UTF-8.") from None
    if not rule.map:
        if not isinstance(body, dict):
            raise Invalid("body", "The body is no JSON object; map it to parameters.")
        return body
    headers = {name: value for name, value in delivery.headers.items() if name not in _HIDDEN}
    found, faults = {}, []
    for name, text in rule.map.items():
        try:
            found[name] = expr.evaluate(text, {"body": body, "headers": headers})
        except ExpressionFailed as error:
            faults.append(Fault(field=f"map.{name}", message=str(error), remedy="send what the trigger expects"))
    if faults:
        raise Invalid("body", "The payload can't be read.", {"errors": [fault.as_json() for fault in faults]})
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _signed(row: TriggerRow, secret: str | None, delivery: Delivery, tx: Transaction) -> Signed:
    refused = "This trigger has no secret yet."
    if secret is not None:
        refused = why_refused(read_rule(row.definition), secret, delivery, tx.now) or ""
        if not refused:
            return Signed(secret=secret, definition=row.definition)
    raise NotSigned("not_signed", refused)


def _no_hook() -> NotFound:
    return NotFound("no_hook", "There is no such webhook.")


def _locked(tx: Transaction, trigger_id: str) -> tuple[TriggerRow, str | None]:
    found = triggers.hook(tx, trigger_id)
    row = triggers.by_id(tx, found[0], trigger_id, lock=True) if found is not None else None
    if row is None or found is None or row.kind != TriggerKind.WEBHOOK:
        raise _no_hook()
    return row, found[1]
