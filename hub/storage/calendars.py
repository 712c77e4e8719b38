"""Calendars: their rows by label or id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct
from hub.storage.tables import calendars, triggers
from hub.storage.transaction import Transaction
from hub.storage.updates import Update


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRow:
    """A calendar as stored."""

    id: str
    label: str
    name: str
    definition: dict[str, Any]
    created_at: datetime
    updated_at: datetime


_HERE = calendars.c.workspace_id == sa.bindparam("workspace")
_ROW = sa.select(*(calendars.c[name] for name in CalendarRow.__slots__)).where(_HERE)
_BY_LABEL = Direct(_ROW.where(calendars.c.label == sa.bindparam("named")))
_BY_ID = Direct(_ROW.where(calendars.c.id == sa.bindparam("named")))
_PAGE = (
    _ROW.where(calendars.c.label > sa.bindparam("after"))
    .order_by(calendars.c.label)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_INSERT = {
    "sqlite": sqlite.insert(calendars).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(calendars).on_conflict_do_nothing(),
}
_UPDATE = Update(
    calendars,
    _HERE & (calendars.c.id == sa.bindparam("calendar")),
    updated_at=sa.bindparam("at", type_=calendars.c.updated_at.type),
)
_USERS = (
    sa.select(triggers.c.label)
    .where(triggers.c.workspace_id == sa.bindparam("workspace"), triggers.c.calendar_id == sa.bindparam("calendar"))
    .order_by(triggers.c.label)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_DELETE = sa.delete(calendars).where(_HERE, calendars.c.id == sa.bindparam("calendar"))


def by_label(tx: Transaction, workspace_id: str, label: str) -> CalendarRow | None:
    """The calendar of that label."""
    return _one(tx, _BY_LABEL, workspace_id, label)


def by_id(tx: Transaction, workspace_id: str, calendar_id: str) -> CalendarRow | None:
    """The calendar of that id."""
    return _one(tx, _BY_ID, workspace_id, calendar_id)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[CalendarRow]:
    """Calendars in order of label, those behind `after`."""
    values = {"workspace": workspace_id, "after": after, "at_most": limit}
    return [CalendarRow(**row) for row in tx.connection.execute(_PAGE, values).mappings()]


def insert(tx: Transaction, workspace_id: str, calendar_id: str, values: Mapping[str, Any]) -> bool:
    """Add a calendar; False when its label is taken."""
    row = {**values, "workspace_id": workspace_id, "id": calendar_id, "created_at": tx.now, "updated_at": tx.now}
    return tx.connection.execute(_INSERT[tx.connection.dialect.name], row).rowcount == 1


def change(tx: Transaction, workspace_id: str, calendar_id: str, values: Mapping[str, Any]) -> bool:
    """Set columns; False when it is gone."""
    return _UPDATE.run(tx, {"workspace": workspace_id, "calendar": calendar_id, "at": tx.now}, values)


def users(tx: Transaction, workspace_id: str, calendar_id: str, limit: int) -> list[str]:
    """Labels of triggers that keep to it, a few of them."""
    named = {"workspace": workspace_id, "calendar": calendar_id, "at_most": limit}
    return list(tx.connection.execute(_USERS, named).scalars())


def delete(tx: Transaction, workspace_id: str, calendar_id: str) -> None:
    """Remove a calendar that nobody keeps to."""
    tx.connection.execute(_DELETE, {"workspace": workspace_id, "calendar": calendar_id})


def _one(tx: Transaction, statement: Direct, workspace_id: str, named: str) -> CalendarRow | None:
    row = statement.one(tx, {"workspace": workspace_id, "named": named})
    return None if row is None else CalendarRow(**row)
