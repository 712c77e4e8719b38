"""All tables of the hub, in SQLAlchemy Core; the one description of the schema.

Every table has `workspace_id` as the first column of its key, except `meta`, `workspaces`,
`cursors` (no workspace) and `events` (append-only, dense position). Ids are text with a prefix and
unique everywhere; times are UTC; every state column has a CHECK; every reference is a composite
foreign key (workspace, id), so that no row can point into another workspace (S36).
"""

from hub.storage.tables.access import (
    counters,
    enrolment_tokens,
    idempotency,
    meta,
    tokens,
    workspaces,
)
from hub.storage.tables.builds import blobs, bots, builds, preparations, releases
from hub.storage.tables.columns import metadata
from hub.storage.tables.feed import alerts, cursors, events
from hub.storage.tables.results import (
    amendments,
    artifacts,
    facts,
    late_reports,
    log_rows,
    outputs,
    replays,
    said,
)
from hub.storage.tables.runners import runner_sessions, runners
from hub.storage.tables.work import automations, executions, label_sets, tasks

__all__ = [
    "alerts",
    "amendments",
    "artifacts",
    "automations",
    "blobs",
    "bots",
    "builds",
    "counters",
    "cursors",
    "enrolment_tokens",
    "events",
    "executions",
    "facts",
    "idempotency",
    "label_sets",
    "late_reports",
    "log_rows",
    "meta",
    "metadata",
    "outputs",
    "preparations",
    "releases",
    "replays",
    "runner_sessions",
    "runners",
    "said",
    "tasks",
    "tokens",
    "workspaces",
]
