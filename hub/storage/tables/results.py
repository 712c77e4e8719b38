"""What comes back: facts, late reports, amendments, output, artifacts, gateway replays."""

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

facts = sa.Table(
    "facts",
    metadata,
    workspace(),
    text("execution_id"),
    whole("seq"),
    text("kind"),
    whole("fence"),
    json("body"),
    flag("late", server_default=sa.false()),
    time("received_at"),
    key("execution_id", "seq"),
    points_at("executions", "execution_id"),
    one_of("kind", ("started", "void", "report", "stop", "artifact", "exit", "final")),
    comment="the one ordered stream of an execution (G4); a repeated seq is acknowledged again",
)

late_reports = sa.Table(
    "late_reports",
    metadata,
    workspace(),
    text("id"),
    text("execution_id"),
    whole("seq", nullable=True),
    json("body"),
    time("received_at"),
    time("accepted_at", nullable=True),
    key("id"),
    points_at("executions", "execution_id"),
    sa.Index(None, "workspace_id", "execution_id"),
    comment="reports that came after the settlement; a person may accept one (= amendment)",
)

amendments = sa.Table(
    "amendments",
    metadata,
    workspace(),
    text("id"),
    text("task_id"),
    text("status"),
    prose("message", nullable=True),
    whole("total", nullable=True),
    whole("processed", nullable=True),
    whole("failed", nullable=True),
    text("amended_by"),
    time("amended_at"),
    key("id"),
    points_at("tasks", "task_id"),
    sa.Index(None, "workspace_id", "task_id", "amended_at"),
    comment="what a person said of a task after its settlement; fires nothing",
)

outputs = sa.Table(
    "outputs",
    metadata,
    workspace(),
    text("execution_id"),
    whole("bytes", server_default="0"),
    whole("lines", server_default="0"),
    whole("sealed_bytes", server_default="0"),
    time("sealed_at", nullable=True),
    text("blob_sha256", nullable=True),
    text("index_sha256", nullable=True),
    flag("damaged", server_default=sa.false()),
    key("execution_id"),
    points_at("executions", "execution_id"),
    comment="counters and sealed segments of an output; the bytes are in files, never in rows",
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    workspace(),
    whole("id"),
    text("task_id"),
    whole("task_number"),
    text("execution_id", nullable=True),
    prose("name"),
    text("sha256"),
    whole("size_bytes"),
    prose("content_type"),
    time("created_at"),
    key("id"),
    points_at("tasks", "task_id"),
    points_at("executions", "execution_id"),
    sa.Index(None, "workspace_id", "task_number", "id"),
    comment="result files; ids are small integers per workspace (BotCity's)",
)

replays = sa.Table(
    "replays",
    metadata,
    workspace(),
    text("execution_id"),
    text("key"),
    blob("mac"),
    whole("status"),
    blob("body"),
    time("at"),
    key("execution_id", "key"),
    points_at("executions", "execution_id"),
    sa.Index(None, "at"),
    comment="answers to forwarded gateway calls (core.md §6), kept 1 h; never ones with secrets",
)
