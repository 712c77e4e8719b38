"""Triggers and what they did. Whoever fires one holds its row's lock; a cause is unique besides (R62)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct, insertion
from hub.storage.tables import automations, awaited, calendars, firings, tasks, trigger_files, triggers
from hub.storage.transaction import Transaction
from hub.storage.updates import Update


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRow:
    """A trigger as stored, with the label of its automation, and its calendar."""

    workspace_id: str
    id: str
    label: str
    name: str
    kind: str
    automation_id: str
    automation: str
    definition: dict[str, Any]
    parameters: dict[str, Any]
    queue_id: str | None
    calendar_id: str | None
    calendar: str | None
    calendar_definition: dict[str, Any] | None
    state: str
    off_why: str | None
    failed_in_a_row: int
    next_at: datetime | None
    considered_at: datetime | None
    event_pos: int | None
    runner: str | None
    """Name of the one that watches a folder for it."""
    watched_revision: str | None
    """What was looked through once (`hub.domain.file_trigger`)."""
    watched_at: datetime | None
    trouble: str | None
    """Why not all that it watches can be watched."""
    trouble_since: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringRow:
    """One line of a trigger's history."""

    id: str
    cause_key: str
    scheduled_for: datetime | None
    at: datetime
    outcome: str
    why: str
    task_id: str | None
    task_number: int | None


_JOINED = {
    "automation": automations.c.label,
    "calendar": calendars.c.label,
    "calendar_definition": calendars.c.definition,
}
_ROW = (
    sa.select(*(_JOINED[name].label(name) if name in _JOINED else triggers.c[name] for name in TriggerRow.__slots__))
    .join_from(
        triggers,
        automations,
        (automations.c.workspace_id == triggers.c.workspace_id) & (automations.c.id == triggers.c.automation_id),
    )
    .join(
        calendars,
        (calendars.c.workspace_id == triggers.c.workspace_id) & (calendars.c.id == triggers.c.calendar_id),
        isouter=True,
    )
)
_HERE = triggers.c.workspace_id == sa.bindparam("workspace")
_BY_LABEL = Direct(_ROW.where(_HERE, triggers.c.label == sa.bindparam("named")))
_BY_ID = Direct(_ROW.where(_HERE, triggers.c.id == sa.bindparam("named")))
_LOCK = Direct(_ROW.where(_HERE, triggers.c.id == sa.bindparam("named")).with_for_update(of=triggers))
_PAGE = (
    _ROW.where(_HERE, triggers.c.label > sa.bindparam("after"))
    .order_by(triggers.c.label)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_OF_CALENDAR = _ROW.where(_HERE, triggers.c.calendar_id == sa.bindparam("calendar")).with_for_update(of=triggers)
# Literals: the partial index of due triggers is only used so.
_IS_ACTIVE = (triggers.c.state == sa.literal_column("'active'")) & triggers.c.next_at.is_not(None)
_DUE = Direct(
    _ROW.where(_IS_ACTIVE, triggers.c.next_at <= sa.bindparam("moment", type_=triggers.c.next_at.type))
    .order_by(triggers.c.next_at)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
    .with_for_update(of=triggers, skip_locked=True)
)
_NEXT_DUE = sa.select(triggers.c.next_at).where(_IS_ACTIVE).order_by(triggers.c.next_at).limit(1)
_INSERT = {
    "sqlite": sqlite.insert(triggers).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(triggers).on_conflict_do_nothing(),
}
_UPDATE = Update(
    triggers,
    _HERE & (triggers.c.id == sa.bindparam("trigger")),
    updated_at=sa.bindparam("at", type_=triggers.c.updated_at.type),
)
_PROGRESS = Update(triggers, _HERE & (triggers.c.id == sa.bindparam("trigger")))
_PROGRESS_ACTIVE = Update(
    triggers, _HERE & (triggers.c.id == sa.bindparam("trigger")) & (triggers.c.state == sa.literal_column("'active'"))
)
_DELETE = sa.delete(triggers).where(_HERE, triggers.c.id == sa.bindparam("trigger"))
_LISTENING = _ROW.where(triggers.c.kind == "event", triggers.c.state == "active")
_LISTENING_OF = _LISTENING.where(_HERE, triggers.c.id.in_(sa.bindparam("ids", expanding=True)))
_DELETE_AWAITED = sa.delete(awaited).where(
    awaited.c.workspace_id == sa.bindparam("workspace"), awaited.c.trigger_id == sa.bindparam("trigger")
)
_DELETE_FIRINGS = sa.delete(firings).where(
    firings.c.workspace_id == sa.bindparam("workspace"), firings.c.trigger_id == sa.bindparam("trigger")
)
_DELETE_FILES = sa.delete(trigger_files).where(
    trigger_files.c.workspace_id == sa.bindparam("workspace"), trigger_files.c.trigger_id == sa.bindparam("trigger")
)
_IS_KNOWN = Direct(
    sa.select(firings.c.id).where(
        firings.c.workspace_id == sa.bindparam("workspace"),
        firings.c.trigger_id == sa.bindparam("trigger"),
        firings.c.cause_key == sa.bindparam("cause"),
    )
)
_CAME_OF = Direct(
    sa.select(firings.c.task_id, firings.c.why, firings.c.outcome)
    .where(
        firings.c.workspace_id == sa.bindparam("workspace"),
        firings.c.trigger_id == sa.bindparam("trigger"),
        (firings.c.cause_key == sa.bindparam("cause"))
        | firings.c.cause_key.between(sa.bindparam("tries_from"), sa.bindparam("tries_to")),
    )
    .order_by(firings.c.at.desc(), firings.c.id.desc())
    .limit(1)
)
_HOOK = sa.select(triggers.c.workspace_id, triggers.c.secret).where(
    triggers.c.id == sa.bindparam("trigger"), triggers.c.kind == "webhook"
)
_FIRING = insertion(
    firings,
    "workspace_id",
    "id",
    "trigger_id",
    "cause_key",
    "scheduled_for",
    "at",
    "outcome",
    "why",
    "task_id",
    "depth",
)
_FORGET = Direct(
    sa.delete(firings).where(
        firings.c.workspace_id == sa.bindparam("workspace"),
        firings.c.trigger_id == sa.bindparam("trigger"),
        firings.c.at < sa.bindparam("before", type_=firings.c.at.type),
    )
)
_FIRING_COLUMNS = [
    tasks.c.number.label(name) if name == "task_number" else firings.c[name] for name in FiringRow.__slots__
]
_HISTORY = (
    sa.select(*_FIRING_COLUMNS)
    .join_from(
        firings,
        tasks,
        (tasks.c.workspace_id == firings.c.workspace_id) & (tasks.c.id == firings.c.task_id),
        isouter=True,
    )
    .where(firings.c.workspace_id == sa.bindparam("workspace"), firings.c.trigger_id == sa.bindparam("trigger"))
    .order_by(sa.desc(firings.c.at), sa.desc(firings.c.id))
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_OLDER = _HISTORY.where(
    (firings.c.at < sa.bindparam("before", type_=firings.c.at.type))
    | ((firings.c.at == sa.bindparam("before", type_=firings.c.at.type)) & (firings.c.id < sa.bindparam("before_id")))
)
# Not ordered: SQLite would rather walk all unfinished tasks in order of their numbers.
_UNFINISHED = Direct(
    sa.select(tasks.c.id, tasks.c.number).where(
        tasks.c.workspace_id == sa.bindparam("workspace"),
        tasks.c.trigger_id == sa.bindparam("trigger"),
        tasks.c.trigger_id.is_not(None),
        tasks.c.state != sa.literal_column("'finished'"),
    )
)


def by_label(tx: Transaction, workspace_id: str, label: str) -> TriggerRow | None:
    """The trigger of that label."""
    return _one(tx, _BY_LABEL, workspace_id, label)


def by_id(tx: Transaction, workspace_id: str, trigger_id: str, *, lock: bool = False) -> TriggerRow | None:
    """The trigger of that id; with `lock` nobody else changes or fires it before this transaction ends."""
    return _one(tx, _LOCK if lock else _BY_ID, workspace_id, trigger_id)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[TriggerRow]:
    """Triggers in order of label, those behind `after`."""
    values = {"workspace": workspace_id, "after": after, "at_most": limit}
    return [TriggerRow(**row) for row in tx.connection.execute(_PAGE, values).mappings()]


def of_calendar(tx: Transaction, workspace_id: str, calendar_id: str) -> list[TriggerRow]:
    """Every trigger that keeps to a calendar, locked."""
    rows = tx.connection.execute(_OF_CALENDAR, {"workspace": workspace_id, "calendar": calendar_id}).mappings()
    return [TriggerRow(**row) for row in rows]


def listening(tx: Transaction) -> list[TriggerRow]:
    """Every active trigger that listens to the event feed, of all workspaces."""
    return [TriggerRow(**row) for row in tx.connection.execute(_LISTENING).mappings()]


def listening_of(tx: Transaction, workspace_id: str, trigger_ids: Sequence[str]) -> list[TriggerRow]:
    """Those of them that are active and listen to the event feed."""
    rows = tx.connection.execute(_LISTENING_OF, {"workspace": workspace_id, "ids": trigger_ids}).mappings()
    return [TriggerRow(**row) for row in rows]


def forget_awaited(tx: Transaction, workspace_id: str, trigger_id: str) -> None:
    """What a trigger of events waits for is begun anew."""
    tx.connection.execute(_DELETE_AWAITED, {"workspace": workspace_id, "trigger": trigger_id})


def due(tx: Transaction, limit: int) -> list[TriggerRow]:
    """At most `limit` triggers whose moment has come, of all workspaces, locked; none that another hub fires now."""
    return [TriggerRow(**row) for row in _DUE.rows(tx, {"moment": tx.now, "at_most": limit})]


def next_due(tx: Transaction) -> datetime | None:
    """The earliest moment at which any trigger is due."""
    moment: datetime | None = tx.connection.execute(_NEXT_DUE).scalar()
    return moment


def insert(tx: Transaction, workspace_id: str, trigger_id: str, values: Mapping[str, Any]) -> bool:
    """Add a trigger; False when its label is taken."""
    row = {**values, "workspace_id": workspace_id, "id": trigger_id, "created_at": tx.now, "updated_at": tx.now}
    return tx.connection.execute(_INSERT[tx.connection.dialect.name], row).rowcount == 1


def change(tx: Transaction, workspace_id: str, trigger_id: str, values: Mapping[str, Any]) -> bool:
    """Set columns because somebody, or the trigger itself, changed it; False when it is gone."""
    return _UPDATE.run(tx, {"workspace": workspace_id, "trigger": trigger_id, "at": tx.now}, values)


def progress(tx: Transaction, row: TriggerRow, values: Mapping[str, Any]) -> None:
    """Set columns because it looked or fired; `updated_at` stays."""
    _PROGRESS.run(tx, {"workspace": row.workspace_id, "trigger": row.id}, values)


def progress_active(tx: Transaction, row: TriggerRow, values: Mapping[str, Any]) -> None:
    """As `progress`, unless it switched itself off in this transaction."""
    _PROGRESS_ACTIVE.run(tx, {"workspace": row.workspace_id, "trigger": row.id}, values)


def delete(tx: Transaction, workspace_id: str, trigger_id: str) -> None:
    """Remove a trigger and its history; its tasks stay."""
    named = {"workspace": workspace_id, "trigger": trigger_id}
    tx.connection.execute(_DELETE_FIRINGS, named)
    tx.connection.execute(_DELETE_AWAITED, named)
    tx.connection.execute(_DELETE_FILES, named)
    tx.connection.execute(_DELETE, named)


def is_known(tx: Transaction, row: TriggerRow, cause_key: str) -> bool:
    """Whether this cause came before."""
    found = _IS_KNOWN.one(tx, {"workspace": row.workspace_id, "trigger": row.id, "cause": cause_key})
    return found is not None


def firing_of(tx: Transaction, row: TriggerRow, cause_key: str) -> tuple[str | None, str, str] | None:
    """(task, why, outcome) of what came of a cause, or of its newest ``<cause> try_…``; None for a new one."""
    tries = {"tries_from": f"{cause_key} try_", "tries_to": f"{cause_key} try_~"}
    found = _CAME_OF.one(tx, {"workspace": row.workspace_id, "trigger": row.id, "cause": cause_key, **tries})
    return None if found is None else (found["task_id"], found["why"], found["outcome"])


def hook(tx: Transaction, trigger_id: str) -> tuple[str, str | None] | None:
    """(workspace, secret) of a trigger that is called from outside, where nobody names a workspace."""
    found = tx.connection.execute(_HOOK, {"trigger": trigger_id}).one_or_none()
    return None if found is None else (found.workspace_id, found.secret)


def insert_firing(tx: Transaction, row: TriggerRow, values: Mapping[str, Any]) -> None:
    """Write one line of the history; a cause that came before is an IntegrityError (a defect: ask `is_known`)."""
    _FIRING.run(tx, {"depth": 0, **values, "workspace_id": row.workspace_id, "trigger_id": row.id, "at": tx.now})


def forget(tx: Transaction, row: TriggerRow, before: datetime) -> int:
    """Remove the lines of its history that are older; how many there were."""
    return _FORGET.run(tx, {"workspace": row.workspace_id, "trigger": row.id, "before": before})


def history(
    tx: Transaction, workspace_id: str, trigger_id: str, before: tuple[datetime, str] | None, limit: int
) -> list[FiringRow]:
    """What it did, newest first, older than the line (at, id) `before`."""
    values: dict[str, Any] = {"workspace": workspace_id, "trigger": trigger_id, "at_most": limit}
    if before is not None:
        values |= {"before": before[0], "before_id": before[1]}
    statement = _HISTORY if before is None else _OLDER
    return [FiringRow(**row) for row in tx.connection.execute(statement, values).mappings()]


def unfinished(tx: Transaction, row: TriggerRow) -> list[tuple[str, int]]:
    """(id, number) of its tasks that have not finished, oldest first."""
    found = _UNFINISHED.rows(tx, {"workspace": row.workspace_id, "trigger": row.id})
    return sorted(((one["id"], one["number"]) for one in found), key=itemgetter(1))


def _one(tx: Transaction, statement: Direct, workspace_id: str, named: str) -> TriggerRow | None:
    row = statement.one(tx, {"workspace": workspace_id, "named": named})
    return None if row is None else TriggerRow(**row)
