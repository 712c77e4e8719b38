"""Which tasks have waited for a runner for long, and which alerts of such are past."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.tables import alerts, automations, tasks
from hub.storage.transaction import Transaction

_IS_TOLD = (
    sa.exists()
    .where(
        alerts.c.workspace_id == tasks.c.workspace_id,
        alerts.c.kind == sa.bindparam("about"),
        alerts.c.subject == tasks.c.id,
        alerts.c.resolved_at.is_(None),
    )
    .correlate(tasks)
)
# The state stands as a literal: the partial index of queued tasks is only used so.
_UNTOLD = (
    sa.select(tasks.c.workspace_id, tasks.c.id, tasks.c.number, automations.c.label)
    .join_from(
        tasks,
        automations,
        (automations.c.workspace_id == tasks.c.workspace_id) & (automations.c.id == tasks.c.automation_id),
    )
    .where(tasks.c.state == sa.literal_column("'queued'"), tasks.c.updated_at <= sa.bindparam("before"), ~_IS_TOLD)
    .order_by(tasks.c.updated_at)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_PAST = (
    sa.select(alerts.c.workspace_id, alerts.c.subject)
    .join_from(alerts, tasks, (tasks.c.workspace_id == alerts.c.workspace_id) & (tasks.c.id == alerts.c.subject))
    .where(alerts.c.kind == sa.bindparam("about"), alerts.c.resolved_at.is_(None), tasks.c.state != "queued")
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)


def untold(tx: Transaction, kind: str, before: datetime, limit: int) -> list[tuple[str, str, int, str]]:
    """(workspace, task, number, automation) of tasks queued since before that moment, without an open alert."""
    values: dict[str, Any] = {"about": kind, "before": before, "at_most": limit}
    return [(row[0], row[1], row[2], row[3]) for row in tx.connection.execute(_UNTOLD, values)]


def past(tx: Transaction, kind: str, limit: int) -> list[tuple[str, str]]:
    """(workspace, task) of open alerts whose tasks wait no longer."""
    return [(row[0], row[1]) for row in tx.connection.execute(_PAST, {"about": kind, "at_most": limit})]
