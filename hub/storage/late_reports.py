"""Reports that came too late to count: kept for ever, shown, accepted by a person or not (core.md §4)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.tables import executions, late_reports, runners
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReport:
    """A late report with where it came from."""

    id: str
    execution_id: str
    runner: str
    body: dict[str, Any]
    received_at: datetime
    accepted_at: datetime | None


_OF_TASK = (
    sa.select(
        late_reports.c.id,
        late_reports.c.execution_id,
        runners.c.name.label("runner"),
        late_reports.c.body,
        late_reports.c.received_at,
        late_reports.c.accepted_at,
    )
    .join_from(
        late_reports,
        executions,
        (executions.c.workspace_id == late_reports.c.workspace_id) & (executions.c.id == late_reports.c.execution_id),
    )
    .join(runners, (runners.c.workspace_id == executions.c.workspace_id) & (runners.c.id == executions.c.runner_id))
    .where(
        late_reports.c.workspace_id == sa.bindparam("workspace"),
        executions.c.task_id == sa.bindparam("task"),
    )
    .order_by(late_reports.c.id)
)
_ACCEPT = (
    sa.update(late_reports)
    .where(
        late_reports.c.workspace_id == sa.bindparam("workspace"),
        late_reports.c.id == sa.bindparam("report"),
        late_reports.c.accepted_at.is_(None),
    )
    .values(accepted_at=sa.bindparam("at"))
)


def of_task(tx: Transaction, workspace_id: str, task_id: str) -> list[LateReport]:
    """All late reports of a task's executions, oldest first."""
    rows = tx.connection.execute(_OF_TASK, {"workspace": workspace_id, "task": task_id})
    return [LateReport(**row) for row in rows.mappings()]


def accept(tx: Transaction, workspace_id: str, report_id: str) -> bool:
    """Note that a person accepted it; False when somebody has already."""
    values = {"workspace": workspace_id, "report": report_id, "at": tx.now}
    return tx.connection.execute(_ACCEPT, values).rowcount == 1
