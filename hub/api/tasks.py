"""Tasks: asked for, listed, shown, ended, restarted."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, JsonValue

from agent.wire.words import Outcome, TaskState
from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.output_views import Output, counted
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.api.task_views import Execution, ShownTask, Task, Why, execution_view, shown_task, task_view, why_view
from hub.domain.access import Role
from hub.domain.credits import Credit
from hub.domain.prerequisite import After, When
from hub.domain.task import TaskView
from hub.domain.task_name import read_number
from hub.recent import Target
from hub.services import automations, said, tasks, waiting
from hub.services.effects import CloseSession, ReturnCredit
from hub.services.tasks import NewTask as Wanted
from hub.services.tasks import TaskFilter
from hub.storage import execution_pages
from hub.storage.transaction import Transaction


class NewAfter(Strict):
    """Tasks that a new one waits for."""

    tasks: list[int | str] = Field(description="Ids, numbers (the newest round of now) or number.round; at most 100.")
    when: When = Field(
        default=When.SUCCEEDED,
        strict=False,
        description="All succeeded, all finished, or any one succeeded. When it can't be met: canceled: prerequisite.",
    )


class NewTask(Strict):
    """A task that is asked for."""

    automation: str = Field(min_length=1, max_length=128, description="Label or id.")
    parameters: dict[str, JsonValue] = Field(default={})
    priority: Annotated[int, Field(ge=0, le=10)] | None = Field(default=None, description="The automation's if absent.")
    not_before: AwareDatetime | None = Field(default=None, description="Wait until then.")
    after: NewAfter | None = Field(default=None, description="Wait for these tasks; with not_before for both.")
    test: bool = Field(default=False, description="A trial; shown apart.")


class Cancel(Strict):
    """How to cancel."""

    force: bool = Field(
        default=False,
        description="Give up a runner that can't be reached, or a bot that can't be killed: settles at once.",
    )


class Tasks(Listing):
    """Which tasks."""

    state: TaskState | None = None
    outcome: Outcome | None = None
    automation: str | None = Field(default=None, description="Label.")
    runner: str | None = Field(default=None, description="Name or id.")
    created_after: AwareDatetime | None = None


class Executions(View):
    """All attempts of a task."""

    items: list[Execution]


def find(tx: Transaction, workspace_id: str, named: str) -> TaskView:
    """The task of that id, the newest round of that number, or the round of a `number.round`. Raises NotFound."""
    found = read_number(named)
    if found is None:
        return tasks.show(tx, workspace_id, named)
    if found.round is None:
        return tasks.by_number(tx, workspace_id, found.number)
    return tasks.by_round(tx, workspace_id, found.number, found.round)


@route("GET", "/tasks", Spec(role=Role.VIEWER, summary="List tasks", about="Newest first."))
async def listing(call: Call[Nothing, Tasks]) -> Page[Task]:
    """Tasks of the workspace."""
    query = call.query
    wanted = TaskFilter(
        state=query.state,
        outcome=query.outcome,
        automation=query.automation,
        runner=query.runner,
        created_after=query.created_after,
        after=query.after or None,
        limit=query.limit + 1,
    )
    found = await call.read(lambda tx: tasks.page(tx, call.caller.workspace_id, wanted))
    return page(found, query, task_view, lambda task: task.id)


@route(
    "POST",
    "/tasks",
    Spec(
        role=Role.OPERATOR,
        summary="Ask for a task",
        about="Answers as soon as the task is safely written; a free runner has it by then.",
        status=201,
        example={"automation": "invoices", "parameters": {"month": "2026-03"}},
    ),
)
async def create(call: Call[NewTask, Nothing]) -> Sent[Task]:
    """A new task, granted in the same commit where a runner is free (`design.md` §3, step 2)."""
    body = call.body
    new = Wanted(
        workspace_id=call.caller.workspace_id,
        automation=body.automation,
        parameters=body.parameters,
        priority=body.priority,
        not_before=body.not_before,
        after=None if body.after is None else _after(body.after),
        test=body.test,
        actor=call.caller.actor,
    )
    credit = await _credit(call, new)
    return await call.write(
        lambda tx: tasks.create(tx, new, credit),
        task_view,
        urgent=True,
        unused=[ReturnCredit(credit=credit)] if credit else (),
        in_doubt=[CloseSession(runner_id=credit.runner_id, epoch=credit.epoch, reason="protocol")] if credit else (),
    )


@route("GET", "/tasks/{task}", Spec(role=Role.VIEWER, summary="Show a task"))
async def show(call: Call[Nothing, Nothing]) -> ShownTask:
    """One task, with what it said."""

    def query(tx: Transaction) -> ShownTask:
        task = find(tx, call.caller.workspace_id, call.path("task"))
        return shown_task(task, said.of_execution(tx, task.workspace_id, task.execution_id))

    task = await call.read(query)
    return task.model_copy(update={"output": _counted(call, task.execution, task.output)})


@route("GET", "/tasks/{task}/executions", Spec(role=Role.VIEWER, summary="List a task's attempts", about="In order."))
async def executions(call: Call[Nothing, Nothing]) -> Executions:
    """Every execution of a task, voids too."""

    def query(tx: Transaction) -> list[execution_pages.ExecutionView]:
        task = find(tx, call.caller.workspace_id, call.path("task"))
        return execution_pages.of_task(tx, call.caller.workspace_id, task.id)

    found = [execution_view(one) for one in await call.read(query)]
    return Executions(items=[one.model_copy(update={"output": _counted(call, one.id, one.output)}) for one in found])


@route(
    "GET",
    "/tasks/{task}/why",
    Spec(role=Role.VIEWER, summary="Why a task waits", about="Every reason, the first to act on first."),
)
async def why(call: Call[Nothing, Nothing]) -> Why:
    """The reasons why a task does not run."""
    workspace_id = call.caller.workspace_id
    offers = call.hub.book.offers(workspace_id)
    named = call.path("task")
    return why_view(await call.read(lambda tx: waiting.why(tx, workspace_id, find(tx, workspace_id, named).id, offers)))


@route(
    "POST",
    "/tasks/{task}/cancel",
    Spec(
        role=Role.OPERATOR,
        summary="Cancel a task",
        about="At once before it runs; a running bot is asked, then interrupted, then ended, in stages.",
        example={"force": False},
    ),
)
async def cancel(call: Call[Cancel, Nothing]) -> Sent[Task]:
    """The task, canceled or on its way to it."""
    caller, force = call.caller, call.body.force
    return await call.write(
        lambda tx: tasks.cancel(tx, caller.workspace_id, task_id(call, tx), caller.actor, force=force),
        task_view,
        urgent=True,
    )


@route("POST", "/tasks/{task}/kill", Spec(role=Role.OPERATOR, summary="Kill a task", about="The whole tree, now."))
async def kill(call: Call[Nothing, Nothing]) -> Sent[Task]:
    """The task, whose process tree is being ended."""
    caller = call.caller
    return await call.write(
        lambda tx: tasks.kill(tx, caller.workspace_id, task_id(call, tx), caller.actor), task_view, urgent=True
    )


@route(
    "POST",
    "/tasks/{task}/interrupt",
    Spec(role=Role.OPERATOR, summary="Ask a bot to finish", about="A flag that the bot sees when it asks for it."),
)
async def interrupt(call: Call[Nothing, Nothing]) -> Sent[Task]:
    """The task with its flag."""
    caller = call.caller
    return await call.write(
        lambda tx: tasks.interrupt(tx, caller.workspace_id, task_id(call, tx), caller.actor), task_view
    )


@route(
    "POST",
    "/tasks/{task}/restart",
    Spec(
        role=Role.OPERATOR,
        summary="Run a task again",
        about="A new task of the same number, next round; asked for while it runs, it begins after the settlement. "
        "It waits for no other task, whatever the first round waited for.",
    ),
)
async def restart(call: Call[Nothing, Nothing]) -> Sent[Task]:
    """The new round, or the task as it is when the round comes later."""
    caller = call.caller
    return await call.write(
        lambda tx: tasks.restart(tx, caller.workspace_id, task_id(call, tx), caller.actor), task_view
    )


ROUTES: tuple[Route, ...] = (listing, create, show, executions, why, cancel, kill, interrupt, restart)


def _counted(call: Call[Nothing, Nothing], execution_id: str | None, shown: Output) -> Output:
    """What is known of an output, with what has arrived by now."""
    if execution_id is None or shown.sha256 is not None:
        return shown
    return counted(shown, *call.hub.outputs.arrived(call.caller.workspace_id, execution_id))


def task_id(call: Call[Any, Nothing], tx: Transaction) -> str:
    """The id of the task that the path names. Raises NotFound."""
    return find(tx, call.caller.workspace_id, call.path("task")).id


def _after(wanted: NewAfter) -> After:
    return After(tasks=tuple(str(one) for one in wanted.tasks), when=wanted.when)


async def _credit(call: Call[NewTask, Nothing], new: Wanted) -> Credit | None:
    """A free slot that could serve the task now, taken on the loop before the transaction (`core.md` D4)."""
    if new.after is not None or _is_later(new.not_before, call.hub.clock.now()):
        return None
    targets, name = call.hub.recent.targets, f"{new.workspace_id}/{new.automation}"
    target = targets.get(name)
    if target is None:
        automation = await call.read(lambda tx: automations.show(tx, new.workspace_id, new.automation))
        target = Target(automation.definition.all_needs, automation.bot_id, automation.released_build_id)
        targets.put(name, target)
    if target.build_id is None:
        return None
    return call.hub.book.take(new.workspace_id, target.needs, target.build_id, bot_id=target.bot_id)


def _is_later(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now
