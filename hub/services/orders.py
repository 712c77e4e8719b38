"""What a runner is told of an execution: the order to start it, and the task as its bot may see it."""

from collections.abc import Mapping
from typing import Any

from agent.wire.messages import Collect, Interrupt, Permit, SetLimits, Start, Stop, StopOrder
from agent.wire.task import BuildReference, Launch, Limits, TaskSnapshot, Work
from agent.wire.words import OnDisconnect, ReportPolicy, StopCause, TaskState
from hub.domain import limits
from hub.domain.condition import DESKTOP_SIZE, desktop_need
from hub.domain.credits import Credit
from hub.domain.desktop_wish import DesktopWish
from hub.domain.task import TaskView
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import Target, TaskRow


def start(execution_id: str, fence: int, credit: Credit, task: TaskRow, work: Work) -> Start:
    """The order with its permit."""
    permit = Permit(epoch=credit.epoch, slot=credit.slot, generation=credit.generation, stamp=credit.stamp)
    return Start(execution_id=execution_id, task_id=task.id, fence=fence, permit=permit, work=work)


def work(
    task: TaskRow, target: Target, needs: Mapping[str, str], runner: str, accounts: Mapping[str, str] | None = None
) -> Work:
    """All that a runner needs to start a prepared build. The target has a ready build.

    `needs` are those that the task was placed by: an automation that was edited since says what the next one needs.
    `accounts` names the account that the task holds of each resource with accounts, by label.
    """
    assert target.build_id is not None
    assert target.digest is not None
    launch = Launch.model_validate(target.launch)
    build = BuildReference(
        build_id=target.build_id,
        digest=target.digest,
        bot=target.bot,
        version=target.version or "",
        launch=launch,
        lock=target.lock_digest,
    )
    wish = DesktopWish.read(target.desktop)
    return Work(
        build=build,
        task=_at_grant(task, target, runner),
        on_disconnect=OnDisconnect(target.on_disconnect),
        report=report_policy(target.report, launch),
        limits=limits_of(target),
        secret_parameters=tuple(one["name"] for one in target.declared if one.get("secret")),
        desktop=desktop_need(needs, wish),
        desktop_size=needs.get(DESKTOP_SIZE, ""),
        failure_screenshot=wish.failure_screenshot,
        record=wish.record,
        accounts=dict(accounts or {}),
    )


def limits_of(target: Target) -> Limits:
    """What an execution of it may use, as its automation says now."""
    return limits.read(target.limits, run_limit_s=target.run_limit_s, lost_after_s=target.lost_after_s)


def set_limits(execution: ExecutionRow) -> SetLimits:
    """The limits of a running execution, all of them, as an operator changed them last."""
    return SetLimits(execution_id=execution.id, fence=execution.fence, limits=limits.read(execution.limits))


def stop(execution: ExecutionRow, cause: StopCause, by: str | None) -> Stop:
    """The order to end it; for an execution that the runner does not know: to make a durable void (D6)."""
    return Stop(
        execution_id=execution.id,
        task_id=execution.task_id,
        fence=execution.fence,
        order=StopOrder(cause=cause, by=by or ""),
    )


def interrupt(execution: ExecutionRow) -> Interrupt:
    """The request that the bot finish by itself."""
    return Interrupt(execution_id=execution.id, fence=execution.fence)


def collect(execution: ExecutionRow) -> Collect:
    """The request to bring now what files there are."""
    return Collect(execution_id=execution.id, fence=execution.fence)


def report_policy(automation: str, launch: Launch) -> ReportPolicy:
    """Whether exit code 0 without a report is a success: the automation's word, else the package's."""
    return launch.report if automation == "default" else ReportPolicy(automation)


def snapshot(task: TaskView) -> TaskSnapshot:
    """A task as BotCity's view shows it now: FINISHED from its first report on; a later amendment is the last word.

    A reported failure that the policy will try again is not the end (core.md §4): still RUNNING.
    """
    said = task.amendment or (task.report if task.outcome is None and not task.is_tried_again else None)
    status = said.status if said else task.outcome
    return TaskSnapshot(
        number=task.number,
        round=task.round,
        workspace=task.workspace,
        automation=task.automation,
        automation_name=task.automation_name,
        bot=task.bot,
        parameters=dict(task.parameters),
        priority=task.priority,
        test=task.test,
        state=task.state,
        created_at=task.created_at,
        updated_at=task.updated_at,
        started_at=task.started_at,
        not_before=task.not_before,
        created_by=task.created_by,
        runner=task.runner,
        status=status,
        message=said.message if said else task.message,
        totals=said.totals if said else task.totals,
        interrupted=task.interrupt_requested_at is not None or task.kill_requested_at is not None,
        killed=task.kill_requested_at is not None,
        timed_out="timed_out" in task.flags,
    )


def _at_grant(task: TaskRow, target: Target, runner: str) -> TaskSnapshot:
    parameters: Mapping[str, Any] = task.parameters
    return TaskSnapshot(
        number=task.number,
        round=task.round,
        workspace=target.workspace,
        automation=target.automation,
        automation_name=target.automation_name,
        bot=target.bot,
        parameters=dict(parameters),
        priority=task.priority,
        test=task.test,
        state=TaskState.RUNNING,
        created_at=task.created_at,
        updated_at=task.updated_at,
        started_at=None,
        not_before=task.not_before,
        created_by=task.created_by,
        runner=runner,
        interrupted=task.interrupt_requested_at is not None,
    )
