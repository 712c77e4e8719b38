"""Those who wait for a task are told its end: queued, canceled, or left to wait for the rest.

In the transaction that settles the prerequisite, at most `AT_ONCE` of them, cancellations told on in turn. A task that
is still `awaited` when it has finished is one whose dependents are not all told: `hub.services.late_dependents` goes on
there, after a process that died too.

Two prerequisites that end at the same time can't both miss that they were the last: each locks the dependent's row
before it reads what the dependent was told.
"""

from collections import deque
from collections.abc import Callable

from agent.wire.words import Outcome, Reason, TaskState
from hub.domain.prerequisite import Standing, When, standing
from hub.domain.settle import Settlement
from hub.domain.task import TaskEvent, move
from hub.services.effects import WakeDependents, WakeDispatch, WakeDue
from hub.storage import prerequisites, tasks
from hub.storage.prerequisites import Ended
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Effect, NewEvent, Transaction

AT_ONCE = 200
"""Dependents that one transaction tells: others wait for its end."""

Cancel = Callable[[Transaction, TaskRow, Settlement], list[Effect]]
"""Write the settlement of a waiting task, and nothing of those who wait for it."""


def follow(tx: Transaction, ended: Ended, cancel: Cancel) -> list[Effect]:
    """Tell all who wait for `ended`, and those who wait for what that cancels."""
    effects: list[Effect] = []
    left = AT_ONCE
    to_tell = deque([ended])
    while to_tell and left:
        one = to_tell[0]
        waiting = prerequisites.dependents(tx, one, left)
        for task_id in waiting:
            canceled = _tell(tx, one, task_id, cancel, effects)
            if canceled is not None:
                to_tell.append(canceled)
        if len(waiting) < left:
            prerequisites.all_told(tx, one)
            to_tell.popleft()
        left -= len(waiting)
    return [*effects, WakeDependents()] if to_tell else effects


def look_again(tx: Transaction, workspace_id: str, task_id: str, cancel: Cancel) -> tuple[Ended | None, list[Effect]]:
    """Decide a waiting task by what it was told: one that was held may not have been canceled."""
    row = tasks.get(tx, workspace_id, task_id, lock=True)
    effects: list[Effect] = []
    return (None, []) if row is None else (_decide(tx, row, cancel, effects), effects)


def meet(tx: Transaction, task: TaskRow) -> list[Effect]:
    """What a task waited for is met: it is queued, or waits for its moment alone."""
    prerequisites.note_open(tx, task.workspace_id, task.id, 0)
    if task.not_before is not None and task.not_before > tx.now:
        return [WakeDue(at=task.not_before)]
    if not tasks.queue(tx, task.workspace_id, task.id):
        raise RuntimeError(f"task {task.id} changed under its own lock")
    tx.record(
        NewEvent(
            workspace_id=task.workspace_id,
            kind="task.queued",
            subject=task.id,
            actor="hub",
            old=TaskState.WAITING,
            new=move(task.id, TaskState.WAITING, TaskEvent.MET),
            cause="prerequisite",
            task_id=task.id,
        )
    )
    return [WakeDispatch(workspace_id=task.workspace_id)]


def impossible(when: When, why: str) -> Settlement:
    """How a task ends whose prerequisites can't be met any more; `why` is what ended otherwise."""
    wanted = {
        When.SUCCEEDED: "all tasks that it waits for succeed",
        When.FINISHED: "all tasks that it waits for finish",
        When.ANY: "one of the tasks that it waits for succeeds",
    }
    message = f"{why}; it was to start when {wanted[when]}"
    return Settlement(outcome=Outcome.CANCELED, reason=Reason.PREREQUISITE, message=message)


def _tell(tx: Transaction, ended: Ended, task_id: str, cancel: Cancel, effects: list[Effect]) -> Ended | None:
    """Tell one; the dependent itself where that canceled it and others wait for it."""
    row = tasks.get(tx, ended.workspace_id, task_id, lock=True)
    if row is None or not prerequisites.tell(tx, ended, task_id):
        return None
    return _decide(tx, row, cancel, effects, f"task {ended.number} ended {ended.outcome}")


def _decide(
    tx: Transaction, row: TaskRow, cancel: Cancel, effects: list[Effect], why: str = "not enough of them succeeded"
) -> Ended | None:
    if row.state != TaskState.WAITING or row.after is None or not row.open_prerequisites:
        return None  # canceled by a person, or met before: `any` needs only one
    outcomes = prerequisites.outcomes(tx, row.workspace_id, row.id)
    match standing(When(row.after), outcomes):
        case Standing.MET:
            effects += meet(tx, row)
        case Standing.IMPOSSIBLE if not row.held:
            settled = impossible(When(row.after), why)
            effects += cancel(tx, row, settled)
            ended = Ended(workspace_id=row.workspace_id, id=row.id, number=row.number, outcome=settled.outcome)
            return ended if row.awaited else None
        case _:
            # One that is held since a restored backup may have run: it is decided when it is released (R20).
            prerequisites.note_open(tx, row.workspace_id, row.id, max(1, outcomes.count(None)))
    return None
