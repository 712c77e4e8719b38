"""Task rows: made, moved by guarded statements, read with the names of what they point at.

Each verb says by its return whether the guard held. Only this file and `hub/storage/task_pages.py` read or write tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.tables import automations, bots, builds, label_sets, tasks, workspaces
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
    build_id: str | None
    build_state: str | None
    digest: str | None
    version: str | None
    launch: dict[str, Any] | None
    lock_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingKind:
    """Tasks that wait for the same thing: the same needs, the same bot."""

    label_set_id: str
    bot_id: str
    needs: dict[str, str]
    build_id: str | None


# The states stand in the statements as literals: the partial indexes are only used so.
_QUEUED = tasks.c.state == sa.literal_column("'queued'")
_WAITING = tasks.c.state == sa.literal_column("'waiting'")
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
_NEXT_KIND = Direct(
    sa.select(tasks.c.label_set_id, tasks.c.bot_id, label_sets.c.needs, bots.c.released_build_id.label("build_id"))
    .join_from(
        tasks,
        label_sets,
        (label_sets.c.workspace_id == tasks.c.workspace_id) & (label_sets.c.id == tasks.c.label_set_id),
    )
    .join(bots, (bots.c.workspace_id == tasks.c.workspace_id) & (bots.c.id == tasks.c.bot_id))
    .where(
        tasks.c.workspace_id == sa.bindparam("workspace"),
        _QUEUED,
        sa.tuple_(tasks.c.label_set_id, tasks.c.bot_id)
        > sa.tuple_(sa.bindparam("after_set", type_=sa.Text()), sa.bindparam("after_bot", type_=sa.Text())),
    )
    .order_by(tasks.c.label_set_id, tasks.c.bot_id)
    .limit(1)
)
_BEST_OF_KIND = Direct(
    _ROW.where(
        tasks.c.workspace_id == sa.bindparam("workspace"),
        _QUEUED,
        tasks.c.label_set_id == sa.bindparam("label_set"),
        tasks.c.bot_id == sa.bindparam("bot"),
        tasks.c.held.is_(None),
    )
    .order_by(tasks.c.priority.desc(), tasks.c.created_at, tasks.c.id)
    .limit(1)
)
_GRANT = Direct(
    sa.update(tasks)
    .where(_HERE, _QUEUED, tasks.c.fence == sa.bindparam("seen"), tasks.c.cancel_requested_at.is_(None))
    .values(
        state="running",
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
_DUE = sa.select(tasks.c.workspace_id, tasks.c.id).where(_WAITING, tasks.c.not_before <= sa.bindparam("at"))
_DUE = _DUE.order_by(tasks.c.not_before).limit(sa.bindparam("at_most", type_=sa.Integer()))
_QUEUE = sa.update(tasks).where(_HERE, _WAITING).values(state="queued", updated_at=sa.bindparam("at"))
_NEXT_DUE = sa.select(sa.func.min(tasks.c.not_before)).where(_WAITING)
_WORKSPACES_WITH_QUEUED = sa.select(tasks.c.workspace_id).where(_QUEUED).distinct()
_INSERT = Insert(tasks)
_FINISH = Update(
    tasks,
    _HERE & (tasks.c.state == sa.bindparam("from")) & (tasks.c.fence == sa.bindparam("seen")),
    state="finished",
    fence=tasks.c.fence + sa.bindparam("more", type_=sa.Integer()),
    settled_at=sa.bindparam("at", type_=tasks.c.settled_at.type),
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


def waiting_kinds(tx: Transaction, workspace_id: str) -> list[WaitingKind]:
    """The distinct (needs, bot) of all queued tasks: one index probe each, however many tasks wait."""
    kinds: list[WaitingKind] = []
    after = {"workspace": workspace_id, "after_set": "", "after_bot": ""}
    while True:
        row = _NEXT_KIND.one(tx, after)
        if row is None:
            return kinds
        kinds.append(WaitingKind(**row))
        after = {**after, "after_set": kinds[-1].label_set_id, "after_bot": kinds[-1].bot_id}


def best_of(tx: Transaction, workspace_id: str, kind: WaitingKind) -> TaskRow | None:
    """The queued task of that kind which comes first: highest priority, then oldest."""
    named = {"workspace": workspace_id, "label_set": kind.label_set_id, "bot": kind.bot_id}
    row = _BEST_OF_KIND.one(tx, named)
    return None if row is None else TaskRow(**row)


def grant(tx: Transaction, task: TaskRow, runner_id: str, build_id: str) -> bool:
    """From queued to running, fence + 1; guarded by state, fence and no cancel (core.md D4)."""
    named = {"workspace": task.workspace_id, "task": task.id, "seen": task.fence, "runner": runner_id}
    return _GRANT.run(tx, {**named, "build": build_id, "at": tx.now}) == 1


def started(tx: Transaction, workspace_id: str, task_id: str, fence: int, began: datetime) -> None:
    """Note when the newest execution began."""
    named = {"workspace": workspace_id, "task": task_id, "seen": fence, "began": began, "at": tx.now}
    _STARTED.run(tx, named)


def requeue(tx: Transaction, workspace_id: str, task_id: str, fence: int, more: int = 0) -> bool:
    """From running to queued, after a void or for another try; `more` raises the fence at once (loss)."""
    named = {"workspace": workspace_id, "task": task_id, "seen": fence, "more": more, "at": tx.now}
    return tx.connection.execute(_REQUEUE, named).rowcount == 1


def finish(tx: Transaction, task: TaskRow, values: Mapping[str, Any], *, more: int = 0) -> bool:
    """From the state that `task` shows to finished, with the settlement in `values`; guarded by state and fence."""
    named = {"workspace": task.workspace_id, "task": task.id, "seen": task.fence, "from": task.state, "more": more}
    return _FINISH.run(tx, {**named, "at": tx.now}, values)


def note(tx: Transaction, workspace_id: str, task_id: str, values: Mapping[str, Any]) -> bool:
    """Write requests and reports beside the state of an unfinished task; False when it has finished."""
    return _NOTE.run(tx, {"workspace": workspace_id, "task": task_id, "at": tx.now}, values)


def queue_due(tx: Transaction, limit: int) -> list[tuple[str, str]]:
    """Queue at most `limit` tasks whose moment has come, of all workspaces; (workspace, task) of each."""
    rows = tx.connection.execute(_DUE, {"at": tx.now, "at_most": limit}).all()
    return [
        (workspace_id, task_id)
        for workspace_id, task_id in rows
        if tx.connection.execute(_QUEUE, {"workspace": workspace_id, "task": task_id, "at": tx.now}).rowcount == 1
    ]


def next_due(tx: Transaction) -> datetime | None:
    """The earliest moment that any task waits for."""
    moment: datetime | None = tx.connection.execute(_NEXT_DUE).scalar()
    return moment


def workspaces_with_queued(tx: Transaction) -> list[str]:
    """Workspaces in which somebody waits for a runner; for the safety sweep."""
    return list(tx.connection.execute(_WORKSPACES_WITH_QUEUED).scalars())
