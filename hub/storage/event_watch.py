"""What triggers of events read and keep: events with the words that people know their parts by, and what they await."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.domain.event_trigger import Awaited, Happening
from hub.storage.events import Event
from hub.storage.tables import automations, awaited, events, executions, firings, runners, tasks
from hub.storage.transaction import Transaction
from hub.storage.triggers import TriggerRow

_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_OF_TASKS = (
    sa.select(tasks.c.id, tasks.c.trigger_id, automations.c.label, firings.c.depth)
    .join_from(
        tasks,
        automations,
        (automations.c.workspace_id == tasks.c.workspace_id) & (automations.c.id == tasks.c.automation_id),
    )
    .join(
        firings,
        # Written with its task, at the same moment: the index by trigger and moment finds it.
        (firings.c.workspace_id == tasks.c.workspace_id)
        & (firings.c.trigger_id == tasks.c.trigger_id)
        & (firings.c.at == tasks.c.created_at)
        & (firings.c.task_id == tasks.c.id),
        isouter=True,
    )
    .where(tasks.c.workspace_id == sa.bindparam("workspace"), tasks.c.id.in_(_IDS))
)
_OF_EXECUTIONS = sa.select(executions.c.id, executions.c.task_id).where(
    executions.c.workspace_id == sa.bindparam("workspace"), executions.c.id.in_(_IDS)
)
_OF_RUNNERS = sa.select(runners.c.id, runners.c.name).where(
    runners.c.workspace_id == sa.bindparam("workspace"), runners.c.id.in_(_IDS)
)
_HERE = (awaited.c.workspace_id == sa.bindparam("workspace")) & (awaited.c.trigger_id == sa.bindparam("trigger"))
_AWAITED = sa.select(awaited).where(_HERE)
_ABOUT = _AWAITED.where(awaited.c.about.in_(sa.bindparam("abouts", expanding=True)))
_UNTOLD = awaited.c.is_told == sa.false()
_DUE = (
    _AWAITED.where(_UNTOLD, awaited.c.due_at <= sa.bindparam("moment", type_=awaited.c.due_at.type))
    .order_by(awaited.c.due_at)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_EARLIEST = sa.select(awaited.c.due_at).where(_HERE, _UNTOLD).order_by(awaited.c.due_at).limit(1)
_COUNT = sa.select(sa.func.count()).select_from(awaited).where(_HERE)
_INSERT = sa.insert(awaited)
_TELL = sa.update(awaited).where(_HERE, awaited.c.about == sa.bindparam("named")).values(is_told=True)
_END = sa.delete(awaited).where(_HERE, awaited.c.about.in_(sa.bindparam("abouts", expanding=True)))
_FORGET = sa.delete(awaited).where(
    _HERE, awaited.c.is_told == sa.true(), awaited.c.due_at < sa.bindparam("before", type_=awaited.c.due_at.type)
)
_UNNUMBERED = sa.select(sa.func.min(events.c.at)).where(
    events.c.pos.is_(None), events.c.workspace_id == sa.bindparam("workspace")
)


def happenings(tx: Transaction, found: Sequence[Event]) -> list[Happening]:
    """Events as triggers see them; a name whose thing is gone is None."""
    made: dict[int, Happening] = {}
    for workspace_id in dict.fromkeys(event.workspace_id for event in found):
        here = [event for event in found if event.workspace_id == workspace_id]
        made |= {one.pos: one for one in _of_workspace(tx, workspace_id, here)}
    return [made[event.pos] for event in found]


def _of_workspace(tx: Transaction, workspace_id: str, found: Sequence[Event]) -> list[Happening]:
    told = {event.execution_id for event in found if event.task_id is None}
    task_of = {row.id: row.task_id for row in _named(tx, _OF_EXECUTIONS, workspace_id, told)}
    ids = {event.pos: event.task_id or task_of.get(event.execution_id) for event in found}
    made_by = {row.id: row for row in _named(tx, _OF_TASKS, workspace_id, ids.values())}
    names = {row.id: row.name for row in _named(tx, _OF_RUNNERS, workspace_id, {event.runner_id for event in found})}
    return [_seen(event, ids[event.pos], made_by, names) for event in found]


def _seen(event: Event, task_id: str | None, made_by: Mapping[str, Any], names: Mapping[str, str]) -> Happening:
    origin, data = made_by.get(task_id or ""), event.data or {}
    told = data.get("depth") if event.kind.startswith("trigger.") else None
    values = {name: getattr(event, name) for name in Event.__dataclass_fields__}
    values |= {"task_id": task_id, "data": data, "runner": names.get(event.runner_id or "")}
    if origin is not None:
        values |= {"automation": origin.label, "trigger_id": origin.trigger_id, "depth": origin.depth or 0}
    return Happening(**values | ({"depth": told} if isinstance(told, int) else {}))


def first_unnumbered(tx: Transaction, workspace_id: str) -> datetime | None:
    """The moment of the first event that is committed and has no position yet (PostgreSQL)."""
    if tx.is_sqlite:
        return None
    moment: datetime | None = tx.connection.execute(_UNNUMBERED, {"workspace": workspace_id}).scalar_one()
    return moment


def awaited_about(tx: Transaction, row: TriggerRow, abouts: Iterable[str]) -> dict[str, Awaited]:
    """What a trigger awaits of these things."""
    wanted = sorted(set(abouts))
    if not wanted:
        return {}
    return {one.about: one for one in _found(tx, _ABOUT, row, {"abouts": wanted})}


def awaited_due(tx: Transaction, row: TriggerRow, limit: int) -> dict[str, Awaited]:
    """What has lasted by now and did not fire, the longest first."""
    return {one.about: one for one in _found(tx, _DUE, row, {"moment": tx.now, "at_most": limit})}


def earliest(tx: Transaction, row: TriggerRow) -> datetime | None:
    """When the next of what it awaits will have lasted."""
    moment: datetime | None = tx.connection.execute(_EARLIEST, _key(row)).scalar()
    return moment


def count(tx: Transaction, row: TriggerRow) -> int:
    """How much a trigger awaits, what has fired and not ended included."""
    return int(tx.connection.execute(_COUNT, _key(row)).scalar_one())


def keep(tx: Transaction, row: TriggerRow, before: Mapping[str, Awaited], after: Mapping[str, Awaited]) -> None:
    """Write what changed between two looks at the same things."""
    gone = [about for about, one in before.items() if about not in after or after[about].since != one.since]
    if gone:
        tx.connection.execute(_END, {**_key(row), "abouts": sorted(gone)})
    new = [one for about, one in after.items() if about not in before or about in gone]
    if new:
        tx.connection.execute(_INSERT, [_values(row, one) for one in new])
    for about, one in after.items():
        if about in before and about not in gone and one.is_told and not before[about].is_told:
            tx.connection.execute(_TELL, {**_key(row), "named": about})


def forget_told(tx: Transaction, row: TriggerRow, before: datetime) -> None:
    """Remove what fired so long ago and never ended."""
    tx.connection.execute(_FORGET, {**_key(row), "before": before})


def _named(tx: Transaction, statement: sa.Select[Any], workspace_id: str, ids: Iterable[str | None]) -> Sequence[Any]:
    wanted = sorted({one for one in ids if one})
    return tx.connection.execute(statement, {"workspace": workspace_id, "ids": wanted}).all() if wanted else []


def _key(row: TriggerRow) -> dict[str, Any]:
    return {"workspace": row.workspace_id, "trigger": row.id}


def _values(row: TriggerRow, one: Awaited) -> dict[str, Any]:
    event = {**asdict(one.event), "at": one.event.at.isoformat()}
    named = {"workspace_id": row.workspace_id, "trigger_id": row.id, "about": one.about, "event": event}
    return {**named, "since": one.since, "due_at": one.due_at, "is_told": one.is_told}


def _found(tx: Transaction, statement: sa.Select[Any], row: TriggerRow, values: Mapping[str, Any]) -> list[Awaited]:
    found = []
    for one in tx.connection.execute(statement, {**_key(row), **values}):
        event = Happening(**{**one.event, "at": datetime.fromisoformat(one.event["at"])})
        found.append(
            Awaited(about=one.about, since=one.since, due_at=one.due_at, is_told=bool(one.is_told), event=event)
        )
    return found
