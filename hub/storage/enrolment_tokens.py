"""Further queries about enrolment tokens, for the people who hand them out (`access.py` makes and uses them)."""

import sqlalchemy as sa

from hub.storage.access import EnrolmentRow
from hub.storage.tables import enrolment_tokens
from hub.storage.transaction import Transaction

_HERE = enrolment_tokens.c.workspace_id == sa.bindparam("workspace")
_ONE = enrolment_tokens.c.id == sa.bindparam("token")
_ALL = sa.select(*(enrolment_tokens.c[name] for name in EnrolmentRow.__slots__)).where(_HERE)
_TOKEN = _ALL.where(_ONE)
_PAGE = (
    _ALL.where(enrolment_tokens.c.id > sa.bindparam("after"))
    .order_by(enrolment_tokens.c.id)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_END = (
    sa.update(enrolment_tokens)
    .where(_HERE, _ONE, enrolment_tokens.c.used_at.is_(None), enrolment_tokens.c.expires_at > sa.bindparam("moment"))
    .values(expires_at=sa.bindparam("moment"))
)


def enrolment_token(tx: Transaction, workspace_id: str, token_id: str) -> EnrolmentRow | None:
    """One enrolment token, in whatever state."""
    values = {"workspace": workspace_id, "token": token_id}
    row = tx.connection.execute(_TOKEN, values).mappings().one_or_none()
    return None if row is None else EnrolmentRow(**row)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[EnrolmentRow]:
    """Enrolment tokens, oldest first, behind the id `after`."""
    rows = tx.connection.execute(_PAGE, {"workspace": workspace_id, "after": after, "at_most": limit})
    return [EnrolmentRow(**row) for row in rows.mappings()]


def end(tx: Transaction, workspace_id: str, token_id: str) -> bool:
    """End an unused token now; False when it was used or had ended."""
    values = {"workspace": workspace_id, "token": token_id, "moment": tx.now}
    return tx.connection.execute(_END, values).rowcount == 1
