"""What the story of one task is told from: its attempts, and the events around them."""

from typing import Any

import sqlalchemy as sa

from hub.domain.timeline import SIGNS, Attempt, Sign
from hub.storage.tables import events, executions, runners
from hub.storage.transaction import Transaction

LOOKED_BACK = 200_000
"""So many positions of the feed are looked through at most: a task that waited for longer is told less of."""
_SIGNS_AT_MOST = 500

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
_ENDS = sa.select(sa.func.min(events.c.pos), sa.func.max(events.c.pos)).where(
    events.c.workspace_id == sa.bindparam("workspace"),
    events.c.task_id == sa.bindparam("task"),
    events.c.kind.in_(["task.created", "execution.granted"]),
)
_SIGNS = (
    sa.select(*(events.c[name] for name in Sign.__slots__))
    .where(
        events.c.workspace_id == sa.bindparam("workspace"),
        events.c.pos > sa.bindparam("first"),
        events.c.pos < sa.bindparam("last"),
        events.c.kind.in_(SIGNS),
    )
    .order_by(events.c.pos)
    .limit(_SIGNS_AT_MOST)
)


def attempts(tx: Transaction, workspace_id: str, task_id: str) -> list[Attempt]:
    """All executions of a task, oldest first, voids too."""
    rows = tx.connection.execute(_ATTEMPTS, {"workspace": workspace_id, "task": task_id}).mappings()
    return [Attempt(**row) for row in rows]


def signs(tx: Transaction, workspace_id: str, task_id: str) -> list[Sign]:
    """What happened between the task's birth and its last grant that somebody may have waited for."""
    named: dict[str, Any] = {"workspace": workspace_id, "task": task_id}
    first, last = tx.connection.execute(_ENDS, named).one()
    if first is None or first == last:
        return []
    named = {"workspace": workspace_id, "first": max(first, last - LOOKED_BACK), "last": last}
    return [Sign(**row) for row in tx.connection.execute(_SIGNS, named).mappings()]
