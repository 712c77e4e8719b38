"""Folders that runners watch for triggers, and the files of them that are settled (R65)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.domain.file_trigger import Mark
from hub.storage.direct import Direct
from hub.storage.tables import runners, trigger_files, triggers
from hub.storage.transaction import Transaction
from hub.storage.triggers import TriggerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRow:
    """What is watched for one trigger."""

    id: str
    definition: dict[str, Any]
    watched_revision: str | None


_MINE = (trigger_files.c.workspace_id == sa.bindparam("workspace")) & (
    trigger_files.c.trigger_id == sa.bindparam("trigger")
)
_OF_RUNNER = Direct(
    sa.select(triggers.c.id, triggers.c.definition, triggers.c.watched_revision)
    .join_from(
        triggers,
        runners,
        (runners.c.workspace_id == triggers.c.workspace_id) & (runners.c.name == triggers.c.runner),
    )
    .where(
        triggers.c.workspace_id == sa.bindparam("workspace"),
        runners.c.id == sa.bindparam("watcher"),
        runners.c.state == "enrolled",
        triggers.c.state == sa.literal_column("'active'"),
    )
    .order_by(triggers.c.id)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_WATCHERS = (
    sa.select(runners.c.workspace_id, runners.c.id)
    .distinct()
    .join_from(
        triggers,
        runners,
        (runners.c.workspace_id == triggers.c.workspace_id) & (runners.c.name == triggers.c.runner),
    )
    .where(triggers.c.runner.is_not(None), runners.c.session_epoch.is_not(None))
)
_MARKS = sa.select(
    trigger_files.c.identity, trigger_files.c.device, trigger_files.c.path, trigger_files.c.seen_at
).where(_MINE, trigger_files.c.identity.in_(sa.bindparam("identities", expanding=True)))
_PUT = {
    name: made.on_conflict_do_update(
        index_elements=["workspace_id", "trigger_id", "identity", "device"],
        set_={"path": made.excluded.path, "seen_at": made.excluded.seen_at},
    )
    for name, made in (("sqlite", sqlite.insert(trigger_files)), ("postgresql", postgresql.insert(trigger_files)))
}
_FORGET = sa.delete(trigger_files).where(
    _MINE,
    sa.or_(
        sa.and_(
            trigger_files.c.device == sa.bindparam("device"),
            trigger_files.c.seen_at < sa.bindparam("gone", type_=trigger_files.c.seen_at.type),
        ),
        trigger_files.c.seen_at < sa.bindparam("lost", type_=trigger_files.c.seen_at.type),
    ),
)


def of_runner(tx: Transaction, workspace_id: str, runner_id: str, limit: int) -> list[WatchedRow]:
    """What a runner should watch now, in a fixed order."""
    named = {"workspace": workspace_id, "watcher": runner_id, "at_most": limit}
    return [WatchedRow(**row) for row in _OF_RUNNER.rows(tx, named)]


def watchers(tx: Transaction) -> list[tuple[str, str]]:
    """(workspace, runner) of all that some trigger names, in any state, and that have a session."""
    return [(row.workspace_id, row.id) for row in tx.connection.execute(_WATCHERS)]


def marks(tx: Transaction, row: TriggerRow, identities: Collection[str]) -> list[Mark]:
    """What is kept of files of these identities."""
    named = {"workspace": row.workspace_id, "trigger": row.id, "identities": list(identities)}
    return [Mark(**found) for found in tx.connection.execute(_MARKS, named).mappings()]


def put(tx: Transaction, row: TriggerRow, found: Sequence[Mark]) -> None:
    """Keep these files, or that they were seen again."""
    if not found:
        return
    values = [
        {
            "workspace_id": row.workspace_id,
            "trigger_id": row.id,
            "identity": mark.identity,
            "device": mark.device,
            "path": mark.path,
            "seen_at": mark.seen_at,
        }
        for mark in found
    ]
    tx.connection.execute(_PUT[tx.connection.dialect.name], values)


def forget(tx: Transaction, row: TriggerRow, device: str, *, gone: datetime, lost: datetime) -> int:
    """Drop files of this device that were last seen before `gone`, and any before `lost`; how many."""
    named = {"workspace": row.workspace_id, "trigger": row.id, "device": device, "gone": gone, "lost": lost}
    return tx.connection.execute(_FORGET, named).rowcount
