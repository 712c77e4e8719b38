"""How an attempt of an item ends in the rows: what is known of who holds it, and many that are done at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.items import ItemRow
from hub.storage.json_text import dump_json
from hub.storage.queues import DoorRow
from hub.storage.tables import attempts, items, queues
from hub.storage.transaction import Transaction
from hub.storage.updates import Insert


@dataclass(slots=True, kw_only=True)
class HeldRow:
    """As much of an item as ends an attempt of it; not frozen, as `ItemRow` is not."""

    workspace_id: str
    id: str
    queue_id: str
    state: str
    attempts: int
    fence: int
    lease_until: datetime | None
    taken_at: datetime | None
    holder: str | None
    execution_id: str | None
    task_id: str | None
    runner_id: str | None
    progress: Any


@dataclass(frozen=True, slots=True)
class Told:
    """An attempt that ended well, and what its holder said of it."""

    item: HeldRow
    message: str | None = None
    result: Any = None


_TIME = items.c.updated_at.type
_WORKSPACE = items.c.workspace_id == sa.bindparam("workspace")
_HERE = _WORKSPACE & (items.c.id == sa.bindparam("item"))
_PROCESSING = items.c.state == sa.literal_column("'processing'")
_HELD = sa.select(*(items.c[name] for name in HeldRow.__slots__))
_DOOR = [queues.c[name].label(f"door_{name}") for name in DoorRow.__slots__]
_LOCK_HELD = Direct(
    _HELD.add_columns(*_DOOR)
    .join_from(items, queues, (queues.c.workspace_id == items.c.workspace_id) & (queues.c.id == items.c.queue_id))
    .where(_HERE)
    .with_for_update(of=items)
)
_NAMED = sa.func.json_each(sa.bindparam("ids", type_=sa.Text())).table_valued("value", name="named")
_LISTED_SQLITE = _WORKSPACE & items.c.id.in_(sa.select(_NAMED.c.value))
_LISTED = _WORKSPACE & items.c.id.in_(sa.bindparam("ids", expanding=True))
# In one order everywhere, so that two calls about the same items never wait for each other.
_LOCK_SQLITE = Direct(_HELD.where(_LISTED_SQLITE).order_by(items.c.id))
_LOCK = _HELD.where(_LISTED).order_by(items.c.id).with_for_update()

_OVER: dict[str, Any] = {
    "state": "done",
    "tries": items.c.tries + 1,
    "not_before": None,
    "lease_until": None,
    "holder": None,
    "taken_at": None,
    "execution_id": None,
    "task_id": None,
    "runner_id": None,
    "avoid_runner_id": None,
    "error_class": None,
    "finished_at": sa.bindparam("at", type_=_TIME),
    "updated_at": sa.bindparam("at", type_=_TIME),
}
_SAID = {
    "message": sa.bindparam("told", type_=items.c.message.type),
    "result": sa.bindparam("made", type_=items.c.result.type),
}
_END_EACH = sa.update(items).where(_HERE, _PROCESSING, items.c.fence == sa.bindparam("seen"))
_END_ONE = Direct(_END_EACH.values({**_OVER, **_SAID}).returning(*(items.c[name] for name in ItemRow.__slots__)))
_END_TELLING = Direct(_END_EACH.values({**_OVER, **_SAID}))
_BARE: dict[str, Any] = {**_OVER, "message": None, "result": None}
# One by one by their keys: for an UPDATE of a list SQLite goes through all of the workspace, by another index [M].
_END_SQLITE = Direct(_END_EACH.values(_BARE))
_END = sa.update(items).where(_LISTED, _PROCESSING).values(_BARE)

_ATTEMPT = Insert(attempts)
_UNSPENT = Direct(
    sa.select(sa.func.count().label("found")).select_from(
        sa.select(attempts.c.number)
        .where(
            attempts.c.workspace_id == sa.bindparam("workspace"),
            attempts.c.item_id == sa.bindparam("item"),
            attempts.c.outcome == sa.literal_column("'failed'"),
            attempts.c.error_class == sa.literal_column("'system'"),
            sa.not_(attempts.c.is_counted),
        )
        .limit(sa.bindparam("at_most", type_=sa.Integer()))
        .subquery()
    )
)
_COPIED = (
    "workspace_id",
    "fence",
    "execution_id",
    "task_id",
    "runner_id",
    "taken_at",
    "progress",
)


def _kept(listed: sa.ColumnElement[bool]) -> sa.Insert:
    """Attempts of items that are done, copied from their rows before these change."""
    copied: dict[str, sa.ColumnElement[Any]] = {name: items.c[name] for name in _COPIED}
    copied |= {
        "item_id": items.c.id,
        "number": items.c.attempts,
        "holder": sa.func.coalesce(items.c.holder, ""),
        "ended_at": sa.bindparam("at", type_=_TIME),
        "outcome": sa.literal_column("'done'"),
        "is_counted": sa.true(),
    }
    return sa.insert(attempts).from_select(list(copied), sa.select(*copied.values()).where(listed, _PROCESSING))


_KEEP_SQLITE = Direct(_kept(_LISTED_SQLITE))
_KEEP = _kept(_LISTED)


def held_item(tx: Transaction, workspace_id: str, item_id: str) -> tuple[HeldRow, DoorRow] | None:
    """What ends an attempt needs to know of an item, locked, and of its queue."""
    row = _LOCK_HELD.one(tx, {"workspace": workspace_id, "item": item_id})
    if row is None:
        return None
    door = {name: row.pop(f"door_{name}") for name in DoorRow.__slots__}
    return HeldRow(**row), DoorRow(**door)


def held_items(tx: Transaction, workspace_id: str, ids: Sequence[str]) -> dict[str, HeldRow]:
    """The same of several items, without their queues; what is not there is missing."""
    if tx.is_sqlite:
        rows = _LOCK_SQLITE.rows(tx, {"workspace": workspace_id, "ids": dump_json(list(ids))})
        return {row["id"]: HeldRow(**row) for row in rows}
    found = tx.connection.execute(_LOCK, {"workspace": workspace_id, "ids": list(ids)}).mappings()
    return {row["id"]: HeldRow(**row) for row in found}


def end_one(tx: Transaction, told: Told) -> ItemRow:
    """End the attempt of an item, locked by this transaction, as done; the item as it is then."""
    add_attempts(tx, [_attempt(tx, told)])
    row = _END_ONE.one(tx, _named(tx, told))
    if row is None:
        raise RuntimeError(f"item {told.item.id} changed under its own lock")
    return ItemRow(**row)


def end_done(tx: Transaction, ended: Sequence[Told]) -> None:
    """End the attempts of items, locked by this transaction, as done."""
    telling = [one for one in ended if one.message is not None or one.result is not None]
    bare = [one.item for one in ended if one.message is None and one.result is None]
    if telling:
        add_attempts(tx, [_attempt(tx, one) for one in telling])
        _END_TELLING.run_each(tx, [_named(tx, one) for one in telling])
    if bare and _end_bare(tx, ended[0].item.workspace_id, bare) != len(bare):
        raise RuntimeError("an item changed under its own lock")


def add_attempts(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write attempts that ended; they are never changed."""
    _ATTEMPT.run_each(tx, rows)


def _end_bare(tx: Transaction, workspace_id: str, bare: Sequence[HeldRow]) -> int:
    """End items of which nothing was said but that they are done; how many."""
    named = {"workspace": workspace_id, "at": tx.now}
    ids = [one.id for one in bare]
    if tx.is_sqlite:
        _KEEP_SQLITE.run(tx, {**named, "ids": dump_json(ids)})
        return _END_SQLITE.run_each(tx, [{**named, "item": one.id, "seen": one.fence} for one in bare])
    tx.connection.execute(_KEEP, {**named, "ids": ids})
    return tx.connection.execute(_END, {**named, "ids": ids}).rowcount


def _named(tx: Transaction, told: Told) -> dict[str, Any]:
    item = told.item
    seen = {"workspace": item.workspace_id, "item": item.id, "seen": item.fence, "at": tx.now}
    return {**seen, "told": told.message, "made": told.result}


def _attempt(tx: Transaction, told: Told) -> dict[str, Any]:
    item = told.item
    return {
        "workspace_id": item.workspace_id,
        "item_id": item.id,
        "number": item.attempts,
        "fence": item.fence,
        "holder": item.holder or "",
        "execution_id": item.execution_id,
        "task_id": item.task_id,
        "runner_id": item.runner_id,
        "taken_at": item.taken_at,
        "ended_at": tx.now,
        "outcome": "done",
        "error_class": None,
        "message": told.message,
        "is_counted": True,
        "progress": item.progress,
    }


def unspent(tx: Transaction, workspace_id: str, item_id: str, enough: int) -> int:
    """How many attempts of an item failed by a system error and spent nothing of it, counted up to `enough`."""
    row = _UNSPENT.one(tx, {"workspace": workspace_id, "item": item_id, "at_most": enough})
    return int(row["found"]) if row else 0
