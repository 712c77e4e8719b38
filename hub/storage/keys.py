"""Further queries about keys, for the people who keep them (`access.py` has what every request needs)."""

from datetime import datetime

import sqlalchemy as sa

from hub.storage.access import TokenRow
from hub.storage.tables import tokens
from hub.storage.transaction import Transaction

_KEYS_HERE = sa.select(*(tokens.c[name] for name in TokenRow.__slots__)).where(
    tokens.c.workspace_id == sa.bindparam("workspace"), tokens.c.kind == "key"
)
_KEY = _KEYS_HERE.where(tokens.c.id == sa.bindparam("token"))
_UNREVOKED = _KEYS_HERE.where(tokens.c.revoked_at.is_(None))
_FORGET_ACCESS = sa.delete(tokens).where(
    tokens.c.workspace_id == sa.bindparam("workspace"),
    tokens.c.kind == "access",
    tokens.c.expires_at < sa.bindparam("before"),
)


def key(tx: Transaction, workspace_id: str, token_id: str) -> TokenRow | None:
    """One key, live or not."""
    values = {"workspace": workspace_id, "token": token_id}
    row = tx.connection.execute(_KEY, values).mappings().one_or_none()
    return None if row is None else TokenRow(**row)


def unrevoked(tx: Transaction, workspace_id: str) -> list[TokenRow]:
    """All keys that nobody revoked; some may have expired."""
    rows = tx.connection.execute(_UNREVOKED, {"workspace": workspace_id})
    return [TokenRow(**row) for row in rows.mappings()]


def forget_access_tokens(tx: Transaction, workspace_id: str, before: datetime) -> None:
    """Drop SDKs' logins that ended before `before`."""
    tx.connection.execute(_FORGET_ACCESS, {"workspace": workspace_id, "before": before})
