"""The event feed as readers see it: by dense position, with named cursors (core.md §5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage import feed
from hub.storage.tables import cursors, events
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change, as it stands in the feed."""

    pos: int
    workspace_id: str
    at: datetime
    kind: str
    subject: str
    task_id: str | None
    execution_id: str | None
    runner_id: str | None
    actor: str
    old: str | None
    new: str | None
    cause: str | None
    data: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events somebody wants to see."""

    after: int = 0
    kind: str = ""
    """``task.settled``, or ``task`` for the whole family."""
    task_id: str = ""
    runner_id: str = ""
    newest: bool = False
    """The last ones instead of the first."""
    limit: int = 100


_COLUMNS = [events.c[name] for name in Event.__dataclass_fields__]
_AFTER = (
    sa.select(*_COLUMNS)
    .where(events.c.pos > sa.bindparam("after"))
    .order_by(events.c.pos)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_AFTER_IN_WORKSPACE = _AFTER.where(events.c.workspace_id == sa.bindparam("workspace_id"))
_STORY = _AFTER_IN_WORKSPACE.where(events.c.task_id == sa.bindparam("task_id"))
_CHAINED = (
    sa.select(events)
    .where(events.c.pos >= sa.bindparam("first"))
    .order_by(events.c.pos)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_AT = (
    sa.select(events.c.at)
    .where(events.c.workspace_id == sa.bindparam("workspace_id"), events.c.pos > sa.bindparam("after"))
    .order_by(events.c.pos)
    .limit(1)
)
_CURSOR = sa.select(cursors.c.pos).where(cursors.c.name == sa.bindparam("cursor"))
_MOVE = (
    sa.update(cursors)
    .where(cursors.c.name == sa.bindparam("cursor"), cursors.c.pos == sa.bindparam("seen"))
    .values(pos=sa.bindparam("to"))
)


def _first_move(dialect: str) -> Any:
    insert = postgresql.insert(cursors) if dialect == "postgresql" else sqlite.insert(cursors)
    return insert.values(name=sa.bindparam("cursor"), pos=0).on_conflict_do_nothing()


_MAKE_CURSOR = {name: _first_move(name) for name in ("sqlite", "postgresql")}


def read_after(tx: Transaction, pos: int, limit: int, workspace_id: str | None = None) -> list[Event]:
    """Return up to `limit` events with a position above `pos`, in order; of one workspace, or (None) of all.

    Only the hub's own readers (triggers, alerts, webhooks) may ask for all workspaces.
    """
    values = {"after": pos, "at_most": limit}
    if workspace_id is None:
        rows = tx.connection.execute(_AFTER, values)
    else:
        rows = tx.connection.execute(_AFTER_IN_WORKSPACE, values | {"workspace_id": workspace_id})
    return [Event(**row) for row in rows.mappings()]


def story(tx: Transaction, workspace_id: str, task_id: str, *, after: int = 0, limit: int = 200) -> list[Event]:
    """Return what happened to one task, in order, a page at a time."""
    values = {"workspace_id": workspace_id, "task_id": task_id, "after": after, "at_most": limit}
    return [Event(**row) for row in tx.connection.execute(_STORY, values).mappings()]


def page(tx: Transaction, workspace_id: str, wanted: EventFilter) -> list[Event]:
    """Return events of one workspace in order: the first ones behind `after`, or the newest ones."""
    statement = sa.select(*_COLUMNS).where(events.c.workspace_id == workspace_id, events.c.pos > wanted.after)
    if wanted.task_id:
        statement = statement.where(events.c.task_id == wanted.task_id)
    if wanted.runner_id:
        statement = statement.where(events.c.runner_id == wanted.runner_id)
    if wanted.kind:
        statement = statement.where(_of_kind(wanted.kind))
    order = sa.desc(events.c.pos) if wanted.newest else events.c.pos
    found = tx.connection.execute(statement.order_by(order).limit(wanted.limit)).mappings()
    rows = [Event(**row) for row in found]
    return rows[::-1] if wanted.newest else rows


def before(tx: Transaction, workspace_id: str, moment: datetime) -> int:
    """Return the position behind which the workspace's events of `moment` and later stand; 0 before the first.

    Positions follow times but for commits that overtook each other, so that halving finds it: the feed has no index by
    time, and looking through millions of rows for "the last hour" would hold up everybody.
    """
    low, high = 0, head(tx)
    while low < high:
        middle = (low + high) // 2
        at = tx.connection.execute(_AT, {"workspace_id": workspace_id, "after": middle}).scalar()
        low, high = (middle + 1, high) if at is not None and at < moment else (low, middle)
    return low


def _of_kind(kind: str) -> sa.ColumnElement[bool]:
    """Of exactly this kind, or of the family: ``task`` is all of ``task.created``, ``task.settled``, …"""
    family = events.c.kind.startswith(f"{kind}.", autoescape=True)
    return sa.or_(events.c.kind == kind, family)


def head(tx: Transaction) -> int:
    """Return the newest position, 0 before the first event.

    It only grows, and a restored backup has a smaller one: it is the store's commit position (core.md D8).
    """
    return feed.read_head(tx.connection).pos


def cursor(tx: Transaction, name: str) -> int:
    """Return how far the reader `name` got; 0 for a new reader."""
    return tx.connection.execute(_CURSOR, {"cursor": name}).scalar() or 0


def move_cursor(tx: Transaction, name: str, seen: int, to: int) -> bool:
    """Move the reader `name` from `seen` to `to`, in the transaction that did its work.

    False: it does not stand at `seen` any more (another hub's reader was first); the caller must raise, so that its
    work rolls back too.
    """
    if seen == 0:
        dialect = tx.connection.dialect.name
        tx.connection.execute(_MAKE_CURSOR[dialect], {"cursor": name})
    moved = tx.connection.execute(_MOVE, {"cursor": name, "seen": seen, "to": to})
    return moved.rowcount == 1


def first_broken(tx: Transaction, first: int, limit: int) -> int | None:
    """Check the audit chain of `limit` events from position `first`; return the first that does not fit, or None.

    Position `first` itself is only checked when it is 1; else it is what the others are checked against.
    """
    rows = tx.connection.execute(_CHAINED, {"first": first, "at_most": limit}).mappings()
    last = feed.Head() if first == 1 else None
    for row in rows:
        found = feed.Head(row["pos"], row["chain"])
        if last is not None and feed.next_head(last, row) != found:
            return found.pos
        last = found
    return None
