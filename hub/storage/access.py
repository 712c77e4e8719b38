"""Rows of workspaces, tokens and enrolment tokens. Secrets come here as sha256 in hexadecimal only (S1, S34)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.tables import enrolment_tokens, tokens, workspaces
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceRow:
    """A workspace."""

    id: str
    label: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A key, or an access token that `parent_id` was exchanged for."""

    workspace_id: str
    id: str
    name: str
    role: str
    instance: bool = False
    login: str | None = None
    secret_hash: str
    kind: str
    parent_id: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRow:
    """A token that brings one runner in, once."""

    workspace_id: str
    id: str
    secret_hash: str
    labels: Mapping[str, str]
    name: str | None = None
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: str | None = None


_LIMIT = sa.bindparam("at_most", type_=sa.Integer())
_W = sa.select(*(workspaces.c[name] for name in WorkspaceRow.__slots__))
_WORKSPACE = _W.where(workspaces.c.id == sa.bindparam("workspace"))
_WORKSPACE_BY_LABEL = _W.where(workspaces.c.label == sa.bindparam("named"))
_WORKSPACES = _W.where(workspaces.c.label > sa.bindparam("after")).order_by(workspaces.c.label).limit(_LIMIT)
_T = sa.select(*(tokens.c[name] for name in TokenRow.__slots__))
_TOKEN_BY_HASH = _T.where(tokens.c.secret_hash == sa.bindparam("hash"))
_TOKEN_BY_LOGIN = _T.where(tokens.c.login == sa.bindparam("named"))
_OF_WORKSPACE = tokens.c.workspace_id == sa.bindparam("workspace")
_KEYS = (
    _T.where(_OF_WORKSPACE, tokens.c.kind == "key", tokens.c.id > sa.bindparam("after"))
    .order_by(tokens.c.id)
    .limit(_LIMIT)
)
_TOUCH = (
    sa.update(tokens)
    .where(_OF_WORKSPACE, tokens.c.id == sa.bindparam("token"))
    .values(last_used_at=sa.bindparam("moment"))
)
_REVOKE = (
    sa.update(tokens)
    .where(
        _OF_WORKSPACE,
        sa.or_(tokens.c.id == sa.bindparam("token"), tokens.c.parent_id == sa.bindparam("token")),
        tokens.c.revoked_at.is_(None),
    )
    .values(revoked_at=sa.bindparam("moment"))
    .returning(tokens.c.id)
)
_USE = (
    sa.update(enrolment_tokens)
    .where(
        enrolment_tokens.c.secret_hash == sa.bindparam("hash"),
        enrolment_tokens.c.used_at.is_(None),
        enrolment_tokens.c.expires_at > sa.bindparam("moment"),
    )
    .values(used_at=sa.bindparam("moment"), used_by=sa.bindparam("runner"))
    .returning(*(enrolment_tokens.c[name] for name in EnrolmentRow.__slots__))
)
_INSERT = {
    table: {
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
    }
    for table in (workspaces, tokens, enrolment_tokens)
}


def insert_workspace(tx: Transaction, row: WorkspaceRow) -> bool:
    """Add a workspace; False when its label is taken."""
    return _insert(tx, workspaces, asdict(row))


def workspace(tx: Transaction, workspace_id: str) -> WorkspaceRow | None:
    """The workspace of that id."""
    row = tx.connection.execute(_WORKSPACE, {"workspace": workspace_id}).mappings().one_or_none()
    return None if row is None else WorkspaceRow(**row)


def workspace_by_label(tx: Transaction, label: str) -> WorkspaceRow | None:
    """The workspace of that label."""
    row = tx.connection.execute(_WORKSPACE_BY_LABEL, {"named": label}).mappings().one_or_none()
    return None if row is None else WorkspaceRow(**row)


def workspace_page(tx: Transaction, after: str, limit: int) -> list[WorkspaceRow]:
    """Workspaces in order of label, those behind `after`."""
    rows = tx.connection.execute(_WORKSPACES, {"after": after, "at_most": limit}).mappings()
    return [WorkspaceRow(**row) for row in rows]


def insert_token(tx: Transaction, row: TokenRow) -> bool:
    """Add a token; False when its login (or secret) is taken."""
    return _insert(tx, tokens, asdict(row))


def token_by_hash(tx: Transaction, secret_hash: str) -> TokenRow | None:
    """The token of that secret, live or not: the caller looks at `expires_at` and `revoked_at`.

    The one query that takes no workspace: the secret says which it is.
    """
    row = tx.connection.execute(_TOKEN_BY_HASH, {"hash": secret_hash}).mappings().one_or_none()
    return None if row is None else TokenRow(**row)


def token_by_login(tx: Transaction, login: str) -> TokenRow | None:
    """The key with that login, live or not; logins are unique over all workspaces, as SDKs send nothing else."""
    row = tx.connection.execute(_TOKEN_BY_LOGIN, {"named": login}).mappings().one_or_none()
    return None if row is None else TokenRow(**row)


def key_page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[TokenRow]:
    """The keys (no access tokens) of a workspace in order of id, hence of age, those behind `after`."""
    values = {"workspace": workspace_id, "after": after, "at_most": limit}
    return [TokenRow(**row) for row in tx.connection.execute(_KEYS, values).mappings()]


def touch_token(tx: Transaction, workspace_id: str, token_id: str) -> None:
    """Note that the token was used now."""
    tx.connection.execute(_TOUCH, {"workspace": workspace_id, "token": token_id, "moment": tx.now})


def revoke_token(tx: Transaction, workspace_id: str, token_id: str) -> bool:
    """Revoke a token and every access token that it was exchanged for; False when it was not live."""
    values = {"workspace": workspace_id, "token": token_id, "moment": tx.now}
    return token_id in tx.connection.execute(_REVOKE, values).scalars().all()


def insert_enrolment(tx: Transaction, row: EnrolmentRow) -> bool:
    """Add an enrolment token; False when its secret is taken."""
    return _insert(tx, enrolment_tokens, asdict(row))


def use_enrolment(tx: Transaction, secret_hash: str, runner_id: str) -> EnrolmentRow | None:
    """Use an enrolment token up for this runner; None when it is unknown, used or expired.

    One guarded UPDATE: of many callers at once, one gets it (S1).
    """
    values = {"hash": secret_hash, "runner": runner_id, "moment": tx.now}
    row = tx.connection.execute(_USE, values).mappings().one_or_none()
    return None if row is None else EnrolmentRow(**row)


def _insert(tx: Transaction, table: sa.Table, values: Mapping[str, object]) -> bool:
    return tx.connection.execute(_INSERT[table][tx.connection.dialect.name], values).rowcount == 1
