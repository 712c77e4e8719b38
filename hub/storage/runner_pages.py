"""What a runner is doing, for people: the executions that it has, and the builds that it was told to have ready."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hub.storage.executions import LIVE
from hub.storage.tables import automations, bots, builds, executions, preparations, tasks
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BusySlot:
    """One execution that a runner has, and what it is for."""

    slot: int
    execution_id: str
    state: str
    since: datetime
    """When it was granted."""
    runner_id: str
    task_id: str
    number: int
    round: int
    automation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBuild:
    """One build on a runner: how far it is."""

    build_id: str
    bot: str
    version: str
    digest: str
    state: str
    progress: float
    message: str
    is_released: bool
    updated_at: datetime


_BUSY = (
    sa.select(
        executions.c.slot,
        executions.c.id.label("execution_id"),
        executions.c.state,
        executions.c.granted_at.label("since"),
        executions.c.runner_id,
        executions.c.task_id,
        tasks.c.number,
        tasks.c.round,
        automations.c.label.label("automation"),
    )
    .join_from(
        executions,
        tasks,
        (tasks.c.workspace_id == executions.c.workspace_id) & (tasks.c.id == executions.c.task_id),
    )
    .join(
        automations,
        (automations.c.workspace_id == tasks.c.workspace_id) & (automations.c.id == tasks.c.automation_id),
    )
    .where(
        executions.c.workspace_id == sa.bindparam("workspace"),
        executions.c.runner_id.in_(sa.bindparam("runners", expanding=True)),
        executions.c.state.in_(LIVE),
    )
    .order_by(executions.c.runner_id, executions.c.slot, executions.c.id)
)
_HELD = (
    sa.select(
        preparations.c.build_id,
        bots.c.name.label("bot"),
        builds.c.version,
        builds.c.digest,
        preparations.c.state,
        preparations.c.progress,
        sa.func.coalesce(preparations.c.message, "").label("message"),
        (bots.c.released_build_id == builds.c.id).label("is_released"),
        preparations.c.updated_at,
    )
    .join_from(
        preparations,
        builds,
        (builds.c.workspace_id == preparations.c.workspace_id) & (builds.c.id == preparations.c.build_id),
    )
    .join(bots, (bots.c.workspace_id == builds.c.workspace_id) & (bots.c.id == builds.c.bot_id))
    .where(
        preparations.c.workspace_id == sa.bindparam("workspace"),
        preparations.c.runner_id == sa.bindparam("runner"),
        preparations.c.state != "wanted",
    )
    .order_by(bots.c.name, builds.c.created_at.desc())
    .limit(200)
)


def busy(tx: Transaction, workspace_id: str, runner_ids: Sequence[str]) -> list[BusySlot]:
    """What these runners have to do, by runner and slot."""
    if not runner_ids:
        return []
    rows = tx.connection.execute(_BUSY, {"workspace": workspace_id, "runners": list(runner_ids)}).mappings()
    return [BusySlot(**row) for row in rows]


def held(tx: Transaction, workspace_id: str, runner_id: str) -> list[HeldBuild]:
    """Builds that the runner has ready, makes ready, or could not make ready; a released one may be among them."""
    rows = tx.connection.execute(_HELD, {"workspace": workspace_id, "runner": runner_id}).mappings()
    return [HeldBuild(**{**row, "is_released": bool(row["is_released"])}) for row in rows]
