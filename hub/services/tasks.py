"""Tasks: asked for, canceled, killed, interrupted, restarted, finished by a person, shown (core.md §1 D6, §4)."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.wire.maestro import TaskUpdate
from agent.wire.messages import ToRunner
from agent.wire.task import TaskSnapshot
from agent.wire.words import Outcome, ReportStatus, StopCause, TaskState
from hub.domain.automation import Automation
from hub.domain.credits import Credit
from hub.domain.execution import ExecutionEvent
from hub.domain.prerequisite import After, Standing
from hub.domain.settle import Settlement
from hub.domain.task import TaskEvent, TaskView
from hub.errors import Conflict, NotFound
from hub.services import automations, dispatch, orders, prerequisites, rounds, settlement
from hub.services.effects import ReturnCredit, SendToRunner, WakeDispatch, WakeDue
from hub.services.retrying import NEEDS_PERSON
from hub.storage import alerts, executions, runners, task_pages, tasks
from hub.storage import automations as automation_rows
from hub.storage.counters import take_number
from hub.storage.executions import ExecutionRow
from hub.storage.task_pages import TaskFilter
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

__all__ = ["NewTask", "TaskFilter", "by_number", "by_round", "cancel", "create", "finish_by_person", "interrupt"]
__all__ += ["kill", "make", "page", "queue_due", "restart", "show", "snapshot"]

_NUMBERS = "task"
_UNSTARTED = frozenset({TaskState.WAITING, TaskState.QUEUED})
_REPORTED = {
    ReportStatus.SUCCEEDED: Outcome.SUCCEEDED,
    ReportStatus.PARTIAL: Outcome.PARTIAL,
    ReportStatus.FAILED: Outcome.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A request to run an automation."""

    workspace_id: str
    automation: str
    """Label or id."""
    parameters: Mapping[str, Any]
    priority: int | None = None
    """The automation's, unless given."""
    not_before: datetime | None = None
    after: After | None = None
    """Tasks that it waits for; with `not_before` it waits for both."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Labels that its runner must have, beside what the automation needs."""
    test: bool = False
    trigger_id: str | None = None
    """The trigger that makes it."""
    actor: str


# --- made ---


def create(tx: Transaction, new: NewTask, credit: Credit | None = None) -> Done[TaskView]:
    """Make a task, and grant it in the same commit if `credit` may be used for it (design.md §3, step 2).

    Raises NotFound for the automation, Invalid with every fault of the parameters, or of what it is to wait for,
    Conflict while it is paused. The caller took the credit and names its return as `on_failure`. A task whose
    prerequisites can't be met any more is written, and canceled at once.
    """
    done = make(tx, new, credit)
    return Done(show(tx, new.workspace_id, done.result), done.effects)


def make(
    tx: Transaction, new: NewTask, credit: Credit | None = None, *, automation: Automation | None = None
) -> Done[str]:
    """Do as `create` does for whoever makes many: the result is the id only. `automation` is the one that is named."""
    automation = automation or automations.show(tx, new.workspace_id, new.automation)
    parameters = automations.accept_parameters(automation, new.parameters)
    limit_key = automations.key_of(automation, parameters)
    number = take_number(tx, new.workspace_id, _NUMBERS)
    waits = None if new.after is None else prerequisites.accept(tx, new.workspace_id, new.after, number)
    is_due = new.not_before is None or new.not_before <= tx.now
    is_free = waits is None or waits.standing is Standing.MET
    state = TaskState.QUEUED if is_due and is_free else TaskState.WAITING
    task_id = tx.new_id("tsk")
    values = {
        "number": number,
        "round": 1,
        "automation_id": automation.id,
        "bot_id": automation.bot_id,
        "label_set_id": _label_set(tx, automation, new.needs),
        "state": state,
        "priority": automation.definition.priority if new.priority is None else new.priority,
        "not_before": new.not_before,
        "limit_key": limit_key,
        "parameters": parameters,
        "test": new.test,
        "trigger_id": new.trigger_id,
        "created_by": new.actor,
    }
    tasks.insert(tx, new.workspace_id, task_id, values if waits is None else {**values, **waits.columns})
    _record(tx, new.workspace_id, task_id, "task.created", new.actor, new=state, data={"number": number})
    effects: list[Effect] = []
    if waits is not None:
        prerequisites.insert(tx, new.workspace_id, task_id, waits)
        if waits.standing is Standing.IMPOSSIBLE:
            effects += settlement.look_again(tx, new.workspace_id, task_id)
    effects += _on_created(tx, new, task_id, credit, is_queued=state is TaskState.QUEUED)
    return Done(task_id, effects)


def _label_set(tx: Transaction, automation: Automation, needs: Mapping[str, str]) -> str:
    if not needs:
        return automation.label_set_id
    return automation_rows.label_set(tx, automation.workspace_id, {**automation.definition.all_needs, **needs})


def restart(tx: Transaction, workspace_id: str, task_id: str, actor: str) -> Done[TaskView]:
    """Run it again: the next round of its number. Asked for while running it is remembered; while queued, nothing.

    The result is the new round, or the task as it is when the round comes later. Raises Conflict when a newer round of
    the number is not finished.
    """
    task = _locked(tx, workspace_id, task_id)
    if task.state in _UNSTARTED:
        return Done(show(tx, workspace_id, task_id))
    if task.state == TaskState.RUNNING:
        next_id = task.next_task_id or tx.new_id("tsk")
        tasks.note(tx, workspace_id, task_id, {"next_task_id": next_id})
        _record(tx, workspace_id, task_id, "task.restart_requested", actor, data={"next_task_id": next_id})
        return Done(show(tx, workspace_id, task_id))
    newest = tasks.rounds(tx, workspace_id, task.number)[-1]
    if newest.state != TaskState.FINISHED:
        raise Conflict("newer_round", f"Round {newest.round} of task {task.number} is {newest.state}: cancel it first.")
    next_id = tx.new_id("tsk")
    effects = rounds.insert_next(tx, task, next_id, actor)
    return Done(show(tx, workspace_id, next_id), effects)


def queue_due(tx: Transaction, limit: int = 500) -> Done[datetime | None]:
    """Queue what has waited for a moment that is past, a slice at a time; the result is the next moment."""
    due = tasks.queue_due(tx, limit)
    for workspace_id, task_id in due:
        _record(tx, workspace_id, task_id, "task.queued", "hub", old=TaskState.WAITING, new=TaskState.QUEUED)
    wakes = [WakeDispatch(workspace_id=workspace_id) for workspace_id in {workspace_id for workspace_id, _ in due}]
    return Done(tasks.next_due(tx), wakes)


# --- ended ---


def cancel(tx: Transaction, workspace_id: str, task_id: str, actor: str, *, force: bool = False) -> Done[TaskView]:
    """Cancel: at once before a grant; with a permit out it is a request until the runner's facts come (D6).

    `force` gives up a runner that can't be reached, or survivors that can't be killed: `canceled: unconfirmed`, at
    once, fence + 1. Raises Conflict for a task that has finished otherwise.
    """
    task = _locked(tx, workspace_id, task_id)
    if task.state == TaskState.FINISHED:
        if task.outcome != Outcome.CANCELED:
            raise _is_over(task, "cancel")
        return Done(show(tx, workspace_id, task_id))
    requested: dict[str, Any] = {"cancel_requested_at": task.cancel_requested_at or tx.now}
    requested |= {"cancel_requested_by": task.cancel_requested_by or actor, "next_task_id": None}
    if force and task.state == TaskState.RUNNING:
        return _force(tx, task, actor, requested)
    return _end(tx, task, actor, requested, StopCause.CANCEL)


def kill(tx: Transaction, workspace_id: str, task_id: str, actor: str) -> Done[TaskView]:
    """End the process tree now; before a grant it cancels. Again is no error.

    Raises Conflict for a task that has finished without it.
    """
    task = _locked(tx, workspace_id, task_id)
    if task.state == TaskState.FINISHED:
        if task.kill_requested_at is None:
            raise _is_over(task, "kill")
        return Done(show(tx, workspace_id, task_id))
    requested: dict[str, Any] = {"kill_requested_at": task.kill_requested_at or tx.now, "next_task_id": None}
    requested |= {"kill_requested_by": task.kill_requested_by or actor}
    requested |= {"interrupt_requested_at": task.interrupt_requested_at or tx.now}
    return _end(tx, task, actor, requested, StopCause.KILL)


def interrupt(tx: Transaction, workspace_id: str, task_id: str, actor: str) -> Done[TaskView]:
    """Ask the bot to finish by itself: a flag that it sees when it asks. Again is no error.

    Raises Conflict for a task that has finished without it.
    """
    task = _locked(tx, workspace_id, task_id)
    if task.interrupt_requested_at is not None:
        return Done(show(tx, workspace_id, task_id))
    if task.state == TaskState.FINISHED:
        raise _is_over(task, "interrupt")
    tasks.note(tx, workspace_id, task_id, {"interrupt_requested_at": tx.now})
    _record(tx, workspace_id, task_id, "task.interrupt_requested", actor)
    execution = executions.live_of_task(tx, workspace_id, task_id)
    effects = _to_runner(tx, execution, orders.interrupt(execution)) if execution else []
    return Done(show(tx, workspace_id, task_id), effects)


def finish_by_person(
    tx: Transaction, workspace_id: str, task_id: str, update: TaskUpdate, actor: str
) -> Done[TaskView]:
    """A person, or another bot, says how a task ended (core.md §4).

    Before a grant it settles so; while it runs it is a report with its author; after the settlement an amendment.
    """
    task = _locked(tx, workspace_id, task_id)
    totals = update.totals
    if task.state in _UNSTARTED:
        settled = Settlement(outcome=_REPORTED[update.status], message=update.message, totals=totals)
        effects = settlement.finish_task(tx, task, settled, TaskEvent.REPORTED_BY_PERSON, actor=actor)
        return Done(show(tx, workspace_id, task_id), effects)
    if task.state == TaskState.RUNNING:
        _report(tx, task, update, actor)
        return Done(show(tx, workspace_id, task_id))
    values = {"task_id": task_id, "status": update.status, "message": update.message, "amended_by": actor}
    values |= {name: getattr(totals, name, None) for name in ("total", "processed", "failed")}
    task_pages.insert_amendment(tx, workspace_id, values)
    alerts.resolve(tx, workspace_id, NEEDS_PERSON, task_id)
    _record(tx, workspace_id, task_id, "task.amended", actor, new=update.status)
    return Done(show(tx, workspace_id, task_id))


# --- shown ---


def show(tx: Transaction, workspace_id: str, task_id: str) -> TaskView:
    """The task of that id. Raises NotFound."""
    view = task_pages.show(tx, workspace_id, task_id)
    if view is None:
        raise _no_task(task_id)
    return view


def by_number(tx: Transaction, workspace_id: str, number: int) -> TaskView:
    """The newest round of that number. Raises NotFound."""
    view = task_pages.by_number(tx, workspace_id, number)
    if view is None:
        raise _no_task(str(number))
    return view


def by_round(tx: Transaction, workspace_id: str, number: int, nth: int) -> TaskView:
    """One round of that number. Raises NotFound."""
    view = task_pages.by_round(tx, workspace_id, number, nth)
    if view is None:
        raise _no_task(f"{number}.{nth}")
    return view


def page(tx: Transaction, workspace_id: str, wanted: TaskFilter) -> list[TaskView]:
    """Tasks newest first."""
    return task_pages.page(tx, workspace_id, wanted)


def snapshot(tx: Transaction, workspace_id: str, task_id: str) -> TaskSnapshot:
    """The task as BotCity's view shows it (`agent.wire.maestro.task_object`). Raises NotFound."""
    return orders.snapshot(show(tx, workspace_id, task_id))


# --- inside ---


def _on_created(tx: Transaction, new: NewTask, task_id: str, credit: Credit | None, *, is_queued: bool) -> list[Effect]:
    wake = WakeDispatch(workspace_id=new.workspace_id)
    if is_queued and credit is not None:
        done = dispatch.grant(tx, credit)
        is_granted = done.result is not None and done.result.task_id == task_id
        return [*done.effects] if is_granted else [*done.effects, wake]
    effects: list[Effect] = [] if credit is None else [ReturnCredit(credit=credit)]
    if is_queued:
        return [*effects, wake]
    return effects if new.not_before is None else [*effects, WakeDue(at=new.not_before)]


def _end(tx: Transaction, task: TaskRow, actor: str, requested: dict[str, Any], cause: StopCause) -> Done[TaskView]:
    """Cancel what has no permit; ask for the end of what has one."""
    tasks.note(tx, task.workspace_id, task.id, requested)
    if task.state in _UNSTARTED:
        settled = Settlement(outcome=Outcome.CANCELED, message=f"canceled by {actor}")
        # What it remembered of a next round was deleted by the request (core.md §4, rounds).
        unstarted = dataclasses.replace(task, next_task_id=None)
        effects = settlement.finish_task(tx, unstarted, settled, TaskEvent.CANCELED, actor=actor)
        return Done(show(tx, task.workspace_id, task.id), effects)
    _record(tx, task.workspace_id, task.id, f"task.{cause}_requested", actor)
    execution = executions.live_of_task(tx, task.workspace_id, task.id)
    effects = ask_stop(tx, execution, cause, actor) if execution else []
    return Done(show(tx, task.workspace_id, task.id), effects)


def ask_stop(tx: Transaction, execution: ExecutionRow, cause: StopCause, by: str | None) -> list[Effect]:
    """Note that a stop was asked of an execution, and send it if its runner is here; resume and sweep repeat it."""
    executions.change(tx, execution, {"stop_asked_at": tx.now, "stop_asked_cause": cause})
    return _to_runner(tx, execution, orders.stop(execution, cause, by))


def _force(tx: Transaction, task: TaskRow, actor: str, requested: dict[str, Any]) -> Done[TaskView]:
    tasks.note(tx, task.workspace_id, task.id, {**requested, "forced_cancel_at": tx.now})
    _record(tx, task.workspace_id, task.id, "task.cancel_forced", actor)
    execution = executions.live_of_task(tx, task.workspace_id, task.id)
    if execution is None:
        raise Conflict("no_execution", f"Task {task.number} runs nowhere just now. Try again.")
    effects = settlement.conclude(tx, execution, ExecutionEvent.FORCED, cause=actor)
    effects += _to_runner(tx, execution, orders.stop(execution, StopCause.SUPERSEDED, actor))
    return Done(show(tx, task.workspace_id, task.id), effects)


def _report(tx: Transaction, task: TaskRow, update: TaskUpdate, actor: str) -> None:
    execution = executions.live_of_task(tx, task.workspace_id, task.id)
    if execution is None:
        raise Conflict("no_execution", f"Task {task.number} runs nowhere just now. Try again.")
    totals = update.totals
    body: dict[str, Any] = {"status": update.status, "message": update.message, "by": actor}
    body["totals"] = totals.model_dump() if totals else None
    known = execution.report_seq or 0
    seq = max(execution.last_fact, known) if update.after_fact is None else update.after_fact
    if seq >= known:
        executions.change(tx, execution, {"report": body, "report_seq": seq, "reported_at": tx.now})
    tasks.note(tx, task.workspace_id, task.id, {"reported_at": task.reported_at or tx.now})
    _record(tx, task.workspace_id, task.id, "task.reported", actor, new=update.status)


def _to_runner(tx: Transaction, execution: ExecutionRow, message: ToRunner) -> list[Effect]:
    """Send in the session that the runner has now, whichever epoch the permit was of."""
    runner = runners.get(tx, execution.workspace_id, execution.runner_id)
    if runner is None or runner.session_epoch is None:
        return []
    return [SendToRunner(runner_id=runner.id, epoch=runner.session_epoch, message=message)]


def _locked(tx: Transaction, workspace_id: str, task_id: str) -> TaskRow:
    task = tasks.get(tx, workspace_id, task_id, lock=True)
    if task is None:
        raise _no_task(task_id)
    return task


def _is_over(task: TaskRow, verb: str) -> Conflict:
    return Conflict("finished", f"Task {task.number} has finished ({task.outcome}); there is nothing to {verb}.")


def _no_task(named: str) -> NotFound:
    return NotFound("no_task", f"There is no task {named[:64]!r} here. `botyard task list` shows all.")


def _record(  # noqa: PLR0913 - an event, field by field
    tx: Transaction,
    workspace_id: str,
    task_id: str,
    kind: str,
    actor: str,
    *,
    old: str | None = None,
    new: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    event = NewEvent(
        workspace_id=workspace_id,
        kind=kind,
        subject=task_id,
        actor=actor,
        old=old,
        new=new,
        task_id=task_id,
        data=data,
    )
    tx.record(event)
