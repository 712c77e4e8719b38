"""What the story of one task is told from: its attempts, and the events around them."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import RowMapping

from hub.domain.task_signs import BEFORE_GRANT, DURING_RUN, Attempt, Sign
from hub.storage.tables import events, executions, runners, tasks
from hub.storage.transaction import Transaction

LOOKED_BACK = 200_000
"""So many positions of the feed are looked through at most: a task that waited for longer is told less of."""
_SIGNS_AT_MOST = 500
_LATE = 1000
"""Positions behind a grant or an end: what a runner tells may be written down a moment after it counts."""
_CREATED, _GRANTED, _SETTLED = "task.created", "execution.granted", "execution.settled"

_OWN = {
    "execution_id": executions.c.id,
    "runner": runners.c.name,
    "report": executions.c.report["status"].as_string(),
    "stop_cause": sa.func.coalesce(executions.c.stop_asked_cause, executions.c.stop_cause),
}
_ATTEMPTS = (
    sa.select(*(_OWN[name].label(name) if name in _OWN else executions.c[name] for name in Attempt.__slots__))
    .join_from(
        executions,
        runners,
        (runners.c.workspace_id == executions.c.workspace_id) & (runners.c.id == executions.c.runner_id),
    )
    .where(executions.c.workspace_id == sa.bindparam("workspace"), executions.c.task_id == sa.bindparam("task"))
    .order_by(executions.c.fence)
)
_ENDS = (
    sa.select(events.c.kind, sa.func.min(events.c.pos).label("first"), sa.func.max(events.c.pos).label("last"))
    .where(
        events.c.workspace_id == sa.bindparam("workspace"),
        events.c.task_id == sa.bindparam("task"),
        events.c.kind.in_([_CREATED, _GRANTED, _SETTLED]),
        events.c.pos.is_not(None),
    )
    .group_by(events.c.kind)
)
_LAST = sa.select(sa.func.max(events.c.pos))
_OF_EVENT = ("kind", "at", "subject", "runner_id", "new", "data")
_SIGNS = (
    sa.select(*(events.c[name] for name in ("pos", *_OF_EVENT)), executions.c.slot, tasks.c.number, tasks.c.round)
    .select_from(events)
    .outerjoin(
        executions,
        (executions.c.workspace_id == events.c.workspace_id) & (executions.c.id == events.c.execution_id),
    )
    .outerjoin(tasks, (tasks.c.workspace_id == events.c.workspace_id) & (tasks.c.id == events.c.task_id))
    .where(
        events.c.workspace_id == sa.bindparam("workspace"),
        events.c.pos > sa.bindparam("first"),
        events.c.pos < sa.bindparam("last"),
        events.c.kind.in_(sa.bindparam("kinds", expanding=True)),
        events.c.runner_id.is_(None) | events.c.runner_id.in_(sa.bindparam("runners", expanding=True)),
    )
    .order_by(events.c.pos.desc())
    .limit(_SIGNS_AT_MOST)
)


def attempts(tx: Transaction, workspace_id: str, task_id: str) -> list[Attempt]:
    """All executions of a task, oldest first, voids too."""
    rows = tx.connection.execute(_ATTEMPTS, {"workspace": workspace_id, "task": task_id}).mappings()
    return [Attempt(**row) for row in rows]


def signs(tx: Transaction, workspace_id: str, task_id: str, runner_ids: Collection[str]) -> list[Sign]:
    """What happened that it may have waited for, and what it ran under, on the runners of its attempts."""
    found = tx.connection.execute(_ENDS, {"workspace": workspace_id, "task": task_id}).mappings()
    ends = {row["kind"]: row for row in found}
    if _GRANTED not in ends:
        return []
    granted, settled = ends[_GRANTED], ends.get(_SETTLED)
    created = ends.get(_CREATED, granted)
    ended = settled["last"] if settled else tx.connection.execute(_LAST).scalar_one()
    found_by_pos: dict[int, Sign] = {}
    for kinds, first, last in (
        (BEFORE_GRANT, created["first"], granted["last"]),
        (DURING_RUN, granted["first"], ended),
    ):
        named = {"workspace": workspace_id, "kinds": list(kinds), "runners": list(runner_ids)}
        named |= {"first": max(first, last - LOOKED_BACK), "last": last + _LATE}
        rows = tx.connection.execute(_SIGNS, named).mappings()
        found_by_pos |= {row["pos"]: _sign(row) for row in rows}
    return [sign for _, sign in sorted(found_by_pos.items())]


def _sign(row: RowMapping) -> Sign:
    number = None
    if row["number"] is not None:
        number = f"{row['number']}.{row['round']}" if row["round"] > 1 else str(row["number"])
    return Sign(**{name: row[name] for name in _OF_EVENT}, slot=row["slot"], task=number)
