"""Dead letters: items that nobody tries any more, across queues, and how many of each cause there are."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hub.storage.item_pages import place
from hub.storage.tables import items, queues
from hub.storage.tables.queues import DEAD
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadRow:
    """An item that was given up, with its last word."""

    id: str
    queue_id: str
    queue: str
    """Label."""
    reference: str | None
    state: str
    error_class: str | None
    message: str | None
    attempts: int
    tries: int
    finished_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadCount:
    """How many ended alike in a queue."""

    queue: str
    state: str
    error_class: str | None
    number: int
    newest: datetime | None


_SAME = (
    "id",
    "queue_id",
    "reference",
    "state",
    "error_class",
    "message",
    "attempts",
    "tries",
    "finished_at",
    "created_at",
)
_COUNTED = ("state", "error_class", "number", "newest")
# In the words of the index: a bound list of states would not let it be used.
_IS_DEAD = sa.text(f"items.{DEAD.text}")
_JOINED = items.join(queues, (queues.c.workspace_id == items.c.workspace_id) & (queues.c.id == items.c.queue_id))


def page(tx: Transaction, workspace_id: str, queue_id: str | None, after: str, limit: int) -> list[DeadRow]:
    """Items that were given up, of one queue or of all, the latest first; those behind the position `after`.

    Raises Invalid for a position that is none.
    """
    query = (
        sa.select(*(items.c[name] for name in _SAME), queues.c.label.label("queue"))
        .select_from(_JOINED)
        .where(*_conditions(workspace_id, queue_id))
    )
    if after:
        query = query.where(sa.tuple_(items.c.finished_at, items.c.id) < place(after, items.c.finished_at))
    query = query.order_by(items.c.finished_at.desc(), items.c.id.desc()).limit(limit)
    return [DeadRow(**row) for row in tx.connection.execute(query).mappings()]


def position(row: DeadRow) -> str:
    """Where a page that ends with this item goes on."""
    assert row.finished_at is not None  # what was given up has ended
    return f"{row.finished_at.isoformat()} {row.id}"


def counts(tx: Transaction, workspace_id: str, queue_id: str | None) -> list[DeadCount]:
    """How many there are of each end, by queue; counted in an index, so that no item is read for it."""
    kind = (items.c.queue_id, items.c.state, items.c.error_class)
    counted = (
        sa.select(*kind, sa.func.count().label("number"), sa.func.max(items.c.finished_at).label("newest"))
        .where(*_conditions(workspace_id, queue_id))
        .group_by(*kind)
        .subquery("counted")
    )
    query = (
        sa.select(queues.c.label.label("queue"), *(counted.c[name] for name in _COUNTED))
        .join(counted, (queues.c.workspace_id == workspace_id) & (queues.c.id == counted.c.queue_id))
        .order_by(queues.c.label, counted.c.state, counted.c.error_class)
    )
    return [DeadCount(**row) for row in tx.connection.execute(query).mappings()]


def _conditions(workspace_id: str, queue_id: str | None) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [items.c.workspace_id == workspace_id, sa.and_(_IS_DEAD)]
    return found if queue_id is None else [*found, items.c.queue_id == queue_id]
