"""Who may speak to the hub: workspaces, tokens, enrolment tokens, and idempotent API calls."""

import sqlalchemy as sa

from hub.storage.tables.columns import (
    blob,
    flag,
    json,
    key,
    metadata,
    one_of,
    points_at,
    prose,
    text,
    time,
    whole,
    workspace,
)

meta = sa.Table(
    "meta",
    metadata,
    text("key", primary_key=True),
    text("value"),
    comment="facts of this store as a whole: store_id, hub key; no workspace",
)

workspaces = sa.Table(
    "workspaces",
    metadata,
    text("id", primary_key=True),
    text("label", unique=True),
    prose("name"),
    time("created_at"),
    comment="the isolation boundary",
)

tokens = sa.Table(
    "tokens",
    metadata,
    workspace(),
    text("id"),
    prose("name"),
    text("role"),
    flag("instance", server_default=sa.false()),
    text("login", nullable=True, unique=True),
    text("secret_hash", unique=True),
    text("kind"),
    text("parent_id", nullable=True),
    time("created_at"),
    time("expires_at", nullable=True),
    time("revoked_at", nullable=True),
    time("last_used_at", nullable=True),
    key("id"),
    points_at("tokens", "parent_id"),
    one_of("role", ("viewer", "operator", "developer", "admin")),
    one_of("kind", ("key", "access")),
    comment="API keys, and the access tokens that SDKs get for one; only sha256 (hex) is stored",
)

enrolment_tokens = sa.Table(
    "enrolment_tokens",
    metadata,
    workspace(),
    text("id"),
    text("secret_hash", unique=True),
    json("labels"),
    prose("name", nullable=True),
    text("created_by"),
    time("created_at"),
    time("expires_at"),
    time("used_at", nullable=True),
    text("used_by", nullable=True),
    key("id"),
    comment="single use (S1): used_at is set by one guarded UPDATE; used_by is a runner's id, "
    "written before that runner's row, hence no foreign key",
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    workspace(),
    text("token_id"),
    text("key"),
    blob("mac"),
    whole("status"),
    blob("body"),
    time("at"),
    key("token_id", "key"),
    sa.Index(None, "at"),
    comment="answers to API clients' Idempotency-Key (P11), kept 24 h; the token may belong to "
    "another workspace (instance tokens), hence no foreign key",
)

counters = sa.Table(
    "counters",
    metadata,
    workspace(),
    prose("name"),
    whole("value"),
    key("name"),
    comment="integers handed out one by one: task numbers, artifact ids",
)

__all__ = [
    "counters",
    "enrolment_tokens",
    "idempotency",
    "meta",
    "tokens",
    "workspaces",
]
