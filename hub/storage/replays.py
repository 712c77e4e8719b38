"""Answers to calls that a gateway forwarded, so that a repeated call gets the first answer (core.md §6).

Written in the transaction of the effect itself; kept 1 h. Answers with secrets are never stored.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.tables import replays
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What was answered to a key. `mac` is a keyed hash of the request: another one under the key is refused."""

    mac: bytes
    status: int
    body: bytes


_FIND = sa.select(replays.c.mac, replays.c.status, replays.c.body).where(
    replays.c.workspace_id == sa.bindparam("workspace"),
    replays.c.execution_id == sa.bindparam("execution"),
    replays.c.key == sa.bindparam("named"),
)
_KEEP = {
    "sqlite": sqlite.insert(replays).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(replays).on_conflict_do_nothing(),
}
_OLD = (
    sa.select(replays.c.workspace_id, replays.c.execution_id, replays.c.key)
    .where(replays.c.at < sa.bindparam("before"))
    .order_by(replays.c.at)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_DELETE = sa.delete(replays).where(sa.tuple_(replays.c.workspace_id, replays.c.execution_id, replays.c.key).in_(_OLD))


def find_answer(tx: Transaction, workspace_id: str, execution_id: str, key: str) -> StoredAnswer | None:
    """Return what this execution's key was answered; None when it is new."""
    values = {"workspace": workspace_id, "execution": execution_id, "named": key}
    row = tx.connection.execute(_FIND, values).one_or_none()
    return None if row is None else StoredAnswer(mac=bytes(row.mac), status=row.status, body=bytes(row.body))


def keep_answer(tx: Transaction, workspace_id: str, execution_id: str, key: str, answer: StoredAnswer) -> bool:
    """Store an answer; False when the key has one already (the caller must raise, and ask again)."""
    values = {
        "workspace_id": workspace_id,
        "execution_id": execution_id,
        "key": key,
        "mac": answer.mac,
        "status": answer.status,
        "body": answer.body,
        "at": tx.now,
    }
    return tx.connection.execute(_KEEP[tx.connection.dialect.name], values).rowcount == 1


def forget_answers(tx: Transaction, before: datetime, at_most: int = 500) -> int:
    """Delete answers older than `before`, in a slice; return how many (core.md §5: slices of at most 500 rows)."""
    return int(tx.connection.execute(_DELETE, {"before": before, "at_most": at_most}).rowcount)
