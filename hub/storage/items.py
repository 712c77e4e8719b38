"""Items: added, handed out, moved by guarded statements. The claim is one statement (libraries.md, claim shape)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.octets import octets
from hub.storage.tables import items
from hub.storage.transaction import Transaction
from hub.storage.updates import Update


@dataclass(slots=True, kw_only=True)
class ItemRow:
    """An item as it stands. Not frozen, though nobody changes one: a claim makes hundreds, and frozen costs four times
    as much.
    """

    workspace_id: str
    id: str
    queue_id: str
    state: str
    payload: dict[str, Any]
    priority: int
    rank: int
    reference: str | None
    unique_key: str | None
    not_before: datetime | None
    deadline: datetime
    tags: list[str] | None
    tries: int
    attempts: int
    crashes: int
    fence: int
    lease_until: datetime | None
    taken_at: datetime | None
    holder: str | None
    execution_id: str | None
    task_id: str | None
    runner_id: str | None
    avoid_runner_id: str | None
    progress: Any
    error_class: str | None
    message: str | None
    result: Any
    source_id: str | None
    batch_id: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who takes an item."""

    actor: str
    execution_id: str | None = None
    task_id: str | None = None
    runner_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants to take."""

    workspace_id: str
    queue_id: str
    count: int
    until: datetime
    """The end of the lease."""
    patience: datetime
    """An item that failed on the holder's runner is left to others, unless it has waited since before this."""


ANSWER_MAX = 992 * 1024
"""Bytes that an answer with several items has at most: under the MiB that a gateway reads whole before its bot gets any
of it (`agent/gateway/upstream.py`). Of a longer one, cut on its way, items would be held for nobody. One item alone is
handed out whatever its size."""
_MEMBERS = 800
"""Bytes of an item's members in an answer beside those that are counted, with all their names."""
_COLUMNS = [items.c[name] for name in ItemRow.__slots__]
_IN_QUEUE = (items.c.workspace_id == sa.bindparam("workspace")) & (items.c.queue_id == sa.bindparam("queue"))
_HERE = (items.c.workspace_id == sa.bindparam("workspace")) & (items.c.id == sa.bindparam("item"))
# The states stand in the statements as literals: the partial indexes are only used so.
_PENDING = items.c.state == sa.literal_column("'pending'")
_POSTPONED = items.c.state == sa.literal_column("'postponed'")
_PROCESSING = items.c.state == sa.literal_column("'processing'")
_GET = Direct(sa.select(*_COLUMNS).where(_HERE))
_LOCK = Direct(sa.select(*_COLUMNS).where(_HERE).with_for_update())
_TIME = items.c.updated_at.type

_FIRST = (items.c.deadline, items.c.priority.desc(), items.c.rank, items.c.id)
_FIT = sa.select(items.c.id).where(
    _IN_QUEUE,
    _PENDING,
    sa.or_(
        items.c.avoid_runner_id.is_(None),
        items.c.avoid_runner_id != sa.bindparam("here", type_=sa.Text()),
        items.c.updated_at < sa.bindparam("patience", type_=_TIME),
    ),
)
_SIZE = (
    octets(items.c.payload)
    + octets(items.c.progress)
    + octets(items.c.reference)
    + octets(items.c.tags)
    + octets(items.c.created_by)
    + sa.literal_column(str(_MEMBERS), sa.Integer())
)
_SEEN = (
    _FIT.add_columns(items.c.deadline, items.c.priority, items.c.rank, _SIZE.label("size"))
    .order_by(*_FIRST)
    .limit(sa.bindparam("wanted", type_=sa.Integer()))
    .with_for_update(skip_locked=True)
    .cte("seen_items")
)
_WEIGHED = sa.select(
    _SEEN.c.id,
    _SEEN.c.size,
    sa.func.sum(_SEEN.c.size)
    .over(order_by=(_SEEN.c.deadline, _SEEN.c.priority.desc(), _SEEN.c.rank, _SEEN.c.id), rows=(None, 0))
    .label("so_far"),
).cte("weighed_items")
_IS_FIRST = _WEIGHED.c.so_far == _WEIGHED.c.size
# What is not handed out, because the answer is large enough without it, is pending as before.
_NEXT = sa.select(_WEIGHED.c.id).where((_WEIGHED.c.so_far <= ANSWER_MAX) | _IS_FIRST).cte("next_items")
_NEXT_ONE = _FIT.order_by(*_FIRST).limit(1).with_for_update(skip_locked=True).cte("next_items")


def _taking(wanted: sa.CTE) -> Direct:
    return Direct(
        sa.update(items)
        .where(items.c.workspace_id == sa.bindparam("workspace"), items.c.id == wanted.c.id)
        .values(
            state="processing",
            fence=items.c.fence + 1,
            attempts=items.c.attempts + 1,
            lease_until=sa.bindparam("until", type_=_TIME),
            taken_at=sa.bindparam("at", type_=_TIME),
            updated_at=sa.bindparam("at", type_=_TIME),
            holder=sa.bindparam("actor"),
            execution_id=sa.bindparam("execution", type_=sa.Text()),
            task_id=sa.bindparam("task", type_=sa.Text()),
            runner_id=sa.bindparam("runner", type_=sa.Text()),
            avoid_runner_id=None,
            error_class=None,
            message=None,
        )
        .returning(*_COLUMNS)
    )


_TAKE = _taking(_NEXT)
_TAKE_ONE = _taking(_NEXT_ONE)
_HELD = Direct(sa.select(sa.func.count().label("held")).select_from(items).where(_IN_QUEUE, _PROCESSING))
_END = Update(
    items,
    _HERE & _PROCESSING & (items.c.fence == sa.bindparam("seen")),
    lease_until=None,
    holder=None,
    taken_at=None,
    execution_id=None,
    task_id=None,
    runner_id=None,
    updated_at=sa.bindparam("at", type_=_TIME),
)
_RENEW = Direct(
    sa.update(items)
    .where(_HERE, _PROCESSING, items.c.fence == sa.bindparam("seen"))
    .values(lease_until=sa.bindparam("until", type_=_TIME))
)
_PROGRESS = Direct(
    sa.update(items)
    .where(_HERE, _PROCESSING, items.c.fence == sa.bindparam("seen"))
    .values(progress=sa.bindparam("mark", type_=items.c.progress.type), updated_at=sa.bindparam("at", type_=_TIME))
)
_MOVE = Update(items, _HERE & (items.c.state == sa.bindparam("from")), updated_at=sa.bindparam("at", type_=_TIME))
_OF_EXECUTION = Direct(
    sa.select(*_COLUMNS)
    .where(
        items.c.workspace_id == sa.bindparam("workspace"),
        items.c.execution_id == sa.bindparam("execution"),
        _PROCESSING,
    )
    # By `id` alone SQLite would read the workspace in the order of its key, for the few that one execution has.
    .order_by(sa.literal_column("items.id || ''"))
    .with_for_update()
)
_OVERDUE = (
    sa.select(*_COLUMNS)
    .where(_PROCESSING, items.c.lease_until <= sa.bindparam("at", type_=_TIME))
    .order_by(items.c.lease_until)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
    .with_for_update(skip_locked=True)
)
_NEXT_LEASE = sa.select(sa.func.min(items.c.lease_until)).where(_PROCESSING)
_NEXT_DUE = sa.select(sa.func.min(items.c.not_before)).where(_POSTPONED)
_FALLING_DUE = (
    sa.select(items.c.workspace_id, items.c.id)
    .where(_POSTPONED, items.c.not_before <= sa.bindparam("at", type_=_TIME))
    .order_by(items.c.not_before)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
    .with_for_update(skip_locked=True)
    .cte("due_items")
)
_FALL_DUE = (
    sa.update(items)
    .where(items.c.workspace_id == _FALLING_DUE.c.workspace_id, items.c.id == _FALLING_DUE.c.id)
    .values(state="pending", not_before=None, updated_at=sa.bindparam("at", type_=_TIME))
    .returning(items.c.workspace_id, items.c.queue_id)
)


def get(tx: Transaction, workspace_id: str, item_id: str, *, lock: bool = False) -> ItemRow | None:
    """The item; with `lock` nobody else changes it before this transaction ends."""
    row = (_LOCK if lock else _GET).one(tx, {"workspace": workspace_id, "item": item_id})
    return None if row is None else ItemRow(**row)


def held(tx: Transaction, workspace_id: str, queue_id: str) -> int:
    """How many of a queue's items are in work."""
    row = _HELD.one(tx, {"workspace": workspace_id, "queue": queue_id})
    return int(row["held"]) if row else 0


def take(tx: Transaction, wanted: Wanted, holder: Holder) -> list[ItemRow]:
    """Hand out the first pending items of a queue, each to this holder alone, best first.

    Fewer than wanted where there are no more, or where an answer with more would pass `ANSWER_MAX`.
    """
    statement = _TAKE_ONE if wanted.count == 1 else _TAKE
    rows = statement.rows(
        tx,
        {
            "workspace": wanted.workspace_id,
            "queue": wanted.queue_id,
            "wanted": wanted.count,
            "until": wanted.until,
            "patience": wanted.patience,
            "at": tx.now,
            "actor": holder.actor,
            "execution": holder.execution_id,
            "task": holder.task_id,
            "runner": holder.runner_id,
            "here": holder.runner_id or "",
        },
    )
    found = [ItemRow(**row) for row in rows]
    return found if len(found) < 2 else sorted(found, key=lambda row: (row.deadline, -row.priority, row.rank, row.id))


def end(tx: Transaction, item: ItemRow, values: Mapping[str, Any]) -> bool:
    """End the attempt that `item` shows, with what becomes of it in `values`; guarded by its fence."""
    named = {"workspace": item.workspace_id, "item": item.id, "seen": item.fence, "at": tx.now}
    return _END.run(tx, named, values)


def renew(tx: Transaction, workspace_id: str, item_id: str, fence: int, until: datetime) -> bool:
    """Prolong the lease of that fence; False when it is over."""
    return _RENEW.run(tx, {"workspace": workspace_id, "item": item_id, "seen": fence, "until": until}) == 1


def set_progress(tx: Transaction, workspace_id: str, item_id: str, fence: int, mark: Any) -> bool:
    """Keep how far the attempt of that fence has come; False when it is over."""
    return (
        _PROGRESS.run(tx, {"workspace": workspace_id, "item": item_id, "seen": fence, "mark": mark, "at": tx.now}) == 1
    )


def move(tx: Transaction, item: ItemRow, values: Mapping[str, Any]) -> bool:
    """Change an item that nobody holds, if it is still in the state that `item` shows."""
    named = {"workspace": item.workspace_id, "item": item.id, "from": item.state, "at": tx.now}
    return _MOVE.run(tx, named, values)


def of_execution(tx: Transaction, workspace_id: str, execution_id: str) -> list[ItemRow]:
    """The items that an execution holds, locked."""
    return [ItemRow(**row) for row in _OF_EXECUTION.rows(tx, {"workspace": workspace_id, "execution": execution_id})]


def overdue(tx: Transaction, limit: int) -> list[ItemRow]:
    """Items of all workspaces whose lease has run out, oldest first, locked."""
    rows = tx.connection.execute(_OVERDUE, {"at": tx.now, "at_most": limit}).mappings()
    return [ItemRow(**row) for row in rows]


def fall_due(tx: Transaction, limit: int) -> set[tuple[str, str]]:
    """Make postponed items pending whose moment has come, of all workspaces; (workspace, queue) of what changed."""
    rows = tx.connection.execute(_FALL_DUE, {"at": tx.now, "at_most": limit}).all()
    return {(workspace_id, queue_id) for workspace_id, queue_id in rows}


def next_moments(tx: Transaction) -> tuple[datetime | None, datetime | None]:
    """The earliest moments at which (a lease runs out, a postponed item falls due)."""
    lease: datetime | None = tx.connection.execute(_NEXT_LEASE).scalar()
    due: datetime | None = tx.connection.execute(_NEXT_DUE).scalar()
    return lease, due
