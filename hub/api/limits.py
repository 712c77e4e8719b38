"""Limits of a bot that runs, changed by an operator."""

from hub.api.call import Call, Nothing, Sent
from hub.api.limit_views import TaskLimits, said
from hub.api.route import Route, Spec, route
from hub.api.task_views import Task, task_view
from hub.api.tasks import find
from hub.domain.access import Role
from hub.domain.task import TaskView
from hub.services import limits
from hub.storage.transaction import Done, Transaction


@route(
    "PATCH",
    "/tasks/{task}/limits",
    Spec(
        role=Role.OPERATOR,
        summary="Change a running bot's limits",
        about="At once, for this attempt; a later one starts with its automation's. Where the runner's kernel keeps no "
        "such limit, the runner watches it.",
        example={"run_limit_s": 14400, "memory_bytes": 2147483648},
    ),
)
async def change(call: Call[TaskLimits, Nothing]) -> Sent[Task]:
    """The task with its new limits."""
    caller, changes = call.caller, said(call.body)

    def use_case(tx: Transaction) -> Done[TaskView]:
        task = find(tx, caller.workspace_id, call.path("task"))
        return limits.change(tx, caller.workspace_id, task.id, changes, caller.actor)

    return await call.write(use_case, task_view, urgent=True)


ROUTES: tuple[Route, ...] = (change,)
