"""Bots, their builds and releases, and where builds are prepared; the blobs they are made of."""

import sqlalchemy as sa

from agent.wire.words import BuildState, PreparationState
from hub.storage.tables.columns import (
    flag,
    json,
    key,
    metadata,
    number,
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

bots = sa.Table(
    "bots",
    metadata,
    workspace(),
    text("id"),
    text("name"),
    text("released_build_id", nullable=True),
    time("created_at"),
    key("id"),
    unique("name"),
    comment="a named program; released_build_id is the build that new executions get: no foreign key, since "
    "builds point here; the row of releases that goes with it has one",
)

builds = sa.Table(
    "builds",
    metadata,
    workspace(),
    text("id"),
    text("bot_id"),
    text("version"),
    text("digest"),
    text("state"),
    text("kind", nullable=True),
    json("launch", nullable=True),
    text("lock_digest", nullable=True),
    text("python", nullable=True),
    whole("size_bytes", server_default="0"),
    whole("file_count", server_default="0"),
    prose("problem", nullable=True),
    text("created_by"),
    time("created_at"),
    time("ready_at", nullable=True),
    key("id"),
    unique("bot_id", "version"),
    points_at("bots", "bot_id"),
    one_of("state", BuildState),
    rule("ready_is_launchable", "state <> 'ready' OR (kind IS NOT NULL AND launch IS NOT NULL)"),
    sa.Index(None, "workspace_id", "digest"),
    sa.Index(
        "ix_builds_unfinished",
        "created_at",
        sqlite_where=sa.text("state IN ('received', 'resolving')"),
        postgresql_where=sa.text("state IN ('received', 'resolving')"),
    ),
    comment="one immutable version of a bot; digest is the sha256 (hex) of its manifest",
)

releases = sa.Table(
    "releases",
    metadata,
    workspace(),
    text("id"),
    text("bot_id"),
    text("build_id"),
    text("released_by"),
    time("released_at"),
    key("id"),
    points_at("bots", "bot_id"),
    points_at("builds", "build_id"),
    sa.Index(None, "workspace_id", "bot_id", "released_at"),
    comment="which build of a bot went live when, and by whom",
)

preparations = sa.Table(
    "preparations",
    metadata,
    workspace(),
    text("runner_id"),
    text("build_id"),
    text("state"),
    number("progress", server_default="0"),
    prose("message", nullable=True),
    flag("permanent", server_default=sa.false()),
    time("succeeded_at", nullable=True),
    time("updated_at"),
    key("runner_id", "build_id"),
    points_at("runners", "runner_id"),
    points_at("builds", "build_id"),
    one_of("state", PreparationState),
    sa.Index(None, "workspace_id", "build_id", "state"),
    comment="where a build is prepared: desired state, not a phase of an execution (core.md §1)",
)

blobs = sa.Table(
    "blobs",
    metadata,
    workspace(),
    text("sha256"),
    whole("size_bytes"),
    time("created_at"),
    key("sha256"),
    comment="which files of the blob store a workspace owns",
)
