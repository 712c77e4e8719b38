"""A task's place among those that wait, for people."""

import sqlalchemy as sa

from hub.storage.tables import tasks
from hub.storage.transaction import Transaction

COUNTED_AT_MOST = 1000

_mine = tasks.alias("mine")
_FIRST = (
    sa.select(sa.literal(1))
    .join_from(
        _mine,
        tasks,
        (tasks.c.workspace_id == _mine.c.workspace_id)
        & (tasks.c.label_set_id == _mine.c.label_set_id)
        & (tasks.c.bot_id == _mine.c.bot_id)
        & (tasks.c.automation_id == _mine.c.automation_id),
    )
    .where(
        _mine.c.workspace_id == sa.bindparam("workspace"),
        _mine.c.id == sa.bindparam("task"),
        tasks.c.state == sa.literal_column("'queued'"),
        (tasks.c.ranked_at < _mine.c.ranked_at)
        | ((tasks.c.ranked_at == _mine.c.ranked_at) & (tasks.c.id < _mine.c.id)),
    )
    .limit(COUNTED_AT_MOST)
)
_AHEAD = sa.select(sa.func.count()).select_from(_FIRST.subquery())


def ahead_of(tx: Transaction, workspace_id: str, task_id: str) -> int:
    """How many queued tasks of the same automation and need come before this one; `COUNTED_AT_MOST` may mean more."""
    return tx.connection.execute(_AHEAD, {"workspace": workspace_id, "task": task_id}).scalar_one()
