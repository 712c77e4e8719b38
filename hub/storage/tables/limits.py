"""What tasks share and wait for: named resources, who holds what, prerequisites, and breakers."""

import sqlalchemy as sa

from hub.domain.breaker import BreakerState
from hub.storage.tables.columns import (
    json,
    key,
    metadata,
    one_of,
    points_at,
    prose,
    rule,
    text,
    time,
    unique,
    whole,
    workspace,
)

_TIMED = sa.text("probe_at IS NOT NULL")
_NAMED = sa.text("account IS NOT NULL")

resources = sa.Table(
    "resources",
    metadata,
    workspace(),
    text("id"),
    text("label"),
    prose("name"),
    prose("description", server_default=""),
    whole("capacity"),
    json("accounts", nullable=True),
    whole("turn", server_default="0"),
    time("created_at"),
    time("updated_at"),
    key("id"),
    unique("label"),
    rule("capacity_positive", "capacity >= 0"),
    comment="something of which there is only so much: licences, accounts, sessions of an application",
)

holds = sa.Table(
    "holds",
    metadata,
    workspace(),
    text("limit_key"),
    text("task_id"),
    whole("units"),
    text("account", nullable=True),
    time("since"),
    key("limit_key", "task_id"),
    points_at("tasks", "task_id"),
    sa.Index(None, "workspace_id", "task_id"),
    sa.Index(
        "uq_holds_account",
        "workspace_id",
        "limit_key",
        "account",
        unique=True,
        sqlite_where=_NAMED,
        postgresql_where=_NAMED,
    ),
    comment="what a running task has of a limit; gone with its permit",
)

starts = sa.Table(
    "starts",
    metadata,
    workspace(),
    text("limit_key"),
    text("task_id"),
    whole("fence"),
    time("at"),
    key("limit_key", "task_id", "fence"),
    points_at("tasks", "task_id"),
    sa.Index(None, "workspace_id", "limit_key", "at"),
    sa.Index(None, "workspace_id", "task_id"),
    comment="orders given under a limit of so many a minute; those that fell out of the time are deleted",
)

prerequisites = sa.Table(
    "prerequisites",
    metadata,
    workspace(),
    text("task_id"),
    text("after_task_id"),
    text("outcome", nullable=True),
    key("task_id", "after_task_id"),
    points_at("tasks", "task_id"),
    sa.ForeignKeyConstraint(["workspace_id", "after_task_id"], ["tasks.workspace_id", "tasks.id"]),
    sa.Index(None, "workspace_id", "after_task_id"),
    comment="which tasks a task waits for; outcome is that task's, once it has one",
)

windows = sa.Table(
    "windows",
    metadata,
    workspace(),
    text("id"),
    text("runner_id"),
    time("starts_at"),
    time("ends_at"),
    prose("reason"),
    text("created_by"),
    time("created_at"),
    key("id"),
    points_at("runners", "runner_id"),
    rule("ends_later", "ends_at > starts_at"),
    sa.Index(None, "workspace_id", "runner_id", "ends_at"),
    comment="maintenance: from when until when a runner gets no work",
)

breakers = sa.Table(
    "breakers",
    metadata,
    workspace(),
    text("id"),
    text("label"),
    text("state", server_default="closed"),
    json("policy"),
    whole("failed_in_a_row", server_default="0"),
    whole("openings", server_default="0"),
    time("opened_at", nullable=True),
    time("probe_at", nullable=True),
    prose("why", nullable=True),
    text("item_id", nullable=True),
    whole("probes_out", server_default="0"),
    whole("probes_passed", server_default="0"),
    time("created_at"),
    time("updated_at"),
    key("id"),
    unique("label"),
    one_of("state", BreakerState),
    sa.Index("ix_breakers_timed", "probe_at", sqlite_where=_TIMED, postgresql_where=_TIMED),
    comment="one for each application that items need: open while it is out of order",
)
