"""Executions as people see them: the attempts of a task, with the names of what they point at."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.tables import builds, executions, runners
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionView:
    """One attempt (or a void, which never started)."""

    id: str
    task_id: str
    fence: int
    state: str
    runner_id: str
    runner: str
    build_id: str
    version: str
    granted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    outcome: str | None
    reason: str | None
    void_reason: str | None
    stop_cause: str | None
    exit_code: int | None
    exit_signal: int | None
    output_state: str
    output_bytes: int
    output_lines: int
    output_sha256: str | None
    gaps: list[dict[str, Any]] | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more can become of it."""
        return self.state in {"finished", "void"}


_NAMED = {"runner": runners.c.name, "version": builds.c.version}
_ALL = (
    sa.select(*(_NAMED[name].label(name) if name in _NAMED else executions.c[name] for name in ExecutionView.__slots__))
    .join_from(
        executions,
        runners,
        (runners.c.workspace_id == executions.c.workspace_id) & (runners.c.id == executions.c.runner_id),
    )
    .join(builds, (builds.c.workspace_id == executions.c.workspace_id) & (builds.c.id == executions.c.build_id))
    .where(executions.c.workspace_id == sa.bindparam("workspace"), executions.c.task_id == sa.bindparam("task"))
    .order_by(executions.c.fence)
)


def of_task(tx: Transaction, workspace_id: str, task_id: str) -> list[ExecutionView]:
    """All executions of a task, oldest first, voids too."""
    rows = tx.connection.execute(_ALL, {"workspace": workspace_id, "task": task_id}).mappings()
    return [ExecutionView(**row) for row in rows]
