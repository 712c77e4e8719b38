"""Named resources: of which there is only so much. Every function takes the workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct
from hub.storage.tables import automations, resources, tasks
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRow:
    """A resource."""

    id: str
    label: str
    name: str
    description: str
    capacity: int
    accounts: list[str] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiterRow:
    """A queued task that will hold a resource."""

    id: str
    number: int
    round: int
    automation: str
    created_at: datetime


_ALL = sa.select(*(resources.c[name] for name in ResourceRow.__slots__)).where(
    resources.c.workspace_id == sa.bindparam("workspace")
)
_BY_LABEL = Direct(_ALL.where(resources.c.label == sa.bindparam("named")))
_PAGE = (
    _ALL.where(resources.c.label > sa.bindparam("behind"))
    .order_by(resources.c.label)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_INSERT = {
    "sqlite": sqlite.insert(resources).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(resources).on_conflict_do_nothing(),
}
_HERE = (resources.c.workspace_id == sa.bindparam("workspace")) & (resources.c.label == sa.bindparam("named"))
_UPDATE = sa.update(resources).where(_HERE)
_DELETE = sa.delete(resources).where(_HERE)
_USERS = (
    sa.select(automations.c.id, automations.c.label, automations.c.uses)
    .where(automations.c.workspace_id == sa.bindparam("workspace"), automations.c.uses.is_not(None))
    .order_by(automations.c.label)
)
_WAITERS = (
    sa.select(tasks.c.id, tasks.c.number, tasks.c.round, automations.c.label.label("automation"), tasks.c.created_at)
    .join_from(
        tasks,
        automations,
        (automations.c.workspace_id == tasks.c.workspace_id) & (automations.c.id == tasks.c.automation_id),
    )
    .where(
        tasks.c.workspace_id == sa.bindparam("workspace"),
        tasks.c.state == sa.literal_column("'queued'"),
        tasks.c.automation_id.in_(sa.bindparam("using", expanding=True)),
    )
    .order_by(tasks.c.ranked_at, tasks.c.id)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)


def by_label(tx: Transaction, workspace_id: str, label: str) -> ResourceRow | None:
    """The resource of that label."""
    row = _BY_LABEL.one(tx, {"workspace": workspace_id, "named": label})
    return None if row is None else ResourceRow(**row)


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[ResourceRow]:
    """Resources in order of label, those behind `after`."""
    named = {"workspace": workspace_id, "behind": after, "at_most": limit}
    return [ResourceRow(**row) for row in tx.connection.execute(_PAGE, named).mappings()]


def insert(tx: Transaction, workspace_id: str, values: Mapping[str, Any]) -> bool:
    """Add a resource; False when its label is taken."""
    row = {**values, "workspace_id": workspace_id, "id": tx.new_id("res"), "created_at": tx.now, "updated_at": tx.now}
    return tx.connection.execute(_INSERT[tx.connection.dialect.name], row).rowcount == 1


def update(tx: Transaction, workspace_id: str, label: str, values: Mapping[str, Any]) -> bool:
    """Replace the named columns; False when there is no such resource."""
    statement = _UPDATE.values(**values, updated_at=tx.now)
    return tx.connection.execute(statement, {"workspace": workspace_id, "named": label}).rowcount == 1


def delete(tx: Transaction, workspace_id: str, label: str) -> bool:
    """Remove a resource; False when there is none."""
    return tx.connection.execute(_DELETE, {"workspace": workspace_id, "named": label}).rowcount == 1


def users(tx: Transaction, workspace_id: str, label: str) -> list[tuple[str, str, int]]:
    """(id, label, units) of the automations whose tasks hold it."""
    rows = tx.connection.execute(_USERS, {"workspace": workspace_id}).all()
    return [(row[0], row[1], row[2][label]) for row in rows if label in row[2]]


def waiters(tx: Transaction, workspace_id: str, automation_ids: list[str], at_most: int) -> list[WaiterRow]:
    """Queued tasks of these automations, first the one that comes first."""
    if not automation_ids:
        return []
    named = {"workspace": workspace_id, "using": automation_ids, "at_most": at_most}
    return [WaiterRow(**row) for row in tx.connection.execute(_WAITERS, named).mappings()]
