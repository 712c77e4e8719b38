"""Rows of answers to API clients' Idempotency-Key (`services/idempotency.py` says what they are for)."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.tables import idempotency
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """What was answered to a key."""

    mac: bytes
    status: int
    body: bytes


_MINE = (
    idempotency.c.workspace_id == sa.bindparam("workspace"),
    idempotency.c.token_id == sa.bindparam("token"),
)
_ANSWER = sa.select(idempotency.c.mac, idempotency.c.status, idempotency.c.body).where(
    *_MINE, idempotency.c.key == sa.bindparam("named")
)
_FORGET = sa.delete(idempotency).where(*_MINE, idempotency.c.at < sa.bindparam("before"))
_KEEP = {
    "sqlite": sqlite.insert(idempotency).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(idempotency).on_conflict_do_nothing(),
}


def answer(tx: Transaction, workspace_id: str, token_id: str, key: str) -> AnswerRow | None:
    """What this token's `key` was answered, None when it is new."""
    row = tx.connection.execute(_ANSWER, {"workspace": workspace_id, "token": token_id, "named": key}).one_or_none()
    return None if row is None else AnswerRow(mac=bytes(row.mac), status=row.status, body=bytes(row.body))


def keep(tx: Transaction, workspace_id: str, token_id: str, key: str, row: AnswerRow) -> bool:
    """Remember an answer; False when another transaction was first."""
    values = {
        "workspace_id": workspace_id,
        "token_id": token_id,
        "key": key,
        "mac": row.mac,
        "status": row.status,
        "body": row.body,
        "at": tx.now,
    }
    return tx.connection.execute(_KEEP[tx.connection.dialect.name], values).rowcount == 1


def forget_before(tx: Transaction, workspace_id: str, token_id: str, before: datetime) -> None:
    """Drop this token's answers that are older than `before`."""
    tx.connection.execute(_FORGET, {"workspace": workspace_id, "token": token_id, "before": before})
