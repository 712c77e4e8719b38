"""Automations and label sets. Every function takes the workspace; bots are joined for their names only."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.storage.direct import Direct
from hub.storage.tables import automations, bots, label_sets
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationRow:
    """An automation with its bot's name and its needs."""

    id: str
    label: str
    name: str
    description: str
    bot_id: str
    bot: str
    released_build_id: str | None
    parameters: list[dict[str, Any]]
    label_set_id: str
    needs: dict[str, str]
    priority: int
    report: str
    on_disconnect: str
    lost_after_s: int
    run_limit_s: int | None
    limits: dict[str, Any] | None
    retry: dict[str, Any] | None
    concurrency: int | None
    concurrency_key: str | None
    uses: dict[str, int] | None
    rate: dict[str, int] | None
    desktop: dict[str, Any] | None
    state: str
    paused_why: str | None
    stopped_at: datetime | None
    created_at: datetime
    updated_at: datetime


_NAMED = {"bot": bots.c.name, "needs": label_sets.c.needs, "released_build_id": bots.c.released_build_id}
_COLUMNS = [_NAMED[name].label(name) if name in _NAMED else automations.c[name] for name in AutomationRow.__slots__]
_ALL = (
    sa.select(*_COLUMNS)
    .join_from(
        automations, bots, (bots.c.workspace_id == automations.c.workspace_id) & (bots.c.id == automations.c.bot_id)
    )
    .join(
        label_sets,
        (label_sets.c.workspace_id == automations.c.workspace_id) & (label_sets.c.id == automations.c.label_set_id),
    )
    .where(automations.c.workspace_id == sa.bindparam("workspace"))
)
_BY_LABEL = Direct(_ALL.where(automations.c.label == sa.bindparam("named")))
_BY_ID = Direct(_ALL.where(automations.c.id == sa.bindparam("named")))
_PAGE = (
    _ALL.where(automations.c.label > sa.bindparam("after"))
    .order_by(automations.c.label)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_OF_BOT = _ALL.where(automations.c.bot_id == sa.bindparam("bot")).order_by(automations.c.label)
_BOT = sa.select(bots.c.id).where(
    bots.c.workspace_id == sa.bindparam("workspace"), bots.c.name == sa.bindparam("named")
)
_INSERT = {
    "sqlite": sqlite.insert(automations).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(automations).on_conflict_do_nothing(),
}
_AT = sa.bindparam("at", type_=automations.c.updated_at.type)
_UPDATE = sa.update(automations).where(
    automations.c.workspace_id == sa.bindparam("workspace"), automations.c.id == sa.bindparam("automation")
)
_OWN = (automations.c.workspace_id == sa.bindparam("workspace")) & (automations.c.id == sa.bindparam("automation"))
_SUCCEEDED = Direct(sa.update(automations).where(_OWN, automations.c.failed_in_a_row > 0).values(failed_in_a_row=0))
_FAILED = sa.update(automations).where(_OWN).values(failed_in_a_row=automations.c.failed_in_a_row + 1)
_FAILED = _FAILED.returning(automations.c.failed_in_a_row)
_STOP = (
    sa.update(automations)
    .where(_OWN, automations.c.stopped_at.is_(None))
    .values(
        state="paused",
        paused_why=sa.bindparam("why", type_=automations.c.paused_why.type),
        stopped_at=_AT,
        updated_at=_AT,
    )
)
_STOPPED_AT = Direct(sa.select(automations.c.stopped_at).where(_OWN))
_LABEL_SET = sa.select(label_sets.c.id).where(
    label_sets.c.workspace_id == sa.bindparam("workspace"), label_sets.c.digest == sa.bindparam("known")
)
_INSERT_SET = {
    "sqlite": sqlite.insert(label_sets).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(label_sets).on_conflict_do_nothing(),
}


def by_label(tx: Transaction, workspace_id: str, label: str) -> AutomationRow | None:
    """The automation of that label."""
    return _one(tx, _BY_LABEL, {"workspace": workspace_id, "named": label})


def by_id(tx: Transaction, workspace_id: str, automation_id: str) -> AutomationRow | None:
    """The automation of that id."""
    return _one(tx, _BY_ID, {"workspace": workspace_id, "named": automation_id})


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[AutomationRow]:
    """Automations in order of label, those behind `after`."""
    values = {"workspace": workspace_id, "after": after, "at_most": limit}
    return [AutomationRow(**row) for row in tx.connection.execute(_PAGE, values).mappings()]


def of_bot(tx: Transaction, workspace_id: str, bot_id: str) -> list[AutomationRow]:
    """Every automation that starts this bot."""
    rows = tx.connection.execute(_OF_BOT, {"workspace": workspace_id, "bot": bot_id}).mappings()
    return [AutomationRow(**row) for row in rows]


def bot_id(tx: Transaction, workspace_id: str, name: str) -> str | None:
    """The id of the bot of that name."""
    return tx.connection.execute(_BOT, {"workspace": workspace_id, "named": name}).scalar_one_or_none()


def insert(tx: Transaction, workspace_id: str, automation_id: str, values: Mapping[str, Any]) -> bool:
    """Add an automation; False when its label is taken."""
    row = {**values, "workspace_id": workspace_id, "id": automation_id, "created_at": tx.now, "updated_at": tx.now}
    return tx.connection.execute(_INSERT[tx.connection.dialect.name], row).rowcount == 1


def update(tx: Transaction, workspace_id: str, automation_id: str, values: Mapping[str, Any]) -> bool:
    """Replace the named columns; False when there is no such automation."""
    statement = _UPDATE.values(**values, updated_at=tx.now)
    named = {"workspace": workspace_id, "automation": automation_id}
    return tx.connection.execute(statement, named).rowcount == 1


def succeeded(tx: Transaction, workspace_id: str, automation_id: str) -> None:
    """A row of failed tasks is over."""
    _SUCCEEDED.run(tx, {"workspace": workspace_id, "automation": automation_id})


def failed(tx: Transaction, workspace_id: str, automation_id: str) -> int:
    """One more task failed; how many in a row that makes."""
    named = {"workspace": workspace_id, "automation": automation_id}
    return int(tx.connection.execute(_FAILED, named).scalar_one())


def stop(tx: Transaction, workspace_id: str, automation_id: str, why: str) -> bool:
    """Paused, and its waiting tasks kept, with the reason; False when it is stopped already."""
    named = {"workspace": workspace_id, "automation": automation_id, "why": why, "at": tx.now}
    return tx.connection.execute(_STOP, named).rowcount == 1


def stopped_at(tx: Transaction, workspace_id: str, automation_id: str) -> datetime | None:
    """Since when it is stopped; None when it is not."""
    row = _STOPPED_AT.one(tx, {"workspace": workspace_id, "automation": automation_id})
    return None if row is None else row["stopped_at"]


def label_set(tx: Transaction, workspace_id: str, needs: Mapping[str, str]) -> str:
    """The id of the label set that says `needs`; made when nobody needed just this before."""
    digest = hashlib.sha256(json.dumps(dict(needs), sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    row = {"workspace_id": workspace_id, "id": tx.new_id("lbs"), "needs": dict(needs), "digest": digest}
    tx.connection.execute(_INSERT_SET[tx.connection.dialect.name], row)
    found = tx.connection.execute(_LABEL_SET, {"workspace": workspace_id, "known": digest})
    return str(found.scalar_one())


def _one(tx: Transaction, statement: Direct, values: dict[str, str]) -> AutomationRow | None:
    row = statement.one(tx, values)
    return None if row is None else AutomationRow(**row)
