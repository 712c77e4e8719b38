"""Limits of a running bot, changed by an operator (core.md §4): desired state on its row, told to its runner.

A message may be lost: the row says what should be, and the next resume says it again (`resume.py`). The same change
again changes nothing.
"""

from collections.abc import Mapping
from typing import Any

from agent.wire.task import Limits
from agent.wire.words import ExecutionState, TaskState
from hub.domain.limits import difference, faults_of, merged, read, stored
from hub.domain.task import TaskView
from hub.errors import Conflict
from hub.services import orders, tasks
from hub.services.automations import invalid
from hub.services.effects import SendToRunner
from hub.storage import executions, runners
from hub.storage import tasks as task_rows
from hub.storage.executions import ExecutionRow
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

_RUNS = frozenset({ExecutionState.GRANTED, ExecutionState.RUNNING})


def change(tx: Transaction, workspace_id: str, task_id: str, said: Mapping[str, Any], actor: str) -> Done[TaskView]:
    """Set the named limits of the attempt that runs now; None takes one away. A later attempt has its automation's.

    Raises NotFound; Conflict for a task that does not run; Invalid with every fault.
    """
    task = task_rows.get(tx, workspace_id, task_id, lock=True)
    shown = tasks.show(tx, workspace_id, task_id)
    assert task is not None
    execution = _running(tx, task, shown.automation)
    old = read(execution.limits)
    new = merged(old, said)
    faults = faults_of(new)
    if faults:
        raise invalid("limits", "These limits can't be kept.", faults)
    if new == old:
        return Done(shown)
    executions.change(tx, execution, {"limits": stored(new), "limits_changed_at": tx.now})
    _record(tx, execution, (old, new), actor)
    changed = executions.get(tx, workspace_id, execution.id)
    assert changed is not None
    return Done(tasks.show(tx, workspace_id, task_id), _to_runner(tx, changed))


def again(execution: ExecutionRow, runner_id: str, epoch: int) -> list[Effect]:
    """What a resume says of an execution that runs there: limits that were changed, as the message may be lost."""
    if execution.limits_changed_at is None or execution.state not in _RUNS:
        return []
    return [SendToRunner(runner_id=runner_id, epoch=epoch, message=orders.set_limits(execution))]


def _running(tx: Transaction, task: TaskRow, automation: str) -> ExecutionRow:
    if task.state == TaskState.FINISHED:
        raise Conflict("finished", f"Task {task.number} has finished ({task.outcome}); no limit counts any more.")
    execution = executions.live_of_task(tx, task.workspace_id, task.id)
    if execution is None:
        raise Conflict(
            "not_running",
            f"Task {task.number} is {task.state}: it will start with the limits of its automation. "
            f"Change those: botyard automation edit {automation}.",
        )
    if execution.state not in _RUNS:
        raise Conflict("ending", f"Task {task.number} has ended and its output arrives; no limit counts any more.")
    return execution


def _to_runner(tx: Transaction, execution: ExecutionRow) -> list[Effect]:
    runner = runners.get(tx, execution.workspace_id, execution.runner_id)
    if runner is None or runner.session_epoch is None:
        return []
    return again(execution, runner.id, runner.session_epoch)


def _record(tx: Transaction, execution: ExecutionRow, changed: tuple[Limits, Limits], actor: str) -> None:
    before, after = difference(*changed)
    tx.record(
        NewEvent(
            workspace_id=execution.workspace_id,
            kind="task.limits_changed",
            subject=execution.task_id,
            actor=actor,
            task_id=execution.task_id,
            execution_id=execution.id,
            runner_id=execution.runner_id,
            data={"from": before, "to": after},
        )
    )
