"""Items as people look for them: pages by filter, attempts, what a filter moves; and batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from hub.errors import Invalid
from hub.storage.direct import Direct
from hub.storage.items import ItemRow
from hub.storage.tables import attempts, items
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One handing out that ended."""

    item_id: str
    number: int
    fence: int
    holder: str
    execution_id: str | None
    task_id: str | None
    runner_id: str | None
    taken_at: datetime
    ended_at: datetime
    outcome: str
    error_class: str | None
    message: str | None
    is_counted: bool
    progress: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items; what is None does not count."""

    queue_id: str
    ids: Sequence[str] | None = None
    states: Sequence[str] | None = None
    reference: str | None = None
    tag: str | None = None
    error_class: str | None = None
    created_before: datetime | None = None
    created_after: datetime | None = None


_COLUMNS = [items.c[name] for name in ItemRow.__slots__]
_FOUND = sa.select(*_COLUMNS)
_ATTEMPTS = (
    sa.select(*(attempts.c[name] for name in AttemptRow.__slots__))
    .where(attempts.c.workspace_id == sa.bindparam("workspace"), attempts.c.item_id == sa.bindparam("item"))
    .order_by(attempts.c.number)
)
_ATTEMPT = Direct(_ATTEMPTS.order_by(None).where(attempts.c.fence == sa.bindparam("fenced")))


def attempts_of(tx: Transaction, workspace_id: str, item_id: str) -> list[AttemptRow]:
    """Every attempt of an item that ended, oldest first."""
    rows = tx.connection.execute(_ATTEMPTS, {"workspace": workspace_id, "item": item_id}).mappings()
    return [AttemptRow(**row) for row in rows]


def attempt(tx: Transaction, workspace_id: str, item_id: str, fence: int) -> AttemptRow | None:
    """The attempt of that fence, if it ended."""
    row = _ATTEMPT.one(tx, {"workspace": workspace_id, "item": item_id, "fenced": fence})
    return None if row is None else AttemptRow(**row)


def page(tx: Transaction, workspace_id: str, wanted: ItemFilter, after: str, limit: int) -> list[ItemRow]:
    """Items newest first, those behind the position `after` (see `position`). Raises Invalid for one that is none."""
    query = _FOUND.where(*_conditions(workspace_id, wanted), items.c.state != "staged")
    if after:
        query = query.where(sa.tuple_(items.c.created_at, items.c.id) < place(after, items.c.created_at))
    query = query.order_by(items.c.created_at.desc(), items.c.id.desc()).limit(limit)
    return [ItemRow(**row) for row in tx.connection.execute(query).mappings()]


def position(item: ItemRow) -> str:
    """Where a page that ends with this item goes on."""
    return f"{item.created_at.isoformat()} {item.id}"


def matching(  # noqa: PLR0913, PLR0917 - which items, and from where on
    tx: Transaction, workspace_id: str, wanted: ItemFilter, states: Sequence[str], limit: int, after: str = ""
) -> list[ItemRow]:
    """The oldest items in one of these states that the filter names, behind the position `after`, locked.

    State by state, so that an index has each in its order: one query over several would sort all of a queue for a few.
    Raises Invalid for a position that is none.
    """
    found: list[ItemRow] = []
    for state in states:
        query = _FOUND.where(*_conditions(workspace_id, wanted, states=False), items.c.state == state)
        if after:
            query = query.where(sa.tuple_(items.c.created_at, items.c.id) > place(after, items.c.created_at))
        query = query.order_by(items.c.created_at, items.c.id).limit(limit).with_for_update()
        found += [ItemRow(**row) for row in tx.connection.execute(query).mappings()]
    return sorted(found, key=lambda row: (row.created_at, row.id))[:limit]


def place(position: str, column: sa.Column[datetime]) -> sa.Tuple:
    """What a position says, for comparing with that moment and the id of an item. Raises Invalid for one that is none.

    A moment without a zone is UTC, as an index has it; PostgreSQL takes no NUL.
    """
    said, _, item_id = position.partition(" ")
    try:
        moment = datetime.fromisoformat(said)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        at = None
    if at is None or "\0" in item_id:
        raise Invalid("position", "That is no place in a list of items: send `next` of the answer before.")
    return sa.tuple_(sa.literal(at, column.type), sa.literal(item_id))


def _conditions(workspace_id: str, wanted: ItemFilter, *, states: bool = True) -> list[sa.ColumnElement[bool]]:
    found = [items.c.workspace_id == workspace_id, items.c.queue_id == wanted.queue_id]
    if wanted.ids is not None:
        found.append(items.c.id.in_(wanted.ids))
    if states and wanted.states is not None:
        found.append(items.c.state.in_(wanted.states))
    for column in ("reference", "error_class"):
        value = getattr(wanted, column)
        if value is not None:
            found.append(items.c[column] == value)
    if wanted.created_before is not None:
        found.append(items.c.created_at < wanted.created_before)
    if wanted.created_after is not None:
        found.append(items.c.created_at > wanted.created_after)
    if wanted.tag is not None:
        # A tag is a word of letters, digits and a few signs, so it needs no escape in JSON.
        found.append(sa.cast(items.c.tags, sa.Text()).like(f'%"{wanted.tag}"%'))
    return found
