"""Tasks by their number, as BotCity's clients name them: the newest round, a bot's own round for its own number.

What each call does in each state is the table of `maestro.md` §4; states are BotCity's view of ours
(`agent.wire.maestro.maestro_state`), in which a task is FINISHED from its first report on.
"""

from dataclasses import dataclass

from agent.wire.maestro import TaskUpdate, maestro_state
from hub.domain.access import Caller
from hub.domain.task import TaskView
from hub.errors import Conflict
from hub.services import orders, tasks
from hub.storage import executions, task_numbers, task_pages
from hub.storage.task_numbers import NumberFilter
from hub.storage.transaction import Done, Transaction


def find(tx: Transaction, caller: Caller, number: int) -> TaskView:
    """The task that this caller means by `number`. Raises NotFound."""
    own = _own_round(tx, caller)
    if own is not None and own.number == number:
        return own
    return tasks.by_number(tx, caller.workspace_id, number)


def shown_state(task: TaskView) -> str:
    """BotCity's state of a task: START, RUNNING, FINISHED or CANCELED."""
    shown = orders.snapshot(task)
    return maestro_state(shown.state, shown.status)[0]


def update(tx: Transaction, caller: Caller, number: int, wanted: TaskUpdate) -> Done[TaskView]:
    """``POST /task/{id}``: the body says by its members what to do; one that says nothing changes nothing."""
    if wanted.is_finish:
        return finish(tx, caller, number, wanted)
    if wanted.killed:
        return kill(tx, caller, number)
    if wanted.interrupted:
        return interrupt(tx, caller, number)
    match wanted.state:
        case "START":
            return restart(tx, caller, number)
        case "CANCELED":
            return cancel(tx, caller, number)
        case _:
            return Done(find(tx, caller, number))


def finish(tx: Transaction, caller: Caller, number: int, report: TaskUpdate) -> Done[TaskView]:
    """A report by a person or another bot; accepted in any state, the last one counts (`core.md` §4, amendments).

    One of the task's own bot comes here where its runner's disk is full (`core.md` §3).
    """
    task = find(tx, caller, number)
    own = _own_round(tx, caller)
    if own is None or own.id != task.id:
        report = report.model_copy(update={"after_fact": None})
    return tasks.finish_by_person(tx, caller.workspace_id, task.id, report, caller.actor)


def cancel(tx: Transaction, caller: Caller, number: int) -> Done[TaskView]:
    """START and RUNNING end as CANCELED; again is no error; raises Conflict for a FINISHED one."""
    task = find(tx, caller, number)
    match shown_state(task):
        case "FINISHED":
            raise Conflict("task_finished", f"Task {number} has finished and can't be canceled")
        case "CANCELED":
            return Done(task)
        case _:
            return tasks.cancel(tx, caller.workspace_id, task.id, caller.actor)


def interrupt(tx: Transaction, caller: Caller, number: int) -> Done[TaskView]:
    """Ask the bot to finish by itself: a flag and nothing more; without effect once it has finished."""
    task = find(tx, caller, number)
    if shown_state(task) in {"FINISHED", "CANCELED"}:
        return Done(task)
    return tasks.interrupt(tx, caller.workspace_id, task.id, caller.actor)


def kill(tx: Transaction, caller: Caller, number: int) -> Done[TaskView]:
    """End the process tree; a waiting task is CANCELED; without effect once it has finished."""
    task = find(tx, caller, number)
    if shown_state(task) in {"FINISHED", "CANCELED"}:
        return Done(task)
    return tasks.kill(tx, caller.workspace_id, task.id, caller.actor)


def restart(tx: Transaction, caller: Caller, number: int) -> Done[TaskView]:
    """A new round of a finished or canceled task; nothing for a waiting one; raises Conflict for a running one."""
    task = find(tx, caller, number)
    match shown_state(task):
        case "START":
            return Done(task)
        case "RUNNING":
            raise Conflict("task_running", f"Task {number} is running and can't be restarted")
        case _:
            return tasks.restart(tx, caller.workspace_id, task.id, caller.actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows, and how many there are in all."""

    tasks: list[TaskView]
    total: int


def page(tx: Transaction, workspace_id: str, wanted: NumberFilter) -> Page:
    """The newest rounds that fit, in the order asked for."""
    total, ids = task_numbers.page(tx, workspace_id, wanted)
    return Page(tasks=task_pages.several(tx, workspace_id, ids), total=total)


def _own_round(tx: Transaction, caller: Caller) -> TaskView | None:
    if caller.execution_id is None:
        return None
    row = executions.get(tx, caller.workspace_id, caller.execution_id)
    return None if row is None else tasks.show(tx, caller.workspace_id, row.task_id)
