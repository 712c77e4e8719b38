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
from hub.storage.tables.limits import breakers, holds, prerequisites, resources, starts, windows
from hub.storage.tables.queues import attempts, batches, item_files, items, queues, side_effects
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
from hub.storage.tables.triggers import awaited, calendars, firings, trigger_files, triggers
from hub.storage.tables.work import automations, executions, label_sets, retries, tasks

__all__ = [
    "alerts",
    "amendments",
    "artifacts",
    "attempts",
    "automations",
    "awaited",
    "batches",
    "blobs",
    "bots",
    "breakers",
    "builds",
    "calendars",
    "counters",
    "cursors",
    "enrolment_tokens",
    "events",
    "executions",
    "facts",
    "firings",
    "holds",
    "idempotency",
    "item_files",
    "items",
    "label_sets",
    "late_reports",
    "log_rows",
    "meta",
    "metadata",
    "outputs",
    "preparations",
    "prerequisites",
    "queues",
    "releases",
    "replays",
    "resources",
    "retries",
    "runner_sessions",
    "runners",
    "said",
    "side_effects",
    "starts",
    "tasks",
    "tokens",
    "trigger_files",
    "triggers",
    "windows",
    "workspaces",
]
