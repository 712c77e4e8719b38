"""The runners of a workspace as placement and `why` look at them: few columns of many rows.

A thousand whole rows cost a tenth of a second. So labels are read first, which is all that says who fits; the rest is
read of those alone.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from agent.wire.words import PreparationState
from hub.domain.placement import labels_of
from hub.storage.direct import Direct
from hub.storage.executions import LIVE
from hub.storage.tables import executions, preparations, runners, tasks
from hub.storage.transaction import Transaction


class Labelled(NamedTuple):
    """Who could fit."""

    id: str
    labels: dict[str, str]
    condition: dict[str, Any] | None


class Member(NamedTuple):
    """A runner, and how far a build has come on it."""

    id: str
    name: str
    labels: dict[str, str]
    slots: int
    draining: bool
    drain_reason: str | None
    drained_by: str | None
    drained_at: datetime | None
    session_epoch: int | None
    quarantined_at: datetime | None
    quarantine_reason: str | None
    benched_at: datetime | None
    unreachable_since: datetime | None
    last_seen_at: datetime | None
    created_at: datetime
    condition: dict[str, Any] | None
    preparation: PreparationState | None
    progress: float | None
    message: str | None
    permanent: bool | None
    told_at: datetime | None


class Holding(NamedTuple):
    """A task that a runner has."""

    runner_id: str
    number: int
    round: int
    since: datetime
    """When it was granted."""

    @property
    def name(self) -> str:
        """As people know the task."""
        return f"{self.number}.{self.round}" if self.round > 1 else str(self.number)


_HERE = (runners.c.workspace_id == sa.bindparam("workspace")) & (runners.c.state == sa.literal_column("'enrolled'"))
_NAMED = sa.select(runners.c.id, runners.c.name, runners.c.labels).where(_HERE).order_by(runners.c.name)
_LABELLED = Direct(_NAMED)
_CONDITIONED = Direct(_NAMED.add_columns(runners.c.condition))
_TOLD = {
    "preparation": preparations.c.state,
    "progress": preparations.c.progress,
    "message": preparations.c.message,
    "permanent": preparations.c.permanent,
    "told_at": preparations.c.updated_at,
}
_MEMBERS = (
    sa.select(*(_TOLD[name].label(name) if name in _TOLD else runners.c[name] for name in Member._fields))
    .join_from(
        runners,
        preparations,
        (preparations.c.workspace_id == runners.c.workspace_id)
        & (preparations.c.runner_id == runners.c.id)
        & (preparations.c.build_id == sa.bindparam("build")),
        isouter=True,
    )
    .where(_HERE)
    .order_by(runners.c.name)
)
_ALL = Direct(_MEMBERS)
_SOME = _MEMBERS.where(runners.c.id.in_(sa.bindparam("runners", expanding=True)))
_FEW = 100
"""So many are asked for by name; of more all are read and the others left out."""
_BUSY = Direct(
    sa.select(executions.c.runner_id, tasks.c.number, tasks.c.round, executions.c.granted_at.label("since"))
    .join_from(
        executions,
        tasks,
        (tasks.c.workspace_id == executions.c.workspace_id) & (tasks.c.id == executions.c.task_id),
    )
    .where(
        executions.c.workspace_id == sa.bindparam("workspace"),
        executions.c.state.in_([sa.literal_column(f"'{state}'") for state in LIVE]),
    )
    .order_by(executions.c.runner_id, executions.c.slot, executions.c.id)
)


def labelled(tx: Transaction, workspace_id: str, *, with_condition: bool = False) -> list[Labelled]:
    """All runners that are not revoked, by name; what they told of themselves only where it is asked for."""
    rows = (_CONDITIONED if with_condition else _LABELLED).rows(tx, {"workspace": workspace_id})
    return [Labelled(row["id"], labels_of(row["name"], row["labels"]), row.get("condition")) for row in rows]


def members(
    tx: Transaction, workspace_id: str, build_id: str | None, runner_ids: Collection[str] | None = None
) -> list[Member]:
    """These runners, by name, with what they told of the build; all that are not revoked for None."""
    named = {"workspace": workspace_id, "build": build_id or ""}
    if runner_ids is None or len(runner_ids) > _FEW:
        rows = _ALL.rows(tx, named)
    else:
        some = tx.connection.execute(_SOME, {**named, "runners": list(runner_ids)})
        rows = [dict(row) for row in some.mappings()]
    wanted = None if runner_ids is None else frozenset(runner_ids)
    return [_member(row) for row in rows if wanted is None or row["id"] in wanted]


def busy(tx: Transaction, workspace_id: str) -> dict[str, list[Holding]]:
    """What runners have to do, by runner and slot; those that have nothing are left out."""
    found: dict[str, list[Holding]] = {}
    for row in _BUSY.rows(tx, {"workspace": workspace_id}):
        found.setdefault(row["runner_id"], []).append(Holding(**row))
    return found


def _member(row: Mapping[str, Any]) -> Member:
    state = row["preparation"]
    labels = labels_of(row["name"], row["labels"])
    return Member(**{**row, "labels": labels, "preparation": PreparationState(state) if state else None})
