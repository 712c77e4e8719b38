"""Which tasks a task waits for: named, written down, told their ends (`hub.domain.prerequisite`).

`tasks.awaited` is set, under the row's lock, by whoever begins to wait for it, and cleared when all who wait were told
its end: until then a finished task that is still awaited is found by its own index, so that nothing is lost with a
process.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from agent.wire.words import Outcome, TaskState
from hub.domain.prerequisite import Prerequisite
from hub.domain.task_name import TaskNumber, read_number
from hub.storage.direct import Direct
from hub.storage.tables import automations, prerequisites, tasks
from hub.storage.transaction import Transaction
from hub.storage.updates import Insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A finished task, for those who wait for it."""

    workspace_id: str
    id: str
    number: int
    outcome: Outcome


_HERE = (tasks.c.workspace_id == sa.bindparam("workspace")) & (tasks.c.id == sa.bindparam("task"))
_LINK = (prerequisites.c.workspace_id == sa.bindparam("workspace")) & (prerequisites.c.task_id == sa.bindparam("task"))
_NAMED_BY_ID = sa.select(tasks.c.id).where(
    tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.id.in_(sa.bindparam("ids", expanding=True))
)
_NAMED_BY_NUMBER = (
    sa.select(tasks.c.number, tasks.c.round, tasks.c.id)
    .where(tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.number.in_(sa.bindparam("ids", expanding=True)))
    .order_by(tasks.c.number, tasks.c.round)
)
_AWAIT = (
    sa.update(tasks)
    .where(tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.id.in_(sa.bindparam("ids", expanding=True)))
    .where(tasks.c.state != "finished")
    .values(awaited=True)
)
_ENDS = sa.select(tasks.c.id, tasks.c.outcome).where(
    tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.id.in_(sa.bindparam("ids", expanding=True))
)
_INSERT = Insert(prerequisites)
_DEPENDENTS = Direct(
    sa.select(prerequisites.c.task_id)
    .where(
        prerequisites.c.workspace_id == sa.bindparam("workspace"),
        prerequisites.c.after_task_id == sa.bindparam("ended"),
        prerequisites.c.outcome.is_(None),
    )
    .order_by(prerequisites.c.task_id)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_TELL = Direct(
    sa.update(prerequisites)
    .where(_LINK, prerequisites.c.after_task_id == sa.bindparam("ended"), prerequisites.c.outcome.is_(None))
    .values(outcome=sa.bindparam("how"))
)
_OUTCOMES = Direct(sa.select(prerequisites.c.outcome).where(_LINK))
_NOTE_OPEN = Direct(
    sa.update(tasks)
    .where(_HERE, tasks.c.state == sa.literal_column("'waiting'"))
    .values(open_prerequisites=sa.bindparam("left"))
)
_TOLD = Direct(sa.update(tasks).where(_HERE, tasks.c.state == sa.literal_column("'finished'")).values(awaited=False))
_UNTOLD = sa.select(tasks.c.workspace_id, tasks.c.id, tasks.c.number, tasks.c.outcome)
# As the partial index has it: it is only used so.
_UNTOLD = _UNTOLD.where(sa.text("awaited AND state = 'finished'")).limit(1)
_after = tasks.alias("after_task")
_OF_TASKS = (
    sa.select(
        prerequisites.c.task_id.label("of"),
        _after.c.id,
        _after.c.number,
        _after.c.round,
        _after.c.state,
        _after.c.outcome,
        _after.c.settled_at,
        automations.c.label.label("automation"),
    )
    .join_from(
        prerequisites,
        _after,
        (_after.c.workspace_id == prerequisites.c.workspace_id) & (_after.c.id == prerequisites.c.after_task_id),
    )
    .join(
        automations,
        (automations.c.workspace_id == _after.c.workspace_id) & (automations.c.id == _after.c.automation_id),
    )
    .where(
        prerequisites.c.workspace_id == sa.bindparam("workspace"),
        prerequisites.c.task_id.in_(sa.bindparam("ids", expanding=True)),
    )
    .order_by(_after.c.number, _after.c.round)
)


# --- begun ---


def resolve(tx: Transaction, workspace_id: str, names: Iterable[str]) -> dict[str, str]:
    """Id of each task that is named by id, number (the newest round) or number.round; what is not there is left out."""
    numbers = {named: read_number(named) for named in names}
    ids = [named for named, number in numbers.items() if number is None]
    known = {
        named: named for named in tx.connection.execute(_NAMED_BY_ID, {"workspace": workspace_id, "ids": ids}).scalars()
    }
    wanted = {one.number for one in numbers.values() if one is not None}
    rounds: dict[TaskNumber, str] = {}
    for row in tx.connection.execute(_NAMED_BY_NUMBER, {"workspace": workspace_id, "ids": list(wanted)}):
        rounds[TaskNumber(row.number, row.round)] = row.id
        rounds[TaskNumber(row.number)] = row.id  # in order of rounds: the newest stays
    return known | {named: rounds[one] for named, one in numbers.items() if one is not None and one in rounds}


def begin(tx: Transaction, workspace_id: str, ids: Sequence[str]) -> dict[str, Outcome | None]:
    """Await these tasks; the outcome of each that has finished already.

    The write locks what has not: its end and this beginning can not pass each other unseen.
    """
    named = {"workspace": workspace_id, "ids": sorted(ids)}
    tx.connection.execute(_AWAIT, named)
    rows = tx.connection.execute(_ENDS, named)
    return {row.id: None if row.outcome is None else Outcome(row.outcome) for row in rows}


def insert(tx: Transaction, workspace_id: str, task_id: str, ends: Mapping[str, Outcome | None]) -> None:
    """Write down what a new task waits for."""
    _INSERT.run_each(
        tx,
        [
            {"workspace_id": workspace_id, "task_id": task_id, "after_task_id": after_id, "outcome": outcome}
            for after_id, outcome in ends.items()
        ],
    )


# --- ended ---


def dependents(tx: Transaction, ended: Ended, limit: int) -> list[str]:
    """Ids of tasks that wait for it and have not been told its end, at most `limit`."""
    named = {"workspace": ended.workspace_id, "ended": ended.id, "at_most": limit}
    return [str(row["task_id"]) for row in _DEPENDENTS.rows(tx, named)]


def tell(tx: Transaction, ended: Ended, task_id: str) -> bool:
    """Tell a dependent how it ended; False when it knew."""
    named = {"workspace": ended.workspace_id, "task": task_id, "ended": ended.id, "how": ended.outcome}
    return _TELL.run(tx, named) == 1


def outcomes(tx: Transaction, workspace_id: str, task_id: str) -> list[Outcome | None]:
    """The ends that a task was told, None for each that is open."""
    rows = _OUTCOMES.rows(tx, {"workspace": workspace_id, "task": task_id})
    return [None if row["outcome"] is None else Outcome(row["outcome"]) for row in rows]


def note_open(tx: Transaction, workspace_id: str, task_id: str, left: int) -> bool:
    """So many hold it still; 0: none does. False when it does not wait."""
    return _NOTE_OPEN.run(tx, {"workspace": workspace_id, "task": task_id, "left": left}) == 1


def all_told(tx: Transaction, ended: Ended) -> None:
    """Nobody is left who waits for it."""
    _TOLD.run(tx, {"workspace": ended.workspace_id, "task": ended.id})


def untold(tx: Transaction) -> Ended | None:
    """A finished task that somebody still waits for."""
    row = tx.connection.execute(_UNTOLD).first()
    if row is None:
        return None
    return Ended(workspace_id=row.workspace_id, id=row.id, number=row.number, outcome=Outcome(row.outcome))


# --- shown ---


def of_tasks(tx: Transaction, workspace_id: str, ids: Sequence[str]) -> dict[str, tuple[Prerequisite, ...]]:
    """What each of these tasks waits for, or waited for, in order of their numbers."""
    found: dict[str, list[Prerequisite]] = {}
    for row in tx.connection.execute(_OF_TASKS, {"workspace": workspace_id, "ids": list(ids)}):
        one = Prerequisite(
            id=row.id,
            number=row.number,
            round=row.round,
            automation=row.automation,
            state=TaskState(row.state),
            outcome=None if row.outcome is None else Outcome(row.outcome),
            settled_at=row.settled_at,
        )
        found.setdefault(row.of, []).append(one)
    return {task_id: tuple(several) for task_id, several in found.items()}
