"""Batches: items put in by slices, seen by nobody before one last write makes all of them visible."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct
from hub.storage.tables import batches, item_files, items
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A batch as stored."""

    id: str
    queue_id: str
    state: str
    items: int
    created_by: str
    created_at: datetime
    updated_at: datetime


_HERE = (batches.c.workspace_id == sa.bindparam("workspace")) & (batches.c.id == sa.bindparam("batch"))
_LOCK = Direct(sa.select(*(batches.c[name] for name in BatchRow.__slots__)).where(_HERE).with_for_update())
_INSERT = sa.insert(batches)
_TIME = batches.c.updated_at.type
_GROW = Direct(
    sa.update(batches)
    .where(_HERE, batches.c.state == "open")
    .values(items=sa.bindparam("total"), updated_at=sa.bindparam("at", type_=_TIME))
)
_SHOW = sa.update(batches).where(_HERE, batches.c.state == "open")
_SHOW = _SHOW.values(state="visible", updated_at=sa.bindparam("at", type_=_TIME))
_STAGED = (
    (items.c.workspace_id == sa.bindparam("workspace"))
    & (items.c.batch_id == sa.bindparam("batch"))
    & (items.c.state == sa.literal_column("'staged'"))
)
# The moment of each item was judged when it came; one that has passed meanwhile falls due by the clock at once.
_REVEAL = sa.update(items).where(_STAGED)
_REVEAL = _REVEAL.values(state=sa.case((items.c.not_before.is_(None), "pending"), else_="postponed"))
_STAGED_FROM = Direct(
    sa.select(sa.func.count().label("found")).where(
        _STAGED, sa.func.abs(items.c.rank) >= sa.bindparam("first"), sa.func.abs(items.c.rank) < sa.bindparam("end")
    )
)
_DROP_FILES = sa.delete(item_files).where(
    item_files.c.workspace_id == sa.bindparam("workspace"),
    item_files.c.item_id.in_(sa.select(items.c.id).where(_STAGED)),
)
_DROP_ITEMS = sa.delete(items).where(_STAGED)
_DROP = sa.delete(batches).where(_HERE, batches.c.state == "open")
_STALE = sa.select(batches.c.workspace_id, batches.c.id).where(
    batches.c.state == "open", batches.c.updated_at < sa.bindparam("before", type_=_TIME)
)
_SAME = sa.select(items.c.id, items.c.unique_key).where(
    items.c.workspace_id == sa.bindparam("workspace"),
    items.c.queue_id == sa.bindparam("queue"),
    items.c.unique_key.in_(sa.bindparam("keys", expanding=True)),
)
_UNFINISHED = (
    sa.select(items.c.id, batches.c.id.label("batch"), batches.c.updated_at)
    .join(batches, (batches.c.workspace_id == items.c.workspace_id) & (batches.c.id == items.c.batch_id))
    .where(
        items.c.workspace_id == sa.bindparam("workspace"),
        items.c.id.in_(sa.bindparam("ids", expanding=True)),
        items.c.state == sa.literal_column("'staged'"),
    )
)
_NEW = (
    *("workspace_id", "id", "queue_id", "state", "payload", "priority", "rank", "reference", "unique_key"),
    *("not_before", "deadline", "tags", "message", "source_id", "batch_id", "created_by", "created_at", "updated_at"),
)
_BLANK = dict.fromkeys(_NEW)
_VALUES = {name: sa.bindparam(f"{name}", type_=items.c[name].type) for name in _NEW}
_ADD_SQLITE = Direct(sqlite.insert(items).values(_VALUES).on_conflict_do_nothing())
_ADD = postgresql.insert(items).on_conflict_do_nothing().returning(items.c.id)


def insert(tx: Transaction, workspace_id: str, batch_id: str, queue_id: str, actor: str) -> None:
    """Open a batch."""
    row = {"workspace_id": workspace_id, "id": batch_id, "queue_id": queue_id, "state": "open", "created_by": actor}
    tx.connection.execute(_INSERT, {**row, "created_at": tx.now, "updated_at": tx.now})


def locked(tx: Transaction, workspace_id: str, batch_id: str) -> BatchRow | None:
    """The batch; nobody else changes it before this transaction ends."""
    row = _LOCK.one(tx, {"workspace": workspace_id, "batch": batch_id})
    return None if row is None else BatchRow(**row)


def grow(tx: Transaction, workspace_id: str, batch: BatchRow, more: int) -> bool:
    """Note that it has so many more items; False when it is not open."""
    named = {"workspace": workspace_id, "batch": batch.id, "total": batch.items + more, "at": tx.now}
    return _GROW.run(tx, named) == 1


def taken_keys(tx: Transaction, workspace_id: str, queue_id: str, keys: Sequence[str]) -> dict[str, str]:
    """The items of a queue that have one of these unique keys, by key."""
    if not keys:
        return {}
    rows = tx.connection.execute(_SAME, {"workspace": workspace_id, "queue": queue_id, "keys": list(keys)})
    return {row.unique_key: row.id for row in rows}


def unfinished(tx: Transaction, workspace_id: str, item_ids: Collection[str]) -> dict[str, tuple[str, datetime]]:
    """Those of these items that nobody sees yet: the batch that holds each, and when somebody last added to it."""
    if not item_ids:
        return {}
    rows = tx.connection.execute(_UNFINISHED, {"workspace": workspace_id, "ids": list(item_ids)})
    return {row.id: (row.batch, row.updated_at) for row in rows}


def add_items(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add items whose unique keys are free; how many were added. What a row does not name is empty."""
    whole = [{**_BLANK, **row} for row in rows]
    if tx.is_sqlite:
        return _ADD_SQLITE.run_each(tx, whole)
    return len(tx.connection.execute(_ADD, whole).all())


def staged(tx: Transaction, workspace_id: str, batch_id: str, first: int, end: int) -> int:
    """How many items of a batch have ranks from `first` to before `end`, whichever way its queue hands out."""
    row = _STAGED_FROM.one(tx, {"workspace": workspace_id, "batch": batch_id, "first": first, "end": end})
    return int(row["found"]) if row else 0


def reveal(tx: Transaction, workspace_id: str, batch_id: str) -> int:
    """Make all of its items visible at once; how many."""
    named = {"workspace": workspace_id, "batch": batch_id, "at": tx.now}
    if tx.connection.execute(_SHOW, named).rowcount != 1:
        return 0
    return tx.connection.execute(_REVEAL, named).rowcount


def drop(tx: Transaction, workspace_id: str, batch_id: str) -> bool:
    """Remove an open batch with its items; False when it is visible or gone."""
    named = {"workspace": workspace_id, "batch": batch_id}
    tx.connection.execute(_DROP_FILES, named)
    tx.connection.execute(_DROP_ITEMS, named)
    return tx.connection.execute(_DROP, named).rowcount == 1


def stale(tx: Transaction, before: datetime) -> list[tuple[str, str]]:
    """Batches left open since before that moment: (workspace, batch)."""
    return [(row.workspace_id, row.id) for row in tx.connection.execute(_STALE, {"before": before})]
