"""Files of items: which stored bytes belong to which item, under which name. The bytes are blobs (`blobs/`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.tables import blobs, item_files, items
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFileRow:
    """One file of an item."""

    item_id: str
    name: str
    sha256: str
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file whose bytes the workspace owns already."""

    name: str
    sha256: str
    size_bytes: int


_OF_ITEM = (item_files.c.workspace_id == sa.bindparam("workspace")) & (item_files.c.item_id == sa.bindparam("item"))
_ALL = sa.select(*(item_files.c[name] for name in ItemFileRow.__slots__)).where(_OF_ITEM)
_LIST = _ALL.order_by(item_files.c.name)
_ONE = _ALL.where(item_files.c.name == sa.bindparam("named"))
_DELETE = sa.delete(item_files).where(_OF_ITEM, item_files.c.name == sa.bindparam("named"))
_MEMBERS = ("sha256", "size_bytes", "created_at")
_KEY = ("workspace_id", "item_id", "name")
_LITE, _PG = sqlite.insert(item_files), postgresql.insert(item_files)
_PUT = {
    "sqlite": _LITE.on_conflict_do_update(index_elements=_KEY, set_={one: _LITE.excluded[one] for one in _MEMBERS}),
    "postgresql": _PG.on_conflict_do_update(index_elements=_KEY, set_={one: _PG.excluded[one] for one in _MEMBERS}),
}
_TIME = item_files.c.created_at.type
# Only where the item is there: one that lost a race for its reference was not added.
_WITH_ITEM = sa.insert(item_files).from_select(
    [*_KEY, *_MEMBERS],
    sa.select(
        items.c.workspace_id,
        items.c.id,
        sa.bindparam("named", type_=sa.Text()),
        sa.bindparam("digest", type_=sa.Text()),
        sa.bindparam("size", type_=sa.BigInteger()),
        sa.bindparam("at", type_=_TIME),
    ).where(items.c.workspace_id == sa.bindparam("workspace"), items.c.id == sa.bindparam("item")),
)
_COPY = sa.insert(item_files).from_select(
    [*_KEY, *_MEMBERS],
    sa.select(
        item_files.c.workspace_id,
        sa.bindparam("other", type_=sa.Text()),
        item_files.c.name,
        item_files.c.sha256,
        item_files.c.size_bytes,
        item_files.c.created_at,
    ).where(_OF_ITEM),
)
_OWNED = sa.select(blobs.c.sha256, blobs.c.size_bytes).where(
    blobs.c.workspace_id == sa.bindparam("workspace"), blobs.c.sha256.in_(sa.bindparam("digests", expanding=True))
)


def of_item(tx: Transaction, workspace_id: str, item_id: str) -> list[ItemFileRow]:
    """The files of an item by name."""
    rows = tx.connection.execute(_LIST, {"workspace": workspace_id, "item": item_id}).mappings()
    return [ItemFileRow(**row) for row in rows]


def get(tx: Transaction, workspace_id: str, item_id: str, name: str) -> ItemFileRow | None:
    """The file of that name."""
    named = {"workspace": workspace_id, "item": item_id, "named": name}
    row = tx.connection.execute(_ONE, named).mappings().one_or_none()
    return None if row is None else ItemFileRow(**row)


def put(tx: Transaction, workspace_id: str, item_id: str, file: NewFile) -> None:
    """Give an item a file; one of that name makes room."""
    row = {"workspace_id": workspace_id, "item_id": item_id, "name": file.name, "sha256": file.sha256}
    statement = _PUT[tx.connection.dialect.name]
    tx.connection.execute(statement, {**row, "size_bytes": file.size_bytes, "created_at": tx.now})


def add_with_items(tx: Transaction, workspace_id: str, files: Sequence[tuple[str, NewFile]]) -> None:
    """Give items, just added by this transaction, their files: (item, file); items that were not added get none."""
    for item_id, file in files:
        named = {"workspace": workspace_id, "item": item_id, "named": file.name, "at": tx.now}
        tx.connection.execute(_WITH_ITEM, {**named, "digest": file.sha256, "size": file.size_bytes})


def copy(tx: Transaction, workspace_id: str, item_id: str, other_id: str) -> int:
    """Give another item, which has none, the files of the first; the bytes are the same. How many."""
    return tx.connection.execute(_COPY, {"workspace": workspace_id, "item": item_id, "other": other_id}).rowcount


def remove(tx: Transaction, workspace_id: str, item_id: str, name: str) -> bool:
    """Take a file from an item; False when it has none of that name."""
    return tx.connection.execute(_DELETE, {"workspace": workspace_id, "item": item_id, "named": name}).rowcount == 1


def owned(tx: Transaction, workspace_id: str, digests: Sequence[str]) -> Mapping[str, int]:
    """Sizes of those blobs, of these, that the workspace owns: what is another's is not here (S35)."""
    found: dict[str, int] = {}
    wanted = sorted(set(digests))
    for start in range(0, len(wanted), 500):
        named = {"workspace": workspace_id, "digests": wanted[start : start + 500]}
        found |= {row.sha256: row.size_bytes for row in tx.connection.execute(_OWNED, named)}
    return found
