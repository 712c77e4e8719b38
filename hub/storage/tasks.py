"""Task rows: made, moved by guarded statements, read with the names of what they point at.

Each verb says by its return whether the guard held. Only this file and `hub/storage/prerequisites.py` write tasks;
`hub/storage/task_pages.py` reads them for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.domain.placement import ranked_at
from hub.storage.direct import Direct
from hub.storage.tables import automations, bots, builds, label_sets, runners, tasks, workspaces
from hub.storage.transaction import Transaction
from hub.storage.updates import Insert, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task as it stands; the machine's value."""

    workspace_id: str
    id: str
    number: int
    round: int
    automation_id: str
    bot_id: str
    label_set_id: str
    state: str
    priority: int
    not_before: datetime | None
    ranked_at: datetime
    limit_key: str | None
    """Under which it counts among those of its automation's `concurrency_key`."""
    holding: bool
    """It was granted with something of a limit, which may be freed already."""
    parameters: dict[str, Any]
    test: bool
    fence: int
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    forced_cancel_at: datetime | None
    interrupt_requested_at: datetime | None
    kill_requested_at: datetime | None
    kill_requested_by: str | None
    reported_at: datetime | None
    outcome: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    next_task_id: str | None
    held: str | None
    trigger_id: str | None
    after: str | None
    """How the tasks that it waits for must end; None when it never waited for any."""
    tries: dict[str, int] | None
    """Tries again so far, by cause."""
    avoid_runner_id: str
    open_prerequisites: int
    """0 when it waits for no task any more."""
    awaited: bool
    """Others wait for it, and have not all been told its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a grant needs to know of a task: everything that goes into `Start`."""

    workspace: str
    number: int
    round: int
    automation: str
    automation_name: str
    bot: str
    declared: list[dict[str, Any]]
    report: str
    on_disconnect: str
    lost_after_s: int
    run_limit_s: int | None
    limits: dict[str, Any] | None
    retry: dict[str, Any] | None
    desktop: dict[str, Any] | None
    failed_in_a_row: int
    stopped_at: datetime | None
    """Since when a failure has its automation stopped."""
    runner_failed_in_a_row: int | None
    """Of the runner that it has, if any."""
    build_id: str | None
    build_state: str | None
    digest: str | None
    version: str | None
    launch: dict[str, Any] | None
    lock_digest: str | None


# The states stand in the statements as literals: the partial indexes are only used so.
_QUEUED = tasks.c.state == sa.literal_column("'queued'")
_WAITING = tasks.c.state == sa.literal_column("'waiting'")
_IS_FREE = tasks.c.open_prerequisites == sa.literal_column("0")
_HERE = (tasks.c.workspace_id == sa.bindparam("workspace")) & (tasks.c.id == sa.bindparam("task"))
_ROW = sa.select(*(tasks.c[name] for name in TaskRow.__slots__))
_GET = Direct(_ROW.where(_HERE))
_LOCK = Direct(_ROW.where(_HERE).with_for_update())
_OF_NUMBER = _ROW.where(
    tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.number == sa.bindparam("named")
).order_by(tasks.c.round)
_FIRST_ROUND = _OF_NUMBER.limit(1).with_for_update()
_NEWEST_ROUND = sa.select(sa.func.max(tasks.c.round)).where(
    tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.number == sa.bindparam("named")
)


def _released(kind: str) -> sa.ColumnElement[bool]:
    """Join of the build: the one that is released now, or the one that an execution got."""
    wanted = bots.c.released_build_id if kind == "released" else sa.bindparam("build")
    return (builds.c.workspace_id == bots.c.workspace_id) & (builds.c.id == wanted)


_TARGET = (
    sa.select(
        workspaces.c.label.label("workspace"),
        tasks.c.number,
        tasks.c.round,
        automations.c.label.label("automation"),
        automations.c.name.label("automation_name"),
        bots.c.name.label("bot"),
        automations.c.parameters.label("declared"),
        automations.c.report,
        automations.c.on_disconnect,
        automations.c.lost_after_s,
        automations.c.run_limit_s,
        automations.c.limits,
        automations.c.retry,
        automations.c.desktop,
        automations.c.failed_in_a_row,
        automations.c.stopped_at,
        runners.c.failed_in_a_row.label("runner_failed_in_a_row"),
        builds.c.id.label("build_id"),
        builds.c.state.label("build_state"),
        builds.c.digest,
        builds.c.version,
        builds.c.launch,
        builds.c.lock_digest,
    )
    .join_from(tasks, workspaces, workspaces.c.id == tasks.c.workspace_id)
    .join(
        automations,
        (automations.c.workspace_id == tasks.c.workspace_id) & (automations.c.id == tasks.c.automation_id),
    )
    .join(bots, (bots.c.workspace_id == tasks.c.workspace_id) & (bots.c.id == tasks.c.bot_id))
    .join(runners, (runners.c.workspace_id == tasks.c.workspace_id) & (runners.c.id == tasks.c.runner_id), isouter=True)
)
_RELEASED_TARGET = Direct(_TARGET.join(builds, _released("released"), isouter=True).where(_HERE))
_OWN_TARGET = Direct(_TARGET.join(builds, _released("own"), isouter=True).where(_HERE))

_PLACEMENT = (
    sa.select(label_sets.c.needs, bots.c.released_build_id)
    .join_from(
        tasks,
        label_sets,
        (label_sets.c.workspace_id == tasks.c.workspace_id) & (label_sets.c.id == tasks.c.label_set_id),
    )
    .join(bots, (bots.c.workspace_id == tasks.c.workspace_id) & (bots.c.id == tasks.c.bot_id))
    .where(_HERE)
)
_GRANT = Direct(
    sa.update(tasks)
    .where(_HERE, _QUEUED, tasks.c.fence == sa.bindparam("seen"), tasks.c.cancel_requested_at.is_(None))
    .where(tasks.c.held.is_(None))
    .values(
        state="running",
        holding=sa.bindparam("holds", type_=sa.Boolean()),
        fence=tasks.c.fence + 1,
        runner_id=sa.bindparam("runner"),
        build_id=sa.bindparam("build"),
        updated_at=sa.bindparam("at"),
    )
)
_STARTED = Direct(
    sa.update(tasks)
    .where(_HERE, tasks.c.fence == sa.bindparam("seen"))
    .values(started_at=sa.bindparam("began"), updated_at=sa.bindparam("at"))
)
_REQUEUE = (
    sa.update(tasks)
    .where(_HERE, tasks.c.state == "running", tasks.c.fence == sa.bindparam("seen"))
    .values(
        state="queued",
        fence=tasks.c.fence + sa.bindparam("more"),
        runner_id=None,
        build_id=None,
        started_at=None,
        reported_at=None,
        updated_at=sa.bindparam("at"),
    )
)
_DUE = sa.select(tasks.c.workspace_id, tasks.c.id).where(_WAITING, _IS_FREE)
_DUE = _DUE.where(tasks.c.not_before <= sa.bindparam("at"))
_DUE = _DUE.order_by(tasks.c.not_before).limit(sa.bindparam("at_most", type_=sa.Integer()))
_QUEUE = sa.update(tasks).where(_HERE, _WAITING, _IS_FREE).values(state="queued", updated_at=sa.bindparam("at"))
_NEXT_DUE = sa.select(sa.func.min(tasks.c.not_before)).where(_WAITING, _IS_FREE)
_WORKSPACES_WITH_QUEUED = sa.select(tasks.c.workspace_id).where(_QUEUED).distinct()
_INSERT = Insert(tasks)
_FINISH = Update(
    tasks,
    _HERE & (tasks.c.state == sa.bindparam("from")) & (tasks.c.fence == sa.bindparam("seen")),
    state="finished",
    held=None,
    fence=tasks.c.fence + sa.bindparam("more", type_=sa.Integer()),
    settled_at=sa.bindparam("at", type_=tasks.c.settled_at.type),
    updated_at=sa.bindparam("at", type_=tasks.c.updated_at.type),
)
_TRY_AGAIN = Update(
    tasks,
    _HERE & (tasks.c.state == "running") & (tasks.c.fence == sa.bindparam("seen")),
    fence=tasks.c.fence + sa.bindparam("more", type_=sa.Integer()),
    runner_id=None,
    build_id=None,
    started_at=None,
    reported_at=None,
    updated_at=sa.bindparam("at", type_=tasks.c.updated_at.type),
)
_NOTE = Update(
    tasks, _HERE & (tasks.c.state != "finished"), updated_at=sa.bindparam("at", type_=tasks.c.updated_at.type)
)


def get(tx: Transaction, workspace_id: str, task_id: str, *, lock: bool = False) -> TaskRow | None:
    """The task; with `lock` nobody else changes it before this transaction ends."""
    found = (_LOCK if lock else _GET).one(tx, {"workspace": workspace_id, "task": task_id})
    return None if found is None else TaskRow(**found)


def rounds(tx: Transaction, workspace_id: str, number: int) -> list[TaskRow]:
    """All rounds of a number, oldest first."""
    rows = tx.connection.execute(_OF_NUMBER, {"workspace": workspace_id, "named": number})
    return [TaskRow(**row) for row in rows.mappings()]


def next_round(tx: Transaction, workspace_id: str, number: int) -> int:
    """The round that comes next, under the lock of the number's first row (core.md §4, rounds)."""
    named = {"workspace": workspace_id, "named": number}
    tx.connection.execute(_FIRST_ROUND, named).all()
    return int(tx.connection.execute(_NEWEST_ROUND, named).scalar_one()) + 1


def insert(tx: Transaction, workspace_id: str, task_id: str, values: Mapping[str, Any]) -> None:
    """Add a task."""
    row = {**values, "workspace_id": workspace_id, "id": task_id, "created_at": tx.now, "updated_at": tx.now}
    row["ranked_at"] = ranked_at(values["priority"], max(tx.now, values.get("not_before") or tx.now))
    _INSERT.run(tx, row)


def target(tx: Transaction, workspace_id: str, task_id: str, build_id: str | None = None) -> Target:
    """What the task is to run: the released build, or the given one."""
    named = {"workspace": workspace_id, "task": task_id}
    own = {**named, "build": build_id}
    (row,) = _RELEASED_TARGET.rows(tx, named) if build_id is None else _OWN_TARGET.rows(tx, own)
    return Target(**row)


def placement_of(tx: Transaction, workspace_id: str, task_id: str) -> tuple[dict[str, str], str | None]:
    """(needs, released build) of a task."""
    row = tx.connection.execute(_PLACEMENT, {"workspace": workspace_id, "task": task_id}).one()
    return row[0], row[1]


def grant(tx: Transaction, task: TaskRow, runner_id: str, build_id: str, *, holds: bool = False) -> bool:
    """From queued to running, fence + 1; guarded by state, fence and no cancel (core.md D4)."""
    named = {"workspace": task.workspace_id, "task": task.id, "seen": task.fence, "runner": runner_id}
    return _GRANT.run(tx, {**named, "build": build_id, "holds": holds, "at": tx.now}) == 1


def started(tx: Transaction, workspace_id: str, task_id: str, fence: int, began: datetime) -> None:
    """Note when the newest execution began."""
    named = {"workspace": workspace_id, "task": task_id, "seen": fence, "began": began, "at": tx.now}
    _STARTED.run(tx, named)


def requeue(tx: Transaction, workspace_id: str, task_id: str, fence: int, more: int = 0) -> bool:
    """From running to queued, after a void; `more` raises the fence at once (loss)."""
    named = {"workspace": workspace_id, "task": task_id, "seen": fence, "more": more, "at": tx.now}
    return tx.connection.execute(_REQUEUE, named).rowcount == 1


def try_again(tx: Transaction, task: TaskRow, values: Mapping[str, Any], *, more: int = 0) -> bool:
    """From running to the state in `values`, for another try; guarded by state and fence."""
    named = {"workspace": task.workspace_id, "task": task.id, "seen": task.fence, "more": more, "at": tx.now}
    return _TRY_AGAIN.run(tx, named, values)


def finish(tx: Transaction, task: TaskRow, values: Mapping[str, Any], *, more: int = 0) -> bool:
    """From the state that `task` shows to finished, with the settlement in `values`; guarded by state and fence."""
    named = {"workspace": task.workspace_id, "task": task.id, "seen": task.fence, "from": task.state, "more": more}
    return _FINISH.run(tx, {**named, "at": tx.now}, values)


def note(tx: Transaction, workspace_id: str, task_id: str, values: Mapping[str, Any]) -> bool:
    """Write requests and reports beside the state of an unfinished task; False when it has finished."""
    return _NOTE.run(tx, {"workspace": workspace_id, "task": task_id, "at": tx.now}, values)


def queue_due(tx: Transaction, limit: int) -> list[tuple[str, str]]:
    """Queue at most `limit` tasks whose moment has come, and that wait for no task; (workspace, task) of each."""
    rows = tx.connection.execute(_DUE, {"at": tx.now, "at_most": limit}).all()
    return [(workspace_id, task_id) for workspace_id, task_id in rows if queue(tx, workspace_id, task_id)]


def queue(tx: Transaction, workspace_id: str, task_id: str) -> bool:
    """From waiting to queued; False when it does not wait, or waits for another task."""
    return tx.connection.execute(_QUEUE, {"workspace": workspace_id, "task": task_id, "at": tx.now}).rowcount == 1


def next_due(tx: Transaction) -> datetime | None:
    """The earliest moment that any task waits for which waits for nothing else."""
    moment: datetime | None = tx.connection.execute(_NEXT_DUE).scalar()
    return moment


def workspaces_with_queued(tx: Transaction) -> list[str]:
    """Workspaces in which somebody waits for a runner; for the safety sweep."""
    return list(tx.connection.execute(_WORKSPACES_WITH_QUEUED).scalars())
