"""What happened: the event feed, who read how far, and alerts (core.md §5, event feed)."""

import sqlalchemy as sa

from hub.storage.tables.columns import (
    Big,
    blob,
    json,
    key,
    metadata,
    prose,
    text,
    time,
    whole,
    workspace,
)

_UNNUMBERED = sa.text("pos IS NULL")

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Big, primary_key=True, autoincrement=True),
    whole("pos", nullable=True, unique=True),
    text("workspace_id"),
    time("at"),
    text("kind"),
    text("subject"),
    text("task_id", nullable=True),
    text("execution_id", nullable=True),
    text("runner_id", nullable=True),
    text("actor"),
    text("old", nullable=True),
    text("new", nullable=True),
    text("cause", nullable=True),
    json("data", nullable=True),
    blob("chain", nullable=True),
    sa.Index("ix_events_unnumbered", "id", sqlite_where=_UNNUMBERED, postgresql_where=_UNNUMBERED),
    sa.Index(None, "workspace_id", "pos"),
    sa.Index(None, "workspace_id", "task_id", "pos"),
    sqlite_autoincrement=True,
    comment="append-only; pos is dense and given after the commit, so no foreign keys: the table can be cut by time",
)

cursors = sa.Table(
    "cursors",
    metadata,
    text("name", primary_key=True),
    whole("pos", server_default="0"),
    comment="how far each reader of the feed got; moved in the reader's own transaction",
)

alerts = sa.Table(
    "alerts",
    metadata,
    workspace(),
    text("id"),
    time("at"),
    text("kind"),
    text("subject"),
    prose("message"),
    time("resolved_at", nullable=True),
    key("id"),
    sa.Index(None, "workspace_id", "at"),
    comment="what a person should look at",
)
