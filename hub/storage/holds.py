"""What running tasks hold of limits, and what was started under a rate. Guards stand in the statements.

`take_turn` is what two hubs cannot pass together: an update of one row, after which a look at the holds is true until
the transaction ends; where the database would show older rows, it has refused that update, and all is tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct, insertion
from hub.storage.tables import automations, holds, resources, starts, tasks
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A running task that holds something."""

    limit_key: str
    task_id: str
    number: int
    round: int
    automation: str
    units: int
    account: str | None
    since: datetime


_OF_KEY = (holds.c.workspace_id == sa.bindparam("workspace")) & (holds.c.limit_key == sa.bindparam("named"))
_OF_TASK = (holds.c.workspace_id == sa.bindparam("workspace")) & (holds.c.task_id == sa.bindparam("task"))
_STARTS = (starts.c.workspace_id == sa.bindparam("workspace")) & (starts.c.limit_key == sa.bindparam("named"))
_IN_TIME = _STARTS & (starts.c.at > sa.bindparam("after", type_=starts.c.at.type))
_HELD = Direct(sa.select(holds.c.units, holds.c.account).where(_OF_KEY))
_USED = Direct(sa.select(sa.func.coalesce(sa.func.sum(holds.c.units), 0).label("used")).where(_OF_KEY))
_STARTED = Direct(sa.select(sa.func.count().label("count")).where(_IN_TIME))
_NTH = (
    sa.select(starts.c.at)
    .where(_IN_TIME)
    .order_by(starts.c.at.desc())
    .limit(1)
    .offset(sa.bindparam("before", type_=sa.Integer()))
)
_INSERT = insertion(holds, *holds.c.keys())
_INSERT_START = insertion(starts, *starts.c.keys())
_RELEASE = sa.delete(holds).where(_OF_TASK)
_FORGET = sa.delete(starts).where(
    starts.c.workspace_id == sa.bindparam("workspace"),
    starts.c.task_id == sa.bindparam("task"),
    starts.c.fence == sa.bindparam("seen"),
)
_PAST = sa.delete(starts).where(_STARTS, starts.c.at <= sa.bindparam("after", type_=starts.c.at.type))
_AUTOMATIONS_TURN = Direct(
    sa.update(automations)
    .where(automations.c.workspace_id == sa.bindparam("workspace"), automations.c.id == sa.bindparam("named"))
    .values(turn=automations.c.turn + 1)
)
_RESOURCES_TURN = Direct(
    sa.update(resources)
    .where(resources.c.workspace_id == sa.bindparam("workspace"), resources.c.label == sa.bindparam("named"))
    .values(turn=resources.c.turn + 1)
)
_HOLDERS = (
    sa.select(
        holds.c.limit_key,
        holds.c.task_id,
        tasks.c.number,
        tasks.c.round,
        automations.c.label.label("automation"),
        holds.c.units,
        holds.c.account,
        holds.c.since,
    )
    .join_from(holds, tasks, (tasks.c.workspace_id == holds.c.workspace_id) & (tasks.c.id == holds.c.task_id))
    .join(
        automations,
        (automations.c.workspace_id == tasks.c.workspace_id) & (automations.c.id == tasks.c.automation_id),
    )
    .where(_OF_KEY)
    .order_by(holds.c.since, tasks.c.number)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_RUNNING = Direct(
    sa.select(tasks.c.automation_id, sa.func.count().label("count"))
    .where(tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.state == sa.literal_column("'running'"))
    .group_by(tasks.c.automation_id)
)
_RUNS = sa.exists().where(
    tasks.c.workspace_id == holds.c.workspace_id,
    tasks.c.id == holds.c.task_id,
    tasks.c.state == sa.literal_column("'running'"),
)
_STRAY = sa.delete(holds).where(~_RUNS).returning(holds.c.workspace_id, holds.c.limit_key, holds.c.task_id)
_ANY_STRAY = sa.select(sa.exists(sa.select(holds.c.task_id).where(~_RUNS)))


def used(tx: Transaction, workspace_id: str, limit_key: str) -> int:
    """How much of a limit running tasks hold."""
    row = _USED.one(tx, {"workspace": workspace_id, "named": limit_key})
    return int(row["used"]) if row else 0


def held(tx: Transaction, workspace_id: str, limit_key: str) -> list[tuple[int, str | None]]:
    """(units, account) of each holder."""
    rows = _HELD.rows(tx, {"workspace": workspace_id, "named": limit_key})
    return [(row["units"], row["account"]) for row in rows]


def started(
    tx: Transaction, workspace_id: str, limit_key: str, after: datetime, total: int
) -> tuple[int, datetime | None]:
    """(starts later than `after`, the one of them that makes them `total`: there is room once it is too old)."""
    named = {"workspace": workspace_id, "named": limit_key, "after": after}
    row = _STARTED.one(tx, named)
    count = int(row["count"]) if row else 0
    if count < total:
        return count, None
    return count, tx.connection.execute(_NTH, {**named, "before": total - 1}).scalar()


def take_turn(tx: Transaction, workspace_id: str, automation_id: str | None, resource: str | None) -> bool:
    """Nobody else grants under this automation's limits, or of this resource, before the transaction ends."""
    statement = _AUTOMATIONS_TURN if resource is None else _RESOURCES_TURN
    return statement.run(tx, {"workspace": workspace_id, "named": resource or automation_id}) == 1


def insert(tx: Transaction, workspace_id: str, task_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note what a task holds from now on: limit_key, units and account of each."""
    _INSERT.run_each(tx, [{**row, "workspace_id": workspace_id, "task_id": task_id, "since": tx.now} for row in rows])


def insert_start(  # noqa: PLR0913, PLR0917 - a row, column by column
    tx: Transaction, workspace_id: str, limit_key: str, task_id: str, fence: int, after: datetime
) -> None:
    """Note a start under a rate; those that are too old by now go."""
    tx.connection.execute(_PAST, {"workspace": workspace_id, "named": limit_key, "after": after})
    row = {"workspace_id": workspace_id, "limit_key": limit_key, "task_id": task_id, "fence": fence, "at": tx.now}
    _INSERT_START.run(tx, row)


def release(tx: Transaction, workspace_id: str, task_id: str) -> int:
    """Free all that a task holds; how many limits that were."""
    return tx.connection.execute(_RELEASE, {"workspace": workspace_id, "task": task_id}).rowcount


def forget_start(tx: Transaction, workspace_id: str, task_id: str, fence: int) -> None:
    """That order never became a start."""
    tx.connection.execute(_FORGET, {"workspace": workspace_id, "task": task_id, "seen": fence})


def holders(tx: Transaction, workspace_id: str, limit_key: str, at_most: int) -> list[Holder]:
    """Who holds a limit, longest first."""
    named = {"workspace": workspace_id, "named": limit_key, "at_most": at_most}
    return [Holder(**row) for row in tx.connection.execute(_HOLDERS, named).mappings()]


def running(tx: Transaction, workspace_id: str) -> dict[str, int]:
    """How many tasks run, by automation."""
    return {row["automation_id"]: row["count"] for row in _RUNNING.rows(tx, {"workspace": workspace_id})}


def is_any_stray(tx: Transaction) -> bool:
    """Whether anything is held by what does not run; no path leads there."""
    return bool(tx.connection.execute(_ANY_STRAY).scalar_one())


def delete_stray(tx: Transaction) -> list[tuple[str, str, str]]:
    """Free it: (workspace, limit, task) of each."""
    return [(row[0], row[1], row[2]) for row in tx.connection.execute(_STRAY).all()]
