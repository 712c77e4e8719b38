"""How an attempt of an item ends in the database: by its holder, with its execution, or with its lease.

One transaction writes the attempt, what becomes of the item, the copy that goes on to the next queue, and the event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.wire.words import Outcome, Reason
from hub.domain import payload as payloads
from hub.domain.item import (
    SETTLED,
    UNSUCCESSFUL,
    AttemptOutcome,
    Counters,
    Ending,
    ErrorClass,
    ItemState,
    Next,
    after,
    key_of,
    rank_of,
)
from hub.domain.jitter import share
from hub.domain.parameters import Fault
from hub.domain.queue import ItemRetry
from hub.services import breakers, queues
from hub.services.effects import WakeItems, WakeQueue
from hub.storage import batches, executions, item_files
from hub.storage import item_ends as end_rows
from hub.storage import items as rows
from hub.storage import queues as queue_rows
from hub.storage.item_ends import Told
from hub.storage.items import ItemRow
from hub.storage.queues import DoorRow, QueueRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_MACHINES = frozenset(
    {
        Reason.HOST_RESTARTED,
        Reason.LINK_LOST,
        Reason.SUPERVISOR_LOST,
        Reason.ENVIRONMENT,
        Reason.BUILD_GONE,
        Reason.UNCONFIRMED,
        Reason.EXIT_UNSEEN,
    }
)
_PEOPLES = frozenset({Outcome.CANCELED, Outcome.LOST, Outcome.REFUSED})
_SLICE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """One end, seen whole."""

    item: ItemRow
    queue: QueueRow
    ending: Ending
    following: Next
    actor: str
    result: Any


def end(tx: Transaction, item: ItemRow, ending: Ending, actor: str, result: Any = None) -> list[Effect]:
    """End the attempt that `item`, locked, shows; the effects wake whoever waits for its queue."""
    queue = queue_rows.by_id(tx, item.workspace_id, item.queue_id)
    assert queue is not None
    had = Counters(tries=item.tries, crashes=item.crashes)
    heard: list[Effect] = []
    if queue.target is not None:
        is_unspent, heard = breakers.heard(tx, item, queue.target, ending)
        ending = replace(ending, is_applications_fault=is_unspent)
    following = after(ending, had, ItemRetry.read(queue.retry), tx.now, share(tx.new_id("jit")))
    values = {
        "state": following.state,
        "tries": following.tries,
        "crashes": following.crashes,
        "not_before": following.not_before,
        "avoid_runner_id": item.runner_id if following.is_elsewhere else None,
        "error_class": ending.error_class,
        "message": ending.message,
        "finished_at": tx.now if following.state in SETTLED else None,
    }
    if ending.outcome is AttemptOutcome.DONE:
        values["result"] = result
    if not rows.end(tx, item, values):
        raise RuntimeError(f"item {item.id} changed under its own lock")
    end_rows.add_attempts(tx, [_attempt(tx, item, ending, is_counted=following.is_counted)])
    ended = _End(item=item, queue=queue, ending=ending, following=following, actor=actor, result=result)
    _record(tx, ended)
    _note(tx, queue, ending, following)
    effects: list[Effect] = [*heard, WakeQueue(workspace_id=item.workspace_id, queue_id=queue.id)]
    if following.not_before is not None:
        effects.append(WakeItems())
    return effects + _pass_on(tx, ended)


def is_plain(queue: DoorRow) -> bool:
    """Whether nothing but the item itself hears of a success in this queue."""
    return queue.success_queue_id is None and queue.target is None and queue.stop_after is None


def end_done(tx: Transaction, queue: DoorRow, ended: Sequence[Told], actor: str) -> list[Effect]:
    """End attempts of a plain queue as done, locked by this transaction: as `end` does, in a few statements for all."""
    end_rows.end_done(tx, ended)
    return _done(tx, queue, ended, actor, {"items": {one.item.id: one.item.attempts for one in ended}})


def end_one(tx: Transaction, queue: DoorRow, told: Told, actor: str) -> tuple[ItemRow, list[Effect]]:
    """The same of a single one; the item as it is then."""
    item = end_rows.end_one(tx, told)
    return item, _done(tx, queue, [told], actor, {"attempt": item.attempts, "reference": item.reference})


def _done(tx: Transaction, queue: DoorRow, ended: Sequence[Told], actor: str, data: Mapping[str, Any]) -> list[Effect]:
    first = ended[0].item
    tx.record(
        NewEvent(
            workspace_id=queue.workspace_id,
            kind="item.done",
            subject=first.id if len(ended) == 1 else queue.id,
            actor=actor,
            old=ItemState.PROCESSING,
            new=ItemState.DONE,
            task_id=first.task_id,
            execution_id=first.execution_id,
            runner_id=first.runner_id,
            data={"queue": queue.label, "outcome": AttemptOutcome.DONE, **data},
        )
    )
    return [WakeQueue(workspace_id=queue.workspace_id, queue_id=queue.id)]


def of_execution(
    tx: Transaction, workspace_id: str, execution_id: str, outcome: Outcome | None, reason: Reason | None
) -> list[Effect]:
    """Give back what an execution holds when it is over: nothing waits for a lease whose holder is known to be gone."""
    effects: list[Effect] = []
    for item in rows.of_execution(tx, workspace_id, execution_id):
        is_machines = outcome is None or outcome in _PEOPLES or reason in _MACHINES
        words = f"{outcome}: {reason}" if reason else str(outcome or "never started")
        ending = Ending(
            outcome=AttemptOutcome.RETURNED if is_machines else AttemptOutcome.CRASHED,
            error_class=ErrorClass.SYSTEM,
            message=f"its execution ended without a word of it ({words})",
            is_machines_fault=is_machines,
        )
        effects += end(tx, item, ending, "hub")
    return effects


def of_stray(tx: Transaction, workspace_id: str, execution_id: str) -> Done[int]:
    """Give back, unspent, what an execution that is over still has: its settlement did not see it; how many."""
    execution = executions.get(tx, workspace_id, execution_id, lock=True)
    if execution is not None and execution.state in executions.LIVE:
        return Done(0)
    told = "it was handed out while its execution ended"
    ending = Ending(outcome=AttemptOutcome.RETURNED, message=told, is_machines_fault=True)
    left = rows.of_execution(tx, workspace_id, execution_id)
    return Done(len(left), [effect for item in left for effect in end(tx, item, ending, "hub")])


def expire(tx: Transaction, limit: int = _SLICE) -> Done[int]:
    """End attempts whose lease has run out, of all workspaces, a slice at a time; how many there were."""
    overdue = rows.overdue(tx, limit)
    effects: list[Effect] = []
    for item in overdue:
        ending = Ending(outcome=AttemptOutcome.TIMED_OUT, message="its lease ran out and nobody renewed it")
        effects += end(tx, item, ending, "hub")
    return Done(len(overdue), effects)


def _attempt(tx: Transaction, item: ItemRow, ending: Ending, *, is_counted: bool) -> dict[str, Any]:
    return {
        "workspace_id": item.workspace_id,
        "item_id": item.id,
        "number": item.attempts,
        "fence": item.fence,
        "holder": item.holder or "",
        "execution_id": item.execution_id,
        "task_id": item.task_id,
        "runner_id": item.runner_id,
        "taken_at": item.taken_at,
        "ended_at": tx.now,
        "outcome": ending.outcome,
        "error_class": ending.error_class,
        "message": ending.message,
        "is_counted": is_counted,
        "progress": item.progress,
    }


def _note(tx: Transaction, queue: QueueRow, ending: Ending, following: Next) -> None:
    if following.state is ItemState.DONE:
        queues.note_success(tx, queue)
    elif following.is_counted and following.state is not ItemState.IN_REVIEW:
        queues.note_failure(tx, queue, ending.message)


def _pass_on(tx: Transaction, ended: _End) -> list[Effect]:
    """Put a copy of a finished item into the queue that comes next; one that does not fit there is for a person."""
    item, queue, following = ended.item, ended.queue, ended.following
    is_done = following.state is ItemState.DONE
    next_id = queue.success_queue_id if is_done else queue.failure_queue_id
    if next_id is None or not (is_done or following.state in UNSUCCESSFUL):
        return []
    target = queue_rows.by_id(tx, item.workspace_id, next_id)
    assert target is not None
    copy, told = _copy(tx, ended, target)
    if not told and batches.add_items(tx, [copy]) == 0:
        others = batches.taken_keys(tx, item.workspace_id, target.id, [copy["unique_key"]])
        told = f"{next(iter(others.values()), 'another item')} is there with the same reference or unique fields"
    if told:
        # Nobody takes it so, and nothing of it is lost: a person changes it, or cancels one of the two.
        copy |= {"state": ItemState.IN_REVIEW, "unique_key": None, "message": f"it does not fit the queue: {told}"}
        batches.add_items(tx, [copy])
    item_files.copy(tx, item.workspace_id, item.id, copy["id"])
    data = {"queue": target.label, "source": item.id, "reference": item.reference, "misfit": told or None}
    tx.record(
        NewEvent(
            workspace_id=item.workspace_id,
            kind="item.added",
            subject=copy["id"],
            actor="hub",
            new=copy["state"],
            data=data,
        )
    )
    return [WakeQueue(workspace_id=item.workspace_id, queue_id=target.id)]


def _copy(tx: Transaction, ended: _End, target: QueueRow) -> tuple[dict[str, Any], str]:
    """The item as it is to stand in the next queue, and why that does not take it."""
    item, result = ended.item, ended.result
    is_done = ended.following.state is ItemState.DONE
    carried = {**item.payload, **result} if is_done and isinstance(result, dict) else item.payload
    definition = queues.definition_of(target, {})
    payload, faults = payloads.check(definition.fields, definition.schema, carried)
    if definition.unique_references and not item.reference:
        faults.append(Fault(field="reference", message="missing", remedy="this queue wants a unique one"))
    return {
        "workspace_id": item.workspace_id,
        "id": tx.new_id("itm"),
        "queue_id": target.id,
        "state": ItemState.PENDING,
        "payload": payload,
        "priority": item.priority,
        "rank": rank_of(definition.consumption, int(tx.now.timestamp() * 1_000_000)),
        "reference": item.reference,
        "unique_key": key_of(definition, payload, item.reference),
        "deadline": item.deadline,
        "tags": item.tags,
        "source_id": item.id,
        "message": None if is_done else ended.ending.message,
        "created_by": f"queue:{ended.queue.label}",
        "created_at": tx.now,
        "updated_at": tx.now,
    }, "; ".join(f"{one.field}: {one.message}" for one in faults[:5])


def _record(tx: Transaction, ended: _End) -> None:
    item, ending, following = ended.item, ended.ending, ended.following
    tx.record(
        NewEvent(
            workspace_id=item.workspace_id,
            kind=f"item.{following.state}",
            subject=item.id,
            actor=ended.actor,
            old=ItemState.PROCESSING,
            new=following.state,
            task_id=item.task_id,
            execution_id=item.execution_id,
            runner_id=item.runner_id,
            data={
                "queue": ended.queue.label,
                "attempt": item.attempts,
                "outcome": ending.outcome,
                "error_class": ending.error_class,
                "reference": item.reference,
                "crash_loop": following.state is ItemState.DEAD,
            },
        )
    )
