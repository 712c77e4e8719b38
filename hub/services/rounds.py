"""Rounds: a restart is a new task with the same number (core.md §4).

(number, round) is unique, at most one row of a number is unfinished, and round = max + 1 under the lock of the number's
first row. A round runs as soon as it can: what the first one waited for (a moment, other tasks) it does not wait for.
"""

from agent.wire.words import TaskState
from hub.services.effects import WakeDispatch
from hub.services.retrying import NEEDS_PERSON
from hub.storage import alerts, tasks
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Effect, NewEvent, Transaction


def insert_next(tx: Transaction, old: TaskRow, new_id: str, actor: str) -> list[Effect]:
    """Add the round after the newest one of a number, all of whose rounds are finished."""
    number = tasks.next_round(tx, old.workspace_id, old.number)
    values = {
        "number": old.number,
        "round": number,
        "automation_id": old.automation_id,
        "bot_id": old.bot_id,
        "label_set_id": old.label_set_id,
        "state": TaskState.QUEUED,
        "priority": old.priority,
        "limit_key": old.limit_key,
        "parameters": old.parameters,
        "test": old.test,
        "created_by": actor,
        "restart_of": old.id,
    }
    tasks.insert(tx, old.workspace_id, new_id, values)
    alerts.resolve(tx, old.workspace_id, NEEDS_PERSON, old.id)
    tx.record(
        NewEvent(
            workspace_id=old.workspace_id,
            kind="task.created",
            subject=new_id,
            actor=actor,
            new=TaskState.QUEUED,
            cause=old.id,
            task_id=new_id,
            data={"number": old.number, "round": number},
        )
    )
    return [WakeDispatch(workspace_id=old.workspace_id)]


def insert_remembered(tx: Transaction, settled: TaskRow) -> list[Effect]:
    """Add the round whose id was allotted while the task ran; in the transaction that settles it."""
    assert settled.next_task_id is not None
    return insert_next(tx, settled, settled.next_task_id, settled.created_by)
