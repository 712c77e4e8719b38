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
from hub.domain.output import StoredOutput, judge, lost
from hub.domain.settle import Ending, Knowledge, Report, Settlement, StopMade, settle
from hub.domain.task import TaskEvent
from hub.domain.task import move as move_task
from hub.services import dependents, holds, item_ends, orders, quarantine, retrying, rounds
from hub.services.effects import BotSucceeded, OutputEnded, SendToRunner, WakeTrigger
from hub.storage import executions, preparations, prerequisites, runners, tasks
from hub.storage.executions import ExecutionRow
from hub.storage.prerequisites import Ended
from hub.storage.tasks import Target, TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_SURVIVOR_MAX = 200
"""Characters of one that could not be killed."""


def conclude(  # noqa: PLR0913 - what is known of an end
    tx: Transaction,
    execution: ExecutionRow,
    event: ExecutionEvent = ExecutionEvent.SETTLED,
    *,
    cause: str = "",
    task: TaskRow | None = None,
    is_over: bool = False,
) -> list[Effect]:
    """Settle an execution that has ended, was lost, or is given up by force; and its task, or its next try.

    `task` is its task where the caller has it locked already. `is_over` says of a lost one that its dead-man's switch
    has ended it by now: only then may it be tried again (D9).
    """
    task = task or tasks.get(tx, execution.workspace_id, execution.task_id, lock=True)
    assert task is not None
    target = tasks.target(tx, execution.workspace_id, task.id, execution.build_id)
    settled = settle(_knowledge(tx, execution, task, target, event))
    # Fence + 1 at loss and forced cancel: what still runs somewhere is stale from now on (core.md §1).
    more = 1 if event in {ExecutionEvent.LOST, ExecutionEvent.FORCED} else 0
    if execution.state != ExecutionState.VOID:
        _finish_execution(tx, execution, event, settled, cause)
    ended: list[Effect] = [OutputEnded(workspace_id=execution.workspace_id, execution_id=execution.id)]
    ended += item_ends.of_execution(tx, execution.workspace_id, execution.id, settled.outcome, settled.reason)
    # A `keep` bot may still be running (D9).
    is_kept = execution.on_disconnect != OnDisconnect.STOP
    is_unsure = event is ExecutionEvent.LOST and (is_kept or not is_over)
    may_run_on = is_unsure or (settled.outcome is Outcome.LOST and is_kept)
    tried = retrying.Ended(task=task, target=target, settled=settled, execution=execution)
    found = retrying.verdict(tx, tried, may_try=not may_run_on)
    noted = quarantine.note(tx, task, target, execution, (settled.outcome, settled.reason))
    if found.is_again:
        return [*ended, *noted, *holds.release(tx, task), *retrying.try_again(tx, tried, found, more)]
    effects = finish_task(tx, task, settled, TaskEvent.SETTLED, execution=execution, more=more)
    retrying.routed(tx, tried, found)
    return [*ended, *noted, *effects, *_proven(tx, execution, task, settled)]


def _proven(tx: Transaction, execution: ExecutionRow, task: TaskRow, settled: Settlement) -> list[Effect]:
    """The first success of a build on a runner makes placement prefer that runner for its bot."""
    is_good = settled.outcome in {Outcome.SUCCEEDED, Outcome.PARTIAL}
    if not is_good or not preparations.succeeded(tx, task.workspace_id, execution.runner_id, execution.build_id):
        return []
    return [BotSucceeded(runner_id=execution.runner_id, bot_id=task.bot_id)]


def refuse(tx: Transaction, task: TaskRow, reason: Reason, message: str) -> list[Effect]:
    """Settle a task that can never start."""
    settled = Settlement(outcome=Outcome.REFUSED, reason=reason, message=message)
    tried = retrying.Ended(task=task, target=tasks.target(tx, task.workspace_id, task.id), settled=settled)
    effects = finish_task(tx, task, settled, TaskEvent.REFUSED)
    retrying.routed(tx, tried, retrying.verdict(tx, tried, may_try=False))
    return effects


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
    """Write a task's settlement, once; then the round that was asked for meanwhile (core.md §4); tell who waits."""
    effects = _write(tx, task, settled, event, execution=execution, more=more, actor=actor)
    if not task.awaited:
        return effects
    ended = Ended(workspace_id=task.workspace_id, id=task.id, number=task.number, outcome=settled.outcome)
    return [*effects, *dependents.follow(tx, ended, _cancel)]


def tell_late(tx: Transaction) -> Done[bool]:
    """Tell those who wait for a finished task and were not told with its end, a slice; True when there may be more."""
    ended = prerequisites.untold(tx)
    return Done(result=False) if ended is None else Done(True, dependents.follow(tx, ended, _cancel))


def look_again(tx: Transaction, workspace_id: str, task_id: str) -> list[Effect]:
    """Decide a waiting task by what it was told of its prerequisites: while it was held it was not canceled."""
    canceled, effects = dependents.look_again(tx, workspace_id, task_id, _cancel)
    return effects if canceled is None else [*effects, *dependents.follow(tx, canceled, _cancel)]


def _cancel(tx: Transaction, task: TaskRow, settled: Settlement) -> list[Effect]:
    return _write(tx, task, settled, TaskEvent.CANCELED)


def _write(  # noqa: PLR0913 - what a settlement is written from
    tx: Transaction,
    task: TaskRow,
    settled: Settlement,
    event: TaskEvent,
    *,
    execution: ExecutionRow | None = None,
    more: int = 0,
    actor: str = "hub",
) -> list[Effect]:
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
    freed: list[Effect] = [*holds.release(tx, task)]
    if task.trigger_id is not None:
        freed.append(WakeTrigger(workspace_id=task.workspace_id, trigger_id=task.trigger_id))
    return [*freed, *rounds.insert_remembered(tx, task)] if task.next_task_id else freed


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
    return {
        "output_state": judge(final, stored),
        "output_bytes": stored.bytes,
        "output_lines": stored.lines,
        "output_sha256": stored.sha256,
        "gaps": [gap.model_dump(mode="json") for gap in lost(final, stored)],
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
        survivors=tuple(f"{one.pid} {one.command}"[:_SURVIVOR_MAX] for one in fact.survivors),
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
