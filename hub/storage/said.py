"""What bots say of their work beside reports: `said` once an execution, rows of record logs, the newest progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.tables import executions, log_rows, runners, said
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidRow:
    """What an execution said at its end."""

    outputs: list[list[str]]
    """Names and values, in the bot's order."""
    summary: str
    summary_cut: bool
    annotations: list[dict[str, str]]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One row of a record log. Within a task, rows are in the order of (execution, seq)."""

    execution_id: str
    seq: int
    log: str
    columns: list[list[Any]]
    """Names and values, in the bot's order."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """Which rows of a task's record logs; `after` is the (execution, seq) of the last one seen."""

    log: str | None = None
    after: tuple[str, int] | None = None
    limit: int = 50


_OF_EXECUTION = (said.c.workspace_id == sa.bindparam("workspace")) & (said.c.execution_id == sa.bindparam("execution"))
_GET = Direct(sa.select(*(said.c[name] for name in SaidRow.__slots__)).where(_OF_EXECUTION))
_DELETE = sa.delete(said).where(_OF_EXECUTION)
_INSERT = sa.insert(said)
_INSERT_ROWS = sa.insert(log_rows)
_ROWS = (
    sa.select(*(log_rows.c[name] for name in LogRow.__slots__))
    .where(log_rows.c.workspace_id == sa.bindparam("workspace"), log_rows.c.task_id == sa.bindparam("task"))
    .order_by(log_rows.c.execution_id, log_rows.c.seq)
)
_SESSION = sa.exists().where(
    runners.c.workspace_id == executions.c.workspace_id,
    runners.c.id == executions.c.runner_id,
    runners.c.id == sa.bindparam("runner"),
    runners.c.session_epoch == sa.bindparam("mine"),
)
_PROGRESS = Direct(
    sa.update(executions)
    .where(
        executions.c.workspace_id == sa.bindparam("workspace"),
        executions.c.id == sa.bindparam("execution"),
        executions.c.fence == sa.bindparam("granted"),
        executions.c.settled_at.is_(None),
        _SESSION,
    )
    .values(
        progress_percent=sa.bindparam("percent"), progress_text=sa.bindparam("said"), progress_at=sa.bindparam("moment")
    )
)


def get(tx: Transaction, workspace_id: str, execution_id: str) -> SaidRow | None:
    """What the execution said at its end; None where it said nothing, or has not ended."""
    row = _GET.one(tx, {"workspace": workspace_id, "execution": execution_id})
    return None if row is None else SaidRow(**row)


def put(tx: Transaction, workspace_id: str, execution_id: str, values: Mapping[str, Any]) -> None:
    """Keep what an execution said; of two the later counts."""
    tx.connection.execute(_DELETE, {"workspace": workspace_id, "execution": execution_id})
    tx.connection.execute(_INSERT, {**values, "workspace_id": workspace_id, "execution_id": execution_id})


def add_rows(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep rows of record logs; at least one."""
    tx.connection.execute(_INSERT_ROWS, list(rows))


def rows(tx: Transaction, workspace_id: str, task_id: str, wanted: RowFilter) -> list[LogRow]:
    """Rows of a task, attempts in their order."""
    statement = _ROWS.limit(wanted.limit)
    if wanted.log is not None:
        statement = statement.where(log_rows.c.log == wanted.log)
    if wanted.after is not None:
        execution_id, seq = wanted.after
        same = (log_rows.c.execution_id == execution_id) & (log_rows.c.seq > seq)
        statement = statement.where((log_rows.c.execution_id > execution_id) | same)
    found = tx.connection.execute(statement, {"workspace": workspace_id, "task": task_id}).mappings()
    return [LogRow(**row) for row in found]


def note_progress(tx: Transaction, workspace_id: str, values: Mapping[str, Any]) -> bool:
    """Keep the newest progress of an unsettled execution: False unless it comes in its runner's own session.

    `values`: execution, granted (the fence), runner, mine (the epoch), percent, said, moment.
    """
    return _PROGRESS.run(tx, {**values, "workspace": workspace_id}) == 1
