"""Queues: their rows by label or id, and how many of their items are in which state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct
from hub.storage.tables import batches, items, queues, triggers
from hub.storage.transaction import Transaction
from hub.storage.updates import Update


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A queue as stored, and the labels of the queues that its items go on to."""

    workspace_id: str
    id: str
    label: str
    name: str
    description: str
    fields: dict[str, Any]
    schema: dict[str, Any] | None
    consumption: str
    state: str
    paused_why: str | None
    concurrency: int | None
    retry: dict[str, Any]
    lease_s: int
    expected_s: int | None
    retention_days: int | None
    success_queue_id: str | None
    failure_queue_id: str | None
    unique_references: bool
    stop_after: int | None
    failed_in_a_row: int
    target: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True, kw_only=True)
class DoorRow:
    """As much of a queue as who takes and ends its items must know: read for each call, so it is not frozen."""

    workspace_id: str
    id: str
    label: str
    state: str
    concurrency: int | None
    lease_s: int
    success_queue_id: str | None
    stop_after: int | None
    target: str | None


_HERE = queues.c.workspace_id == sa.bindparam("workspace")
_ROW = sa.select(*(queues.c[name] for name in QueueRow.__slots__)).where(_HERE)
_BY_LABEL = Direct(_ROW.where(queues.c.label == sa.bindparam("named")))
_BY_ID = Direct(_ROW.where(queues.c.id == sa.bindparam("named")))
_DOOR = sa.select(*(queues.c[name] for name in DoorRow.__slots__)).where(_HERE)
_DOOR_BY_LABEL = Direct(_DOOR.where(queues.c.label == sa.bindparam("named")))
_DOOR_BY_ID = Direct(_DOOR.where(queues.c.id == sa.bindparam("named")))
_LOCK = Direct(_ROW.where(queues.c.id == sa.bindparam("named")).with_for_update())
_PAGE = _ROW.where(queues.c.label > sa.bindparam("after")).order_by(queues.c.label).limit(sa.bindparam("at_most"))
_LABELS = sa.select(queues.c.id, queues.c.label).where(_HERE, queues.c.id.in_(sa.bindparam("ids", expanding=True)))
_ONWARD = sa.select(queues.c.id, queues.c.success_queue_id, queues.c.failure_queue_id).where(_HERE)
_INSERT = {
    "sqlite": sqlite.insert(queues).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(queues).on_conflict_do_nothing(),
}
_UPDATE = Update(
    queues,
    _HERE & (queues.c.id == sa.bindparam("queue")),
    updated_at=sa.bindparam("at", type_=queues.c.updated_at.type),
)
_COUNTS = (
    sa.select(items.c.queue_id, items.c.state, sa.func.count().label("number"))
    .where(
        items.c.workspace_id == sa.bindparam("workspace"),
        items.c.queue_id.in_(sa.bindparam("queues", expanding=True)),
    )
    .group_by(items.c.queue_id, items.c.state)
)
_ANY_ITEM = sa.select(
    sa.exists().where(items.c.workspace_id == sa.bindparam("workspace"), items.c.queue_id == sa.bindparam("queue"))
)
_DELETE = sa.delete(queues).where(_HERE, queues.c.id == sa.bindparam("queue"))
_DELETE_BATCHES = sa.delete(batches).where(
    batches.c.workspace_id == sa.bindparam("workspace"), batches.c.queue_id == sa.bindparam("queue")
)
_LISTENING = sa.select(triggers.c.label).where(
    triggers.c.workspace_id == sa.bindparam("workspace"), triggers.c.queue_id == sa.bindparam("queue")
)
_TURN = (
    sa.update(items)
    .where(
        items.c.workspace_id == sa.bindparam("workspace"),
        items.c.queue_id == sa.bindparam("queue"),
        items.c.state.in_(("pending", "postponed", "in_review", "staged")),
    )
    .values(rank=-items.c.rank)
)
_FAILED = Direct(
    sa.update(queues)
    .where(_HERE, queues.c.id == sa.bindparam("queue"))
    .values(failed_in_a_row=queues.c.failed_in_a_row + 1, updated_at=sa.bindparam("at", type_=queues.c.updated_at.type))
)
_SUCCEEDED = Direct(
    sa.update(queues)
    .where(_HERE, queues.c.id == sa.bindparam("queue"), queues.c.failed_in_a_row > 0)
    .values(failed_in_a_row=0)
)


def by_label(tx: Transaction, workspace_id: str, label: str) -> QueueRow | None:
    """The queue of that label."""
    return _one(_BY_LABEL, tx, workspace_id, label)


def by_id(tx: Transaction, workspace_id: str, queue_id: str, *, lock: bool = False) -> QueueRow | None:
    """The queue of that id; with `lock` nobody else changes it before this transaction ends."""
    return _one(_LOCK if lock else _BY_ID, tx, workspace_id, queue_id)


def door(tx: Transaction, workspace_id: str, named: str) -> DoorRow | None:
    """What takers must know of the queue of that label or id."""
    statement = _DOOR_BY_ID if named.startswith("que_") else _DOOR_BY_LABEL
    row = statement.one(tx, {"workspace": workspace_id, "named": named})
    return None if row is None else DoorRow(**row)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[QueueRow]:
    """Queues in order of label, those behind `after`."""
    rows = tx.connection.execute(_PAGE, {"workspace": workspace_id, "after": after, "at_most": limit})
    return [QueueRow(**row) for row in rows.mappings()]


def labels(tx: Transaction, workspace_id: str, ids: set[str]) -> dict[str, str]:
    """The labels of queues by id."""
    if not ids:
        return {}
    rows = tx.connection.execute(_LABELS, {"workspace": workspace_id, "ids": sorted(ids)})
    return {row.id: row.label for row in rows}


def onward(tx: Transaction, workspace_id: str) -> dict[str, tuple[str | None, str | None]]:
    """Where the items of each queue go next: (after success, after failure)."""
    rows = tx.connection.execute(_ONWARD, {"workspace": workspace_id})
    return {row.id: (row.success_queue_id, row.failure_queue_id) for row in rows}


def insert(tx: Transaction, workspace_id: str, queue_id: str, values: Mapping[str, Any]) -> bool:
    """Add a queue; False when its label is taken."""
    row = {**values, "workspace_id": workspace_id, "id": queue_id, "created_at": tx.now, "updated_at": tx.now}
    return tx.connection.execute(_INSERT[tx.connection.dialect.name], row).rowcount == 1


def change(tx: Transaction, workspace_id: str, queue_id: str, values: Mapping[str, Any]) -> bool:
    """Set the named columns; False when there is no such queue."""
    return _UPDATE.run(tx, {"workspace": workspace_id, "queue": queue_id, "at": tx.now}, values)


def turn(tx: Transaction, workspace_id: str, queue_id: str) -> None:
    """Hand waiting items out in the other order from now on."""
    tx.connection.execute(_TURN, {"workspace": workspace_id, "queue": queue_id})


def counts(tx: Transaction, workspace_id: str, queue_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many items of each queue are in each state; one statement, answered by an index alone."""
    found: dict[str, dict[str, int]] = {one: {} for one in queue_ids}
    if found:
        for row in tx.connection.execute(_COUNTS, {"workspace": workspace_id, "queues": list(queue_ids)}):
            found[row.queue_id][row.state] = int(row.number)
    return found


def delete(tx: Transaction, workspace_id: str, queue_id: str) -> bool:
    """Remove a queue without items; False while it has any."""
    named = {"workspace": workspace_id, "queue": queue_id}
    if tx.connection.execute(_ANY_ITEM, named).scalar_one():
        return False
    tx.connection.execute(_DELETE_BATCHES, named)
    return tx.connection.execute(_DELETE, named).rowcount == 1


def listening(tx: Transaction, workspace_id: str, queue_id: str) -> list[str]:
    """Labels of the triggers that make tasks for its items."""
    return sorted(tx.connection.execute(_LISTENING, {"workspace": workspace_id, "queue": queue_id}).scalars())


def note_failure(tx: Transaction, workspace_id: str, queue_id: str) -> None:
    """One more failure in a row."""
    _FAILED.run(tx, {"workspace": workspace_id, "queue": queue_id, "at": tx.now})


def note_success(tx: Transaction, workspace_id: str, queue_id: str) -> None:
    """The row of failures is broken."""
    _SUCCEEDED.run(tx, {"workspace": workspace_id, "queue": queue_id})


def _one(statement: Direct, tx: Transaction, workspace_id: str, named: str) -> QueueRow | None:
    row = statement.one(tx, {"workspace": workspace_id, "named": named})
    return None if row is None else QueueRow(**row)
