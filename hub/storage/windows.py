"""Maintenance windows of runners (`hub.domain.window`)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from hub.domain.window import Window
from hub.storage.direct import Direct, insertion
from hub.storage.tables import windows
from hub.storage.transaction import Transaction

KEPT = timedelta(days=30)
"""So long an ended one is listed still."""

_ROW = sa.select(*(windows.c[name] for name in Window.__slots__))
_OF_RUNNER = Direct(
    _ROW.where(
        windows.c.workspace_id == sa.bindparam("workspace"),
        windows.c.runner_id == sa.bindparam("runner"),
        windows.c.ends_at > sa.bindparam("after"),
    ).order_by(windows.c.starts_at, windows.c.id)
)
_TO_COME = _ROW.where(windows.c.workspace_id == sa.bindparam("workspace"), windows.c.ends_at > sa.bindparam("after"))
_TO_COME = _TO_COME.order_by(windows.c.starts_at, windows.c.id)
_CLOSED = sa.select(windows.c.runner_id).distinct()
_CLOSED = _CLOSED.where(windows.c.starts_at <= sa.bindparam("at"), windows.c.ends_at > sa.bindparam("at"))
_NEXT_START = sa.select(sa.func.min(windows.c.starts_at)).where(windows.c.starts_at > sa.bindparam("at"))
_NEXT_END = sa.select(sa.func.min(windows.c.ends_at)).where(windows.c.ends_at > sa.bindparam("at"))
_INSERT = insertion(windows, "workspace_id", "created_at", *Window.__slots__)
_HERE = (
    (windows.c.workspace_id == sa.bindparam("workspace"))
    & (windows.c.runner_id == sa.bindparam("runner"))
    & (windows.c.id == sa.bindparam("window"))
)
_GET = Direct(_ROW.where(_HERE))
_DELETE = sa.delete(windows).where(_HERE)
_FORGET = sa.delete(windows).where(
    windows.c.workspace_id == sa.bindparam("workspace"),
    windows.c.runner_id == sa.bindparam("runner"),
    windows.c.ends_at < sa.bindparam("before"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Which runners are in a window now, and when the next window of any runner begins or ends."""

    runners: frozenset[str]
    next_edge: datetime | None


def of_runner(tx: Transaction, workspace_id: str, runner_id: str, after: datetime) -> list[Window]:
    """Windows of a runner that end after that moment, in order of their start."""
    rows = _OF_RUNNER.rows(tx, {"workspace": workspace_id, "runner": runner_id, "after": after})
    return [Window(**row) for row in rows]


def to_come(tx: Transaction, workspace_id: str) -> dict[str, list[Window]]:
    """Windows that have not ended, by runner; runners without one are left out."""
    found: dict[str, list[Window]] = {}
    for row in tx.connection.execute(_TO_COME, {"workspace": workspace_id, "after": tx.now}).mappings():
        found.setdefault(row["runner_id"], []).append(Window(**row))
    return found


def closed(tx: Transaction) -> Closed:
    """Runners of all workspaces that are in a window now."""
    now: dict[str, Any] = {"at": tx.now}
    edges = [tx.connection.execute(statement, now).scalar() for statement in (_NEXT_START, _NEXT_END)]
    return Closed(
        runners=frozenset(tx.connection.execute(_CLOSED, now).scalars()),
        next_edge=min((edge for edge in edges if edge is not None), default=None),
    )


def insert(tx: Transaction, workspace_id: str, window: Window) -> None:
    """Add a window; forget those that ended long ago."""
    named = {"workspace": workspace_id, "runner": window.runner_id}
    tx.connection.execute(_FORGET, {**named, "before": tx.now - KEPT})
    values = {name: getattr(window, name) for name in Window.__slots__}
    _INSERT.run(tx, {**values, "workspace_id": workspace_id, "created_at": tx.now})


def get(tx: Transaction, workspace_id: str, runner_id: str, window_id: str) -> Window | None:
    """That window of that runner."""
    row = _GET.one(tx, {"workspace": workspace_id, "runner": runner_id, "window": window_id})
    return None if row is None else Window(**row)


def delete(tx: Transaction, workspace_id: str, window: Window) -> bool:
    """Remove it; False when it is gone."""
    named = {"workspace": workspace_id, "runner": window.runner_id, "window": window.id}
    return tx.connection.execute(_DELETE, named).rowcount == 1
