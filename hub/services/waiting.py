"""Why a task waits: what the database and the credit book know, put to `hub.domain.waiting`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.wire.words import ExecutionState, TaskState
from hub.domain.credits import Offer
from hub.domain.task import TaskView
from hub.domain.waiting import FitCandidate, Waiting, WaitingReason
from hub.domain.waiting import why as decide
from hub.services import tasks
from hub.storage import execution_pages, executions, preparations, queue_pages, runner_pages, runners
from hub.storage import tasks as task_rows
from hub.storage.runner_pages import BusySlot
from hub.storage.runners import RunnerRow
from hub.storage.transaction import Transaction


def why(tx: Transaction, workspace_id: str, task_id: str, offers: Mapping[str, Offer]) -> tuple[WaitingReason, ...]:
    """Every reason why the task does not run; `offers` is ``book.offers(workspace_id)``. Raises NotFound."""
    task = tasks.show(tx, workspace_id, task_id)
    needs, build_id = task_rows.placement_of(tx, workspace_id, task_id)
    is_queued = task.state is TaskState.QUEUED
    permit_runner, age_s, gone_s = _permit(tx, task)
    waiting = Waiting(
        state=task.state,
        now=tx.now,
        not_before=task.not_before,
        held=task.held,
        bot=task.bot,
        build_id=build_id,
        needs=needs,
        runners=_candidates(tx, workspace_id, build_id) if is_queued else (),
        offers=offers,
        automation=task.automation,
        created_at=task.created_at,
        queued_at=_queued_at(tx, task),
        ahead=queue_pages.ahead_of(tx, workspace_id, task_id) if is_queued else 0,
        permit_runner=permit_runner,
        permit_age_s=age_s,
        unreachable_s=gone_s,
    )
    return decide(waiting)


def _candidates(tx: Transaction, workspace_id: str, build_id: str | None) -> list[FitCandidate]:
    told = {row.runner_id: row for row in preparations.of_build(tx, workspace_id, build_id)} if build_id else {}
    rows = runners.enrolled(tx, workspace_id)
    busy: dict[str, list[BusySlot]] = {}
    for one in runner_pages.busy(tx, workspace_id, [row.id for row in rows]):
        busy.setdefault(one.runner_id, []).append(one)
    return [_candidate(row, told.get(row.id), busy.get(row.id, ())) for row in rows]


def _candidate(row: RunnerRow, told: preparations.PreparationRow | None, busy: Sequence[BusySlot]) -> FitCandidate:
    return FitCandidate(
        id=row.id,
        name=row.name,
        labels=row.labels,
        slots=row.slots,
        is_connected=row.session_epoch is not None and row.quarantined_at is None,
        is_draining=row.draining,
        preparation=told.state if told else None,
        progress=told.progress if told else 0.0,
        message=told.message if told else "",
        permanent=told.permanent if told else False,
        told_at=told.updated_at if told else None,
        gone_since=row.unreachable_since or row.last_seen_at if row.session_epoch is None else None,
        busy_with=[f"{one.number}.{one.round}" if one.round > 1 else str(one.number) for one in busy],
        busy_since=max((one.since for one in busy), default=None),
    )


def _queued_at(tx: Transaction, task: TaskView) -> datetime:
    """Since when it could have run: made, due, or put back when its last attempt was over."""
    moments = [task.created_at, task.not_before]
    moments += [one.settled_at for one in execution_pages.of_task(tx, task.workspace_id, task.id)]
    return max(one for one in moments if one is not None)


def _permit(tx: Transaction, task: TaskView) -> tuple[str | None, float, float | None]:
    """(runner's name, age of the permit, seconds since its link is gone) of an order that was not answered yet."""
    execution = executions.live_of_task(tx, task.workspace_id, task.id)
    if execution is None or execution.state == ExecutionState.ENDING:
        return None, 0.0, None
    runner = runners.get(tx, task.workspace_id, execution.runner_id)
    gone = runner.unreachable_since if runner and runner.session_epoch is None else None
    gone_s = (tx.now - gone).total_seconds() if gone else None
    is_answered = execution.state != ExecutionState.GRANTED
    if runner is None or (is_answered and gone_s is None):
        return None, 0.0, None
    return runner.name, (tx.now - execution.granted_at).total_seconds(), gone_s
