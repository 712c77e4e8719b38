"""Which tasks a page of BotCity's shows: one row a number, its newest round, counted, by offset (`maestro.md` §1.8).

Offsets are BotCity's; our own pages go by key (`task_pages.py`), which also turns the ids found here into views.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from hub.storage.tables import amendments, automations, runners, tasks
from hub.storage.transaction import Transaction


class Order(StrEnum):
    """What a page may be sorted by; rows with equal value follow in order of id."""

    CREATED = "created"
    CHANGED = "changed"
    STARTED = "started"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFilter:
    """Which rows, in what order; every member that is not None narrows."""

    state: str | None = None
    """BotCity's word: START, RUNNING, FINISHED or CANCELED."""
    automation: str | None = None
    """Label."""
    runner: str | None = None
    """Name."""
    created_after: datetime | None = None
    order: Order = Order.CREATED
    descending: bool = True
    offset: int = 0
    limit: int = 20


_later = tasks.alias("later")
_IS_NEWEST = ~sa.exists().where(
    _later.c.workspace_id == tasks.c.workspace_id,
    _later.c.number == tasks.c.number,
    _later.c.round > tasks.c.round,
)
_IS_AMENDED = sa.exists().where(amendments.c.workspace_id == tasks.c.workspace_id, amendments.c.task_id == tasks.c.id)
_IS_REPORTED = (tasks.c.state == "running") & tasks.c.reported_at.is_not(None)
_IS_CANCELED = tasks.c.outcome == "canceled"
_STATES: dict[str, sa.ColumnElement[bool]] = {
    "START": tasks.c.state.in_(["waiting", "queued"]),
    "RUNNING": (tasks.c.state == "running") & tasks.c.reported_at.is_(None),
    "FINISHED": ((tasks.c.state == "finished") & (~_IS_CANCELED | _IS_AMENDED)) | _IS_REPORTED,
    "CANCELED": _IS_CANCELED & ~_IS_AMENDED,
}
_COLUMNS: dict[Order, sa.ColumnElement[object]] = {
    Order.CREATED: tasks.c.id,
    Order.CHANGED: tasks.c.updated_at,
    Order.STARTED: tasks.c.started_at,
    Order.PRIORITY: tasks.c.priority,
}


def page(tx: Transaction, workspace_id: str, wanted: NumberFilter) -> tuple[int, list[str]]:
    """(rows in all, ids of this page's)."""
    where = [tasks.c.workspace_id == workspace_id, _IS_NEWEST, *_narrowed(workspace_id, wanted)]
    total = tx.connection.execute(sa.select(sa.func.count()).select_from(tasks).where(*where)).scalar_one()
    column = _COLUMNS[wanted.order]
    # NULL sorts first on one engine and last on the other, unless said.
    by = column.desc().nulls_last() if wanted.descending else column.asc().nulls_first()
    last = tasks.c.id.desc() if wanted.descending else tasks.c.id.asc()
    rows = sa.select(tasks.c.id).where(*where).order_by(by, last).limit(wanted.limit).offset(wanted.offset)
    return int(total), list(tx.connection.execute(rows).scalars())


def _narrowed(workspace_id: str, wanted: NumberFilter) -> list[sa.ColumnElement[bool]]:
    """Conditions on the row itself: names are turned into ids, so that counting joins nothing."""
    where = []
    if wanted.state is not None:
        where.append(_STATES[wanted.state])
    if wanted.automation is not None:
        named = _named(automations, automations.c.label, workspace_id, wanted.automation)
        where.append(tasks.c.automation_id.in_(named))
    if wanted.runner is not None:
        where.append(tasks.c.runner_id.in_(_named(runners, runners.c.name, workspace_id, wanted.runner)))
    if wanted.created_after is not None:
        where.append(tasks.c.created_at >= wanted.created_after)
    return where


def _named(table: sa.Table, column: sa.ColumnElement[str], workspace_id: str, name: str) -> sa.Select[tuple[str]]:
    return sa.select(table.c.id).where(table.c.workspace_id == workspace_id, column == name)
