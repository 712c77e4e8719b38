"""Why a task waits: what the database and the credit book know, put to `hub.domain.waiting`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from agent.wire.words import ExecutionState, Outcome, Reason, TaskState
from hub.domain.condition import could_fit_as_stored, read, reserved
from hub.domain.credits import Offer
from hub.domain.demand import Shortage, exceeded, wants
from hub.domain.demand import read as read_sharing
from hub.domain.retry import RetryPolicy, cause_of, keeps_away
from hub.domain.task import TaskView
from hub.domain.waiting import FitCandidate, Limited, Stopped, TriedBefore, Waiting, WaitingReason
from hub.domain.waiting import why as decide
from hub.domain.window import Window, free_at, open_at
from hub.services import dispatch, held, tasks
from hub.services.holds import Stocks
from hub.storage import automations as automation_rows
from hub.storage import execution_pages, executions, fleet, queue_pages, runners, windows
from hub.storage import holds as hold_rows
from hub.storage import tasks as task_rows
from hub.storage.automations import AutomationRow
from hub.storage.execution_pages import ExecutionView
from hub.storage.fleet import Holding, Member
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Transaction

_NAMED = 20
"""Holders of a limit that are looked at; a message names the first few."""


def why(tx: Transaction, workspace_id: str, task_id: str, offers: Mapping[str, Offer]) -> tuple[WaitingReason, ...]:
    """Every reason why the task does not run; `offers` is ``book.offers(workspace_id)``. Raises NotFound."""
    task = tasks.show(tx, workspace_id, task_id)
    row = task_rows.get(tx, workspace_id, task_id)
    needs, build_id = task_rows.placement_of(tx, workspace_id, task_id)
    queued = row if task.state is TaskState.QUEUED else None
    permit_runner, age_s, gone_s = _permit(tx, task)
    tried = execution_pages.of_task(tx, workspace_id, task_id)
    automation = automation_rows.by_id(tx, workspace_id, row.automation_id) if row else None
    waiting = Waiting(
        state=task.state,
        now=tx.now,
        not_before=task.not_before,
        held=task.held,
        after=task.after,
        prerequisites=task.prerequisites,
        unshown=held.unshown(tx, workspace_id) if task.held else (),
        tried=_tried(tx, row, tried) if row else None,
        avoided=_avoided(tx, queued, needs) if queued else "",
        bot=task.bot,
        build_id=build_id,
        needs=needs,
        runners=_candidates(tx, workspace_id, needs, build_id) if queued else (),
        offers=offers,
        automation=task.automation,
        stopped=_stopped(automation),
        limited=_limited(tx, queued, automation) if queued else (),
        created_at=task.created_at,
        queued_at=_queued_at(task, tried),
        ahead=queue_pages.ahead_of(tx, workspace_id, task_id) if queued else 0,
        permit_runner=permit_runner,
        permit_age_s=age_s,
        unreachable_s=gone_s,
    )
    return decide(waiting)


def _stopped(automation: AutomationRow | None) -> Stopped:
    return Stopped(at=automation.stopped_at, why=automation.paused_why or "") if automation else Stopped()


def _limited(tx: Transaction, row: TaskRow, automation: AutomationRow | None) -> list[Limited]:
    """The limits that are exceeded for it now, by placement's own rule."""
    if automation is None:
        return []
    sharing = read_sharing(automation.concurrency, automation.concurrency_key, automation.uses, automation.rate)
    wanted = wants(row.automation_id, sharing, row.limit_key)
    stocks = Stocks(tx, row.workspace_id).of(wanted)
    return [_held_by(tx, row.workspace_id, one) for one in exceeded(wanted, stocks)]


def _held_by(tx: Transaction, workspace_id: str, shortage: Shortage) -> Limited:
    holders = hold_rows.holders(tx, workspace_id, shortage.want.limit_key, _NAMED)
    return Limited(
        shortage=shortage,
        holders=[f"{one.number}.{one.round}" if one.round > 1 else str(one.number) for one in holders],
        full_since=max((one.since for one in holders), default=None),
        has_accounts=any(one.account for one in holders),
    )


def _candidates(
    tx: Transaction, workspace_id: str, needs: Mapping[str, str], build_id: str | None
) -> list[FitCandidate]:
    """The runners that fit; all of them where none does, for saying what they lack."""
    every = fleet.labelled(tx, workspace_id, with_condition=bool(reserved(needs)))
    fit = [one.id for one in every if could_fit_as_stored(one.labels, one.condition, needs)]
    rows = fleet.members(tx, workspace_id, build_id, fit if 0 < len(fit) < len(every) else None)
    busy = fleet.busy(tx, workspace_id)
    known = windows.to_come(tx, workspace_id)
    found = [_candidate(row, busy.get(row.id, ())) for row in rows]
    return [_with_window(one, known[one.id], tx.now) if one.id in known else one for one in found]


def _with_window(runner: FitCandidate, known: Sequence[Window], now: datetime) -> FitCandidate:
    return replace(runner, window=open_at(known, now), free_at=free_at(known, now))


def _candidate(row: Member, busy: Sequence[Holding]) -> FitCandidate:
    return FitCandidate(
        id=row.id,
        name=row.name,
        labels=row.labels,
        slots=row.slots,
        is_connected=row.session_epoch is not None and row.quarantined_at is None,
        is_draining=row.draining or row.benched_at is not None,
        drain_reason=f"quarantined: {row.quarantine_reason}" if row.benched_at else row.drain_reason or "",
        drained_by=row.drained_by or "",
        drained_at=row.benched_at or row.drained_at,
        preparation=row.preparation,
        progress=row.progress or 0.0,
        message=row.message or "",
        permanent=bool(row.permanent),
        told_at=row.told_at,
        condition=read(row.condition),
        gone_since=row.unreachable_since or row.last_seen_at if row.session_epoch is None else None,
        busy_with=[one.name for one in busy],
        busy_since=max((one.since for one in busy), default=None),
    )


def _tried(tx: Transaction, row: TaskRow, executions_so_far: Sequence[ExecutionView]) -> TriedBefore | None:
    """The failure that its policy follows with another try."""
    ends = [one for one in executions_so_far if one.outcome is not None]
    if not row.tries or not ends:
        return None
    last = max(ends, key=lambda one: one.fence)
    outcome, reason = Outcome(str(last.outcome)), Reason(last.reason) if last.reason else None
    cause = cause_of(outcome, reason)
    policy = RetryPolicy.read(task_rows.target(tx, row.workspace_id, row.id).retry)
    own = policy.causes.get(cause) if cause else None
    if cause is None or own is None:
        return None
    ended = f"{outcome}: {reason}" if reason else str(outcome)
    return TriedBefore(nth=row.tries.get(cause, 0) + 1, limit=own.limit + 1, ended=ended, since=last.settled_at)


def _avoided(tx: Transaction, row: TaskRow, needs: Mapping[str, str]) -> str:
    """Name of the runner that dispatch keeps it from now."""
    if not row.avoid_runner_id:
        return ""
    if not keeps_away(row.avoid_runner_id, needs, dispatch.others(tx, row.workspace_id), tx.now):
        return ""
    runner = runners.get(tx, row.workspace_id, row.avoid_runner_id)
    return runner.name if runner else ""


def _queued_at(task: TaskView, executions_so_far: Sequence[ExecutionView]) -> datetime:
    """Since when it could have run: made, due, or put back when its last attempt was over."""
    moments = [task.created_at, task.not_before]
    moments += [one.settled_at for one in executions_so_far]
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
