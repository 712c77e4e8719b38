"""Settling in the database: what `hub.domain.settle` decides, written once, in one transaction (core.md §4)."""

from typing import Any

from agent.wire.facts import ExitFact, FinalFact, ReportFact
from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.messages import Forget
from agent.wire.task import Launch, Totals
from agent.wire.words import (
    ExecutionState,
    OnDisconnect,
    Outcome,
    OutputState,
    Reason,
    ReportStatus,
    StopCause,
    TaskState,
)
from hub.domain.execution import ExecutionEvent
from hub.domain.execution import move as move_execution
from hub.domain.limits import read as read_limits
from hub.domain.output import StoredOutput, judge
from hub.domain.settle import Ending, Knowledge, Report, Settlement, StopMade, settle
from hub.domain.task import RetryPolicy, TaskEvent
from hub.domain.task import move as move_task
from hub.services import orders, rounds
from hub.services.effects import OutputEnded, SendToRunner, WakeDispatch
from hub.storage import executions, runners, tasks
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import Target, TaskRow
from hub.storage.transaction import Effect, NewEvent, Transaction


def conclude(
    tx: Transaction,
    execution: ExecutionRow,
    event: ExecutionEvent = ExecutionEvent.SETTLED,
    *,
    cause: str = "",
    task: TaskRow | None = None,
) -> list[Effect]:
    """Settle an execution that has ended, was lost, or is given up by force; and its task, or its next try.

    `task` is its task where the caller has it locked already.
    """
    task = task or tasks.get(tx, execution.workspace_id, execution.task_id, lock=True)
    assert task is not None
    target = tasks.target(tx, execution.workspace_id, task.id, execution.build_id)
    settled = settle(_knowledge(tx, execution, task, target, event))
    # Fence + 1 at loss and forced cancel: what still runs somewhere is stale from now on (core.md §1).
    more = 1 if event in {ExecutionEvent.LOST, ExecutionEvent.FORCED} else 0
    if execution.state != ExecutionState.VOID:
        _finish_execution(tx, execution, event, settled, cause)
    ended = OutputEnded(workspace_id=execution.workspace_id, execution_id=execution.id)
    if _tries_again(tx, execution, task, target, settled):
        return [ended, *_try_again(tx, execution, task, settled, more)]
    return [ended, *finish_task(tx, task, settled, TaskEvent.SETTLED, execution=execution, more=more)]


def refuse(tx: Transaction, task: TaskRow, reason: Reason, message: str) -> list[Effect]:
    """Settle a task that can never start."""
    return finish_task(tx, task, Settlement(outcome=Outcome.REFUSED, reason=reason, message=message), TaskEvent.REFUSED)


def finish_task(  # noqa: PLR0913 - what a settlement is written from
    tx: Transaction,
    task: TaskRow,
    settled: Settlement,
    event: TaskEvent,
    *,
    execution: ExecutionRow | None = None,
    more: int = 0,
    actor: str = "hub",
) -> list[Effect]:
    """Write a task's settlement, once; then the round that was asked for meanwhile (core.md §4)."""
    state = TaskState(task.state)
    values = {**settlement_values(settled), "ended_at": (execution and execution.ended_at) or tx.now}
    if not tasks.finish(tx, task, values, more=more):
        raise RuntimeError(f"task {task.id} changed under its own lock")
    tx.record(
        NewEvent(
            workspace_id=task.workspace_id,
            kind="task.settled",
            subject=task.id,
            actor=actor,
            old=state,
            new=move_task(task.id, state, event),
            task_id=task.id,
            execution_id=execution.id if execution else None,
            runner_id=execution.runner_id if execution else None,
            data={"outcome": settled.outcome, "reason": settled.reason, "number": task.number, "round": task.round},
        )
    )
    return rounds.insert_remembered(tx, task) if task.next_task_id else []


def settlement_values(settled: Settlement) -> dict[str, Any]:
    """A settlement as columns of a task."""
    totals = settled.totals
    return {
        "outcome": settled.outcome,
        "reason": settled.reason,
        "flags": list(settled.flags),
        "message": settled.message[:MESSAGE_TEXT_MAX] if settled.message else settled.message,
        "exit_code": settled.exit_code,
        "total": totals.total if totals else None,
        "processed": totals.processed if totals else None,
        "failed": totals.failed if totals else None,
    }


def output_values(final: FinalFact | None, stored: StoredOutput | None) -> dict[str, Any]:
    """What is known of an output as columns of an execution."""
    if stored is None:
        return {"output_state": OutputState.ARRIVING}
    gaps = [*stored.gaps, *(final.gaps if final else ())]
    return {
        "output_state": judge(final, stored),
        "output_bytes": stored.bytes,
        "output_lines": stored.lines,
        "output_sha256": stored.sha256,
        "gaps": [gap.model_dump(mode="json") for gap in dict.fromkeys(gaps)],
    }


def forget_effects(tx: Transaction, execution: ExecutionRow) -> list[Effect]:
    """Tell the runner, if it is here, that the hub has all of an execution."""
    runner = runners.get(tx, execution.workspace_id, execution.runner_id)
    if runner is None or runner.session_epoch is None:
        return []
    message = Forget(execution_id=execution.id, fence=execution.fence)
    return [SendToRunner(runner_id=runner.id, epoch=runner.session_epoch, message=message)]


def _knowledge(
    tx: Transaction, execution: ExecutionRow, task: TaskRow, target: Target, event: ExecutionEvent
) -> Knowledge:
    launch = Launch.model_validate(target.launch)
    limits = read_limits(execution.limits)
    return Knowledge(
        kind=launch.kind,
        report_policy=orders.report_policy(target.report, launch),
        reports=tuple(_reports(tx, execution)),
        stop=_stop(execution, task),
        ending=_ending(tx, execution),
        run_limit_s=limits.run_limit_s,
        no_progress_s=limits.no_progress_s,
        is_void=event in {ExecutionEvent.VOID, ExecutionEvent.ABSENT},
        is_lost=event is ExecutionEvent.LOST,
        cancel_asked=task.cancel_requested_at is not None or task.kill_requested_at is not None,
        forced_cancel=event is ExecutionEvent.FORCED,
    )


def _reports(tx: Transaction, execution: ExecutionRow) -> list[Report]:
    """The bot's reports in order; a person's, kept with the execution, stands where it came."""
    if execution.report is None:
        return []
    reports = []
    for seq, body in executions.bodies(tx, execution.workspace_id, execution.id, "report"):
        fact = ReportFact.model_validate(body)
        if not fact.late:
            reports.append(Report(seq=seq, status=fact.status, message=fact.message, totals=fact.totals))
    by = execution.report.get("by")
    if by is not None:
        totals = execution.report.get("totals")
        person = Report(
            seq=execution.report_seq or 0,
            status=ReportStatus(execution.report["status"]),
            message=execution.report.get("message"),
            totals=None if totals is None else Totals.model_validate(totals),
            by=by,
        )
        reports = sorted([*reports, person], key=lambda report: (report.seq, report.by is not None))
    return reports


def _stop(execution: ExecutionRow, task: TaskRow) -> StopMade | None:
    if execution.stop_cause is None or execution.stop_seq is None:
        return None
    cause = StopCause(execution.stop_cause)
    by = task.kill_requested_by if cause is StopCause.KILL else task.cancel_requested_by
    return StopMade(seq=execution.stop_seq, cause=cause, by=by or "")


def _ending(tx: Transaction, execution: ExecutionRow) -> Ending | None:
    if execution.exit_reason is None:
        return None
    body = executions.last_body(tx, execution.workspace_id, execution.id, "exit")
    if body is None:
        return None
    fact = ExitFact.model_validate(body)
    return Ending(
        how=fact.how,
        code=fact.code,
        signal=fact.signal,
        error=fact.error,
        last_errors=fact.last_errors,
        signaled_by_stop=fact.signaled_by_stop,
        peak_memory_bytes=fact.peak_memory_bytes,
    )


def _finish_execution(
    tx: Transaction, execution: ExecutionRow, event: ExecutionEvent, settled: Settlement, cause: str
) -> None:
    old = ExecutionState(execution.state)
    new = move_execution(execution.id, old, event)
    values = {"state": new, "settled_at": tx.now}
    if new is ExecutionState.FINISHED:
        values |= {"outcome": settled.outcome, "reason": settled.reason}
    if not executions.change(tx, execution, values):
        raise RuntimeError(f"execution {execution.id} changed under its own lock")
    tx.record(
        NewEvent(
            workspace_id=execution.workspace_id,
            kind="execution.settled",
            subject=execution.id,
            actor="hub",
            old=old,
            new=new,
            cause=cause or event,
            task_id=execution.task_id,
            execution_id=execution.id,
            runner_id=execution.runner_id,
            data={"outcome": settled.outcome, "reason": settled.reason, "fence": execution.fence},
        )
    )


def _tries_again(tx: Transaction, execution: ExecutionRow, task: TaskRow, target: Target, settled: Settlement) -> bool:
    """Whether the automation's policy wants another execution; a restart, cancel or kill takes its place."""
    policy = RetryPolicy.read(target.retry)
    if policy.attempts <= 1 or task.next_task_id or task.cancel_requested_at or task.kill_requested_at:
        return False
    if settled.outcome is Outcome.LOST and execution.on_disconnect != OnDisconnect.STOP:
        return False  # a `keep` bot may still be running (D9)
    return policy.tries_again(settled.outcome, executions.made(tx, task.workspace_id, task.id))


def _try_again(tx: Transaction, execution: ExecutionRow, task: TaskRow, settled: Settlement, more: int) -> list[Effect]:
    if not tasks.requeue(tx, task.workspace_id, task.id, task.fence, more):
        raise RuntimeError(f"task {task.id} changed under its own lock")
    tx.record(
        NewEvent(
            workspace_id=task.workspace_id,
            kind="task.retried",
            subject=task.id,
            actor="hub",
            old=TaskState.RUNNING,
            new=move_task(task.id, TaskState.RUNNING, TaskEvent.RETRIED),
            cause=execution.id,
            task_id=task.id,
            data={"outcome": settled.outcome, "reason": settled.reason},
        )
    )
    return [WakeDispatch(workspace_id=task.workspace_id)]
