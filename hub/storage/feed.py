"""The event feed as the engines write it: rows, dense positions, the audit chain (core.md §5).

`id > last` misses late commits, so readers follow `pos`: 1, 2, 3, … without holes, given in an order in which an event
never stands before one that its transaction had seen.

- SQLite: the only writer gives `pos` while it writes (`append_numbered`); a rolled back operation gives its back.
- PostgreSQL: rows are inserted with `pos IS NULL` (`append`); after the commit, whoever holds an advisory lock numbers
  them in order of `id` (`number_waiting`). `id` is drawn when the aggregate's row is locked, so two events of one
  aggregate keep their order.

`chain` is sha256 over the chain before it and the row: whoever changes or removes an old row breaks every later one
(S46). Retention may cut old rows, but must leave the newest: the next position and chain follow from it.
"""

import functools
import hashlib
import operator
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa

from hub.storage.json_text import dump_json
from hub.storage.tables import events
from hub.storage.tables.columns import sqlite_time
from hub.storage.transaction import NewEvent

NUMBERING_LOCK = 0x626F7479_66656564
"""Key of the advisory lock of whoever numbers events ("botyfeed")."""
BATCH = 1000
"""Events that are numbered in one transaction."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest numbered event: its position (0: none yet) and chain."""

    pos: int = 0
    chain: bytes = b""


_FIELDS = tuple(
    column.name for column in events.columns if column.name not in {"id", "pos", "at", "chain", "workspace_id"}
)
_NUMBERED = tuple(column.name for column in events.columns if column.name != "id")
_in_order = operator.itemgetter(*_NUMBERED)
_named = operator.attrgetter(*_FIELDS)
_INSERT_NUMBERED = f"INSERT INTO events ({', '.join(_NUMBERED)}) VALUES ({', '.join('?' * len(_NUMBERED))})"  # noqa: S608  # our own names
_INSERT = sa.insert(events)
_HEAD = sa.select(events.c.pos, events.c.chain).where(events.c.pos.is_not(None)).order_by(events.c.pos.desc()).limit(1)
_TRY_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(:key)").bindparams(key=NUMBERING_LOCK)
_WAITING = sa.select(events).where(events.c.pos.is_(None)).order_by(events.c.id).limit(BATCH)
_ANY_WAITING = sa.select(sa.exists().where(events.c.pos.is_(None)))
_NUMBER = (
    sa.update(events)
    .where(events.c.id == sa.bindparam("event_id"))
    .values(pos=sa.bindparam("new_pos"), chain=sa.bindparam("new_chain"))
)


def read_head(connection: sa.Connection) -> Head:
    """Return the newest numbered event."""
    row = connection.execute(_HEAD).first()
    return Head() if row is None else Head(row.pos, row.chain)


def append(connection: sa.Connection, recorded: Sequence[NewEvent], now: datetime) -> None:
    """Insert events that wait for their positions (PostgreSQL)."""
    if recorded:
        connection.execute(_INSERT, [_row(event, now) for event in recorded])


def append_numbered(connection: sa.Connection, recorded: Sequence[NewEvent], now: datetime, head: Head) -> Head:
    """Insert events behind `head` and return the new head (SQLite's only writer).

    Written past SQLAlchemy's compiler: every operation has an event, and this way it costs half (libraries.md, the
    database pattern, 5).
    """
    rows = []
    at = sqlite_time(now)
    for event in recorded:
        row = _row(event, now)
        head = next_head(head, row)
        row["pos"], row["chain"], row["at"] = head.pos, head.chain, at
        if event.data is not None:
            row["data"] = dump_json(event.data)
        rows.append(_in_order(row))
    if rows:
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        driver.executemany(_INSERT_NUMBERED, rows)
    return head


def number_waiting(connection: sa.Connection) -> int | None:
    """Number committed events that have no position yet; return how many, or None when another hub is at it.

    READ COMMITTED only: what is read after the lock must be what the last holder committed. The lock ends with the
    transaction. PostgreSQL only.
    """
    if not connection.execute(_TRY_LOCK).scalar_one():
        return None
    head = read_head(connection)
    numbered = []
    for row in connection.execute(_WAITING).mappings():
        head = next_head(head, row)
        numbered.append({"event_id": row["id"], "new_pos": head.pos, "new_chain": head.chain})
    if numbered:
        connection.execute(_NUMBER, numbered)
    return len(numbered)


def is_any_waiting(connection: sa.Connection) -> bool:
    """Whether committed events wait for a position."""
    return bool(connection.execute(_ANY_WAITING).scalar_one())


def next_head(head: Head, row: Mapping[str, Any] | sa.RowMapping) -> Head:
    """Return the head after `row`: the next position, and the chain over the old chain and the row."""
    pos = head.pos + 1
    moment: datetime = row["at"]
    content = {name: row[name] for name in _FIELDS}
    content["pos"], content["workspace_id"], content["at"] = pos, row["workspace_id"], _iso(moment)
    return Head(pos, hashlib.sha256(head.chain + dump_json(content).encode()).digest())


def _row(event: NewEvent, now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(_FIELDS, _named(event), strict=True))
    row["workspace_id"], row["at"] = event.workspace_id, now
    return row


@functools.lru_cache(maxsize=64)
def _iso(moment: datetime) -> str:
    """Remembered: the events of one transaction share their moment."""
    return moment.astimezone(UTC).isoformat()
