"""After a failure: tried again by cause, later, elsewhere; or a person, or a stop (`hub.domain.retry` decides; R60).

Called by settling, in its transaction and under the task's lock. What does not fail costs nothing here.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from agent.wire.words import Outcome, TaskState
from hub.domain.jitter import share
from hub.domain.retry import BUDGET_FLOOR, BUDGET_SPAN, RetryPolicy, Route, Tried, Verdict, budget, cause_of, decide
from hub.domain.settle import Settlement
from hub.domain.task import TaskEvent, move
from hub.services import queues
from hub.services.automations import PAUSED
from hub.services.effects import WakeDispatch, WakeDue
from hub.storage import alerts, automations, executions, queue_watch, retries, tasks
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import Target, TaskRow
from hub.storage.transaction import Effect, NewEvent, Transaction

NEEDS_PERSON = "task_needs_person"

_SETTLES = Verdict(route=Route.SKIP)
_GOOD = frozenset({Outcome.SUCCEEDED, Outcome.PARTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task's execution ended, or that it can have none."""

    task: TaskRow
    target: Target
    settled: Settlement
    execution: ExecutionRow | None = None


def verdict(tx: Transaction, ended: Ended, *, may_try: bool) -> Verdict:
    """What follows an end. `may_try` is False where the bot may still run (D9) or nothing was granted.

    A restart, cancel or kill that was asked for takes the place of any policy.
    """
    task, settled = ended.task, ended.settled
    policy = RetryPolicy.read(ended.target.retry)
    is_decided = task.next_task_id or task.cancel_requested_at or task.kill_requested_at
    if is_decided or cause_of(settled.outcome, settled.reason) is None or (policy.attempts <= 1 and not policy.causes):
        return _SETTLES
    tried = Tried(
        outcome=settled.outcome,
        reason=settled.reason,
        made=executions.made(tx, task.workspace_id, task.id),
        tries=task.tries or {},
        may_try=may_try,
        has_budget=True,
        spread=share(ended.execution.id) if ended.execution else 0.0,
    )
    found = decide(policy, tried)
    if found.is_again and not _has_budget(tx, task):
        return decide(policy, replace(tried, has_budget=False))
    return found


def try_again(tx: Transaction, ended: Ended, found: Verdict, more: int) -> list[Effect]:
    """Put the task back: to its queue, or to wait until its pause is over. `more` raises the fence at once (loss)."""
    task, execution = ended.task, ended.execution
    assert execution is not None
    due = None if found.delay_s is None else tx.now + timedelta(seconds=found.delay_s)
    event = TaskEvent.RETRIED if due is None else TaskEvent.RETRIED_LATER
    new = move(task.id, TaskState.RUNNING, event)
    values: dict[str, Any] = {"state": new}
    if due is not None:
        values["not_before"] = due
    if found.is_ruled:
        values["tries"] = {**(task.tries or {}), str(found.cause): found.nth}
        values["avoid_runner_id"] = execution.runner_id if found.route is Route.OTHER_RUNNER else ""
    if not tasks.try_again(tx, task, values, more=more):
        raise RuntimeError(f"task {task.id} changed under its own lock")
    retries.note(tx, task, BUDGET_SPAN)
    _record(tx, ended, "task.retried", _told(found, ended.settled, due), new=new)
    return [WakeDispatch(workspace_id=task.workspace_id)] if due is None else [WakeDue(at=due)]


def routed(tx: Transaction, ended: Ended, found: Verdict) -> None:
    """What a settled task's route asks for beside the settlement: a person, a stop; and errors in a row."""
    task, settled = ended.task, ended.settled
    data = _told(found, settled, None)
    if found.is_over_budget:
        _record(tx, ended, "task.retry_refused", data)
    if found.is_ruled and found.route is Route.SKIP:
        _record(tx, ended, "task.skipped", data)
    if found.route is Route.PERSON:
        _record(tx, ended, "task.needs_person", data)
        automation = ended.target.automation
        why = f"Task {task.number} of {automation} {_ended(settled)}: look, then restart it or let it be."
        alerts.raise_alert(tx, task.workspace_id, NEEDS_PERSON, task.id, why)
    if found.route is Route.STOP:
        why = f"task {task.number} {_ended(settled)}, and its policy says stop"
        _stop(tx, ended, why)
        _record(tx, ended, "task.stopped_work", data)
        for queue_id in queue_watch.queues_of_automation(tx, task.workspace_id, task.automation_id):
            queues.stop(tx, task.workspace_id, queue_id, f"{ended.target.automation}: {why}")
    _count(tx, ended)


def _count(tx: Transaction, ended: Ended) -> None:
    """Errors in a row: a success ends the row, the last one that is allowed stops the automation."""
    task, settled = ended.task, ended.settled
    if settled.outcome in _GOOD and ended.target.failed_in_a_row:
        automations.succeeded(tx, task.workspace_id, task.automation_id)
    stop_after = (ended.target.retry or {}).get("stop_after")
    if stop_after is None or cause_of(settled.outcome, settled.reason) is None:
        return
    in_a_row = automations.failed(tx, task.workspace_id, task.automation_id)
    if in_a_row >= stop_after:
        _stop(tx, ended, f"{in_a_row} tasks in a row failed, the last one {task.number}: {_ended(settled)}")


def _stop(tx: Transaction, ended: Ended, why: str) -> None:
    task, label = ended.task, ended.target.automation
    known = automations.by_id(tx, task.workspace_id, task.automation_id)
    if known is None or not automations.stop(tx, task.workspace_id, task.automation_id, why):
        return
    tx.record(
        NewEvent(
            workspace_id=task.workspace_id,
            kind="automation.paused",
            subject=task.automation_id,
            actor="hub",
            old=known.state,
            new="paused",
            cause=task.id,
            task_id=task.id,
            data={"label": label, "why": why},
        )
    )
    remedy = f"Mend the cause, then botyard automation edit {label} --unpause."
    alerts.raise_alert(tx, task.workspace_id, PAUSED, task.automation_id, f"{label}: {why}. {remedy}")


def _has_budget(tx: Transaction, task: TaskRow) -> bool:
    """R60. The cheap count comes first: few automations ever try again so often."""
    since = tx.now - BUDGET_SPAN
    if retries.made(tx, task.workspace_id, task.automation_id, since) < BUDGET_FLOOR:
        return True
    spent = retries.spent(tx, task.workspace_id, task.automation_id, since)
    return spent.retries < budget(spent.starts)


def _ended(settled: Settlement) -> str:
    return f"{settled.outcome}: {settled.reason}" if settled.reason else str(settled.outcome)


def _told(found: Verdict, settled: Settlement, due: datetime | None) -> dict[str, Any]:
    """A route as its event tells it."""
    told: dict[str, Any] = {"outcome": settled.outcome, "reason": settled.reason, "cause": found.cause}
    told |= {"route": found.route, "nth": found.nth, "limit": found.limit}
    return told if due is None else {**told, "not_before": due.isoformat()}


def _record(tx: Transaction, ended: Ended, kind: str, data: dict[str, Any], new: str | None = None) -> None:
    task = ended.task
    tx.record(
        NewEvent(
            workspace_id=task.workspace_id,
            kind=kind,
            subject=task.id,
            actor="hub",
            old=TaskState.RUNNING if new else None,
            new=new,
            cause=ended.execution.id if ended.execution else None,
            task_id=task.id,
            runner_id=ended.execution.runner_id if ended.execution else None,
            data=data,
        )
    )
