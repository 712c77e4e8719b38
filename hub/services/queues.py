"""Queues: defined and changed by developers, paused and resumed by operators, shown."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.domain.access import Caller
from hub.domain.parameters import Fault, Parameter, ParameterType
from hub.domain.queue import Consumption, ItemRetry, Queue, QueueDefinition, QueueState, faults_of
from hub.errors import Conflict, NotFound
from hub.services import breakers
from hub.services.automations import invalid
from hub.services.effects import WakeQueue
from hub.storage import alerts
from hub.storage import queues as rows
from hub.storage.breakers import BreakerRow
from hub.storage.queues import DoorRow, QueueRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

PAUSED = "queue_paused"
"""Kind of the alert of a queue that paused itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A queue as adapters show it."""

    queue: Queue
    counts: Mapping[str, int]
    """Items by state."""
    breaker: BreakerRow | None = None
    """Of its target, while it holds the items back."""


def row_of(tx: Transaction, workspace_id: str, named: str) -> QueueRow:
    """The queue of that label or id. Raises NotFound."""
    find = rows.by_id if named.startswith("que_") else rows.by_label
    row = find(tx, workspace_id, named)
    if row is None:
        raise _no_queue(named)
    return row


def door_of(tx: Transaction, workspace_id: str, named: str) -> DoorRow:
    """What takers must know of the queue of that label or id. Raises NotFound."""
    row = rows.door(tx, workspace_id, named)
    if row is None:
        raise _no_queue(named)
    return row


def _no_queue(named: str) -> NotFound:
    told = f"There is no queue {named[:128]!r} here. `botyard queue list` shows all."
    return NotFound("no_queue", told, {"name": named[:128]})


def show(tx: Transaction, workspace_id: str, named: str) -> QueueView:
    """The queue of that label or id, and how many items it has. Raises NotFound."""
    return _shown(tx, workspace_id, [row_of(tx, workspace_id, named)])[0]


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[QueueView]:
    """Queues in order of label, those behind the label `after`."""
    return _shown(tx, workspace_id, rows.page(tx, workspace_id, after, limit))


def _shown(tx: Transaction, workspace_id: str, found: Sequence[QueueRow]) -> list[QueueView]:
    counts = rows.counts(tx, workspace_id, [row.id for row in found])
    held = breakers.holding(tx, workspace_id, [row.target for row in found])
    return [
        QueueView(queue=_queue(tx, row), counts=counts[row.id], breaker=held.get(row.target or "")) for row in found
    ]


def queue_of(tx: Transaction, workspace_id: str, named: str) -> Queue:
    """The queue of that label or id, without looking at its items. Raises NotFound."""
    return _queue(tx, row_of(tx, workspace_id, named))


def queues_behind(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[Queue]:
    """As `page`, without looking at their items."""
    return [_queue(tx, row) for row in rows.page(tx, workspace_id, after, limit)]


def create(tx: Transaction, caller: Caller, new: QueueDefinition) -> Done[QueueView]:
    """Define a queue. Raises Invalid with every fault, Conflict for a used label."""
    queue_id = tx.new_id("que")
    values = {**_values(tx, caller.workspace_id, queue_id, new), "label": new.label}
    if not rows.insert(tx, caller.workspace_id, queue_id, values):
        raise Conflict("label_used", f"There is a queue {new.label!r} already. Edit it, or take another label.")
    _record(tx, row_of(tx, caller.workspace_id, queue_id), caller.actor, "queue.created")
    return Done(show(tx, caller.workspace_id, queue_id))


def edit(tx: Transaction, caller: Caller, named: str, changes: Mapping[str, Any]) -> Done[QueueView]:
    """Change the named members of a definition, all or none; the label stays. Raises as `create` does.

    Items that are in it stay as they are, even if a new schema would refuse them.
    """
    row = _locked(tx, caller.workspace_id, named)
    known = _queue(tx, row).definition
    changed = dataclasses.replace(known, **changes)
    rows.change(tx, caller.workspace_id, row.id, _values(tx, caller.workspace_id, row.id, changed))
    if changed.consumption is not known.consumption:
        rows.turn(tx, caller.workspace_id, row.id)
    _record(tx, row, caller.actor, "queue.edited")
    return Done(show(tx, caller.workspace_id, row.id), [_wake(row)])


def pause(tx: Transaction, workspace_id: str, named: str, actor: str, why: str) -> Done[QueueView]:
    """Hand out no more items; those in work go on. Again is no error."""
    row = _locked(tx, workspace_id, named)
    if row.state == QueueState.ACTIVE:
        paused_why = f"{why} ({actor})" if why else f"paused by {actor}"
        rows.change(tx, workspace_id, row.id, {"state": QueueState.PAUSED, "paused_why": paused_why})
        _record(tx, row, actor, "queue.paused", why=paused_why)
    return Done(show(tx, workspace_id, row.id))


def resume(tx: Transaction, workspace_id: str, named: str, actor: str) -> Done[QueueView]:
    """Hand out items again; failures are counted anew. Again is no error."""
    row = _locked(tx, workspace_id, named)
    if row.state == QueueState.PAUSED:
        rows.change(tx, workspace_id, row.id, {"state": QueueState.ACTIVE, "paused_why": None, "failed_in_a_row": 0})
        alerts.resolve(tx, workspace_id, PAUSED, row.id)
        _record(tx, row, actor, "queue.resumed")
    return Done(show(tx, workspace_id, row.id), [_wake(row)])


def delete(tx: Transaction, caller: Caller, named: str) -> Done[str]:
    """Remove a queue without items. Raises Conflict while it has any, or another queue leads to it."""
    row = _locked(tx, caller.workspace_id, named)
    leading = [one for one, onward in rows.onward(tx, caller.workspace_id).items() if row.id in onward]
    if leading:
        names = ", ".join(sorted(rows.labels(tx, caller.workspace_id, set(leading)).values()))
        raise Conflict("queue_used", f"Items of {names} go on to {row.label!r}. Change that first.")
    if listening := rows.listening(tx, caller.workspace_id, row.id):
        raise Conflict("queue_used", f"Triggers make tasks for it: {', '.join(listening)}. Delete them first.")
    if not rows.delete(tx, caller.workspace_id, row.id):
        told = f"Queue {row.label!r} has items. Their history would be lost: move them, or let retention remove them."
        raise Conflict("queue_not_empty", told)
    _record(tx, row, caller.actor, "queue.deleted")
    return Done(row.id)


def locked(tx: Transaction, row: QueueRow | DoorRow) -> QueueRow:
    """The queue as it is now; nobody else changes it, or takes a limited place of it, before this transaction ends.

    Raises NotFound where it was deleted meanwhile.
    """
    now = rows.by_id(tx, row.workspace_id, row.id, lock=True)
    if now is None:
        raise _no_queue(row.label)
    return now


def note_failure(tx: Transaction, row: QueueRow, message: str | None) -> None:
    """An item failed: a queue that stops after so many in a row pauses itself, with an alert."""
    if row.stop_after is None:
        return
    rows.note_failure(tx, row.workspace_id, row.id)
    now = rows.by_id(tx, row.workspace_id, row.id, lock=True)
    if now is None or now.failed_in_a_row < row.stop_after or now.state != QueueState.ACTIVE:
        return
    why = f"{now.failed_in_a_row} items failed in a row, the last one: {(message or 'no message')[:500]}"
    _stopped(tx, row, why)


def stop(tx: Transaction, workspace_id: str, queue_id: str, why: str) -> None:
    """Hand out no more items because a policy says so, with an alert. Again is no error, and changes nothing."""
    row = rows.by_id(tx, workspace_id, queue_id, lock=True)
    if row is not None and row.state == QueueState.ACTIVE:
        _stopped(tx, row, why)


def _stopped(tx: Transaction, row: QueueRow, why: str) -> None:
    rows.change(tx, row.workspace_id, row.id, {"state": QueueState.PAUSED, "paused_why": why})
    told = f"Queue {row.label} paused itself: {why}. Mend the cause, then botyard queue resume {row.label}."
    alerts.raise_alert(tx, row.workspace_id, PAUSED, row.id, told)
    _record(tx, row, "hub", "queue.paused", why=why)


def note_success(tx: Transaction, row: QueueRow) -> None:
    """An item succeeded: the row of failures is broken."""
    if row.stop_after is not None:
        rows.note_success(tx, row.workspace_id, row.id)


def definition_of(row: QueueRow, labels: Mapping[str, str]) -> QueueDefinition:
    """What a developer said of a queue; `labels` names the queues that its items go on to, by id."""
    declared = row.fields
    return QueueDefinition(
        label=row.label,
        name=row.name,
        description=row.description,
        fields=tuple(Parameter(**{**one, "type": ParameterType(one["type"])}) for one in declared["fields"]),
        display=tuple(declared["display"]),
        unique=tuple(declared["unique"]),
        schema=row.schema,
        consumption=Consumption(row.consumption),
        concurrency=row.concurrency,
        retry=ItemRetry.read(row.retry),
        lease_s=row.lease_s,
        expected_s=row.expected_s,
        retention_days=row.retention_days,
        success_queue=labels.get(row.success_queue_id or ""),
        failure_queue=labels.get(row.failure_queue_id or ""),
        unique_references=row.unique_references,
        stop_after=row.stop_after,
        target=row.target,
    )


def _queue(tx: Transaction, row: QueueRow) -> Queue:
    onward = {one for one in (row.success_queue_id, row.failure_queue_id) if one is not None}
    return Queue(
        id=row.id,
        workspace_id=row.workspace_id,
        definition=definition_of(row, rows.labels(tx, row.workspace_id, onward)),
        state=QueueState(row.state),
        paused_why=row.paused_why,
        success_queue_id=row.success_queue_id,
        failure_queue_id=row.failure_queue_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _values(tx: Transaction, workspace_id: str, queue_id: str, new: QueueDefinition) -> dict[str, Any]:
    """The definition as columns. Raises Invalid with every fault."""
    faults = faults_of(new)
    onward: dict[str, str | None] = {}
    for name, label in (("success_queue", new.success_queue), ("failure_queue", new.failure_queue)):
        found = rows.by_label(tx, workspace_id, label) if label else None
        if label and found is None and label != new.label:
            faults.append(Fault(field=name, message=f"there is no queue {label[:128]!r}", remedy="make it first"))
        onward[name] = queue_id if label == new.label else (found.id if found else None)
    ways = rows.onward(tx, workspace_id) | {queue_id: (onward["success_queue"], onward["failure_queue"])}
    if _comes_back(ways, queue_id):
        message = "items would come back to this queue for ever"
        faults.append(Fault(field="success_queue, failure_queue", message=message, remedy="let the way end somewhere"))
    if faults:
        raise invalid("queue", "The queue can't be defined so.", faults)
    declared = [dataclasses.asdict(one) for one in new.fields]
    return {
        "name": new.name or new.label,
        "description": new.description,
        "fields": {"fields": declared, "display": list(new.display), "unique": list(new.unique)},
        "schema": None if new.schema is None else dict(new.schema),
        "consumption": new.consumption,
        "concurrency": new.concurrency,
        "retry": dataclasses.asdict(new.retry),
        "lease_s": new.lease_s,
        "expected_s": new.expected_s,
        "retention_days": new.retention_days,
        "success_queue_id": onward["success_queue"],
        "failure_queue_id": onward["failure_queue"],
        "unique_references": new.unique_references,
        "stop_after": new.stop_after,
        "target": new.target,
    }


def _comes_back(ways: Mapping[str, tuple[str | None, str | None]], start: str) -> bool:
    seen: set[str] = set()
    ahead = [one for one in ways[start] if one is not None]
    while ahead:
        here = ahead.pop()
        if here == start:
            return True
        if here not in seen:
            seen.add(here)
            ahead += [one for one in ways.get(here, ()) if one is not None]
    return False


def _locked(tx: Transaction, workspace_id: str, named: str) -> QueueRow:
    return locked(tx, row_of(tx, workspace_id, named))


def _wake(row: QueueRow) -> Effect:
    return WakeQueue(workspace_id=row.workspace_id, queue_id=row.id)


def _record(tx: Transaction, row: QueueRow, actor: str, kind: str, **data: str) -> None:
    data = {"label": row.label, **data}
    tx.record(NewEvent(workspace_id=row.workspace_id, kind=kind, subject=row.id, actor=actor, data=data))
