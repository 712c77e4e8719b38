"""A person gives up an execution whose runner is gone: `lost` at once instead of after 24 hours (core.md D8, D9)."""

from agent.wire.words import ExecutionState, TaskState
from hub.domain.execution import ExecutionEvent
from hub.domain.task import TaskView
from hub.errors import Conflict
from hub.services import settlement, tasks
from hub.storage import executions, runners
from hub.storage.transaction import Done, NewEvent, Transaction


def give_up(tx: Transaction, workspace_id: str, task_id: str, actor: str) -> Done[TaskView]:
    """Settle a running task of an unreachable runner as lost, or as it reported; what comes later is late.

    It is never tried again by itself: its bot may still be running. Raises NotFound; Conflict where nothing runs, or
    where the runner is here and knows better.
    """
    task = tasks.show(tx, workspace_id, task_id)
    execution = executions.live_of_task(tx, workspace_id, task_id)
    if task.state is not TaskState.RUNNING or execution is None:
        raise Conflict("not_running", f"Task {task.number} does not run; there is nothing to give up.")
    runner = runners.get(tx, workspace_id, execution.runner_id, lock=True)
    execution = executions.get(tx, workspace_id, execution.id, lock=True)
    assert execution is not None
    if runner is not None and runner.session_epoch is not None and runner.home_id == execution.home_id:
        told = f"Its runner {runner.name} is connected: botyard task cancel {task.number} ends it for certain."
        raise Conflict("runner_connected", told)
    event = ExecutionEvent.SETTLED if execution.state == ExecutionState.ENDING else ExecutionEvent.LOST
    tx.record(
        NewEvent(
            workspace_id=workspace_id,
            kind="task.given_up",
            subject=task_id,
            actor=actor,
            task_id=task_id,
            execution_id=execution.id,
            runner_id=execution.runner_id,
        )
    )
    effects = settlement.conclude(tx, execution, event, cause=f"given up by {actor}")
    return Done(tasks.show(tx, workspace_id, task_id), effects)
