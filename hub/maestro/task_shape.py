"""Our task as BotCity's task object (`maestro.md` §3.2, §4)."""

from typing import Any

from agent.wire.maestro import task_object
from hub.domain.access import Caller
from hub.domain.task import TaskView
from hub.services import orders

MASK = "***"


def shape(task: TaskView, caller: Caller) -> dict[str, Any]:
    """The task object for this caller: secret parameters for the bot that works with them, and for nobody else."""
    shown = orders.snapshot(task)
    is_own = caller.execution_id is not None and caller.execution_id == task.execution_id
    if not is_own and task.secret_parameters:
        hidden = {name: MASK if name in task.secret_parameters else value for name, value in task.parameters.items()}
        shown = shown.model_copy(update={"parameters": hidden})
    return task_object(shown)
