"""Tries again of the last hour, and the starts that they are measured by (R60). Written only when a task failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from hub.storage.direct import Direct, insertion
from hub.storage.tables import executions, retries, tasks
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Transaction

LOOKED_AT_MOST = 5000
"""Starts of a workspace that are looked at: a busy one's hour is cut to these, for both counts alike."""

_OF_AUTOMATION = (retries.c.workspace_id == sa.bindparam("workspace")) & (
    retries.c.automation_id == sa.bindparam("automation")
)
_INSERT = insertion(retries, "workspace_id", "automation_id", "task_id", "fence", "at")
_FORGET = sa.delete(retries).where(_OF_AUTOMATION, retries.c.at < sa.bindparam("since"))
_COUNT = Direct(
    sa.select(sa.func.count().label("made"))
    .select_from(retries)
    .where(_OF_AUTOMATION, retries.c.at >= sa.bindparam("since", type_=retries.c.at.type))
)
_NEWEST = (
    sa.select(executions.c.workspace_id, executions.c.task_id, executions.c.granted_at)
    .where(executions.c.workspace_id == sa.bindparam("workspace"), executions.c.state != "void")
    .order_by(executions.c.id.desc())
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
    .subquery()
)
_STARTS = (
    sa.select(
        sa.func.count().label("seen"),
        sa.func.count(sa.case((tasks.c.automation_id == sa.bindparam("automation"), 1))).label("own"),
        sa.func.min(_NEWEST.c.granted_at).label("oldest"),
    )
    .join_from(_NEWEST, tasks, (tasks.c.workspace_id == _NEWEST.c.workspace_id) & (tasks.c.id == _NEWEST.c.task_id))
    .where(_NEWEST.c.granted_at >= sa.bindparam("since", type_=executions.c.granted_at.type))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What an automation did in the last hour."""

    starts: int
    retries: int


def note(tx: Transaction, task: TaskRow, span: timedelta) -> None:
    """Count that a task is tried again, and forget what is older than `span`."""
    named = {"workspace": task.workspace_id, "automation": task.automation_id, "since": tx.now - span}
    tx.connection.execute(_FORGET, named)
    row = {"workspace_id": task.workspace_id, "automation_id": task.automation_id, "task_id": task.id}
    _INSERT.run(tx, {**row, "fence": task.fence, "at": tx.now})


def made(tx: Transaction, workspace_id: str, automation_id: str, since: datetime) -> int:
    """How many tries again an automation had since a moment."""
    found = _COUNT.one(tx, {"workspace": workspace_id, "automation": automation_id, "since": since})
    assert found is not None
    return int(found["made"])


def spent(tx: Transaction, workspace_id: str, automation_id: str, since: datetime) -> Spent:
    """Starts and tries again since a moment, or of the workspace's last `LOOKED_AT_MOST` starts if that is less."""
    named = {"workspace": workspace_id, "automation": automation_id, "since": since, "at_most": LOOKED_AT_MOST}
    row = tx.connection.execute(_STARTS, named).one()
    begin = row.oldest if row.seen == LOOKED_AT_MOST else since
    return Spent(starts=row.own, retries=made(tx, workspace_id, automation_id, begin))
