"""Breaker rows: read without a lock where they are closed, changed under one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hub.domain.breaker import Breaker, BreakerPolicy, BreakerState
from hub.storage.direct import Direct
from hub.storage.tables import breakers, queues
from hub.storage.transaction import Transaction
from hub.storage.updates import Update


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRow:
    """A breaker as stored."""

    workspace_id: str
    id: str
    label: str
    state: str
    policy: dict[str, Any]
    failed_in_a_row: int
    openings: int
    opened_at: datetime | None
    probe_at: datetime | None
    why: str | None
    item_id: str | None
    probes_out: int
    probes_passed: int
    created_at: datetime
    updated_at: datetime

    def breaker(self) -> Breaker:
        """What the row says, for deciding."""
        return Breaker(
            policy=BreakerPolicy.read(self.policy),
            state=BreakerState(self.state),
            failed_in_a_row=self.failed_in_a_row,
            openings=self.openings,
            opened_at=self.opened_at,
            probe_at=self.probe_at,
            why=self.why,
            probes_out=self.probes_out,
            probes_passed=self.probes_passed,
        )


_HERE = (breakers.c.workspace_id == sa.bindparam("workspace")) & (breakers.c.label == sa.bindparam("named"))
_ROW = sa.select(*(breakers.c[name] for name in BreakerRow.__slots__))
_GET = Direct(_ROW.where(_HERE))
_LOCK = Direct(_ROW.where(_HERE).with_for_update())
_PAGE = (
    _ROW.where(breakers.c.workspace_id == sa.bindparam("workspace"), breakers.c.label > sa.bindparam("after"))
    .order_by(breakers.c.label)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_INSERT = {
    "sqlite": sqlite.insert(breakers).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(breakers).on_conflict_do_nothing(),
}
_NOT_CLOSED = _ROW.where(
    breakers.c.workspace_id == sa.bindparam("workspace"),
    breakers.c.label.in_(sa.bindparam("labels", expanding=True)),
    breakers.c.state != BreakerState.CLOSED,
)
_CHANGE = Update(breakers, _HERE, updated_at=sa.bindparam("at", type_=breakers.c.updated_at.type))
_IS_TIMED = breakers.c.probe_at.is_not(None)
_NEXT = sa.select(sa.func.min(breakers.c.probe_at)).where(_IS_TIMED)
_DUE = (
    sa.select(breakers.c.workspace_id, breakers.c.label)
    .where(_IS_TIMED, breakers.c.probe_at <= sa.bindparam("moment", type_=breakers.c.probe_at.type))
    .order_by(breakers.c.probe_at)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_QUEUES = sa.select(queues.c.id).where(
    queues.c.workspace_id == sa.bindparam("workspace"), queues.c.target == sa.bindparam("named")
)


def get(tx: Transaction, workspace_id: str, label: str, *, lock: bool = False) -> BreakerRow | None:
    """The breaker of that label; with `lock` nobody else changes it before this transaction ends."""
    row = (_LOCK if lock else _GET).one(tx, {"workspace": workspace_id, "named": label})
    return None if row is None else BreakerRow(**row)


def ensure(tx: Transaction, workspace_id: str, label: str, policy: Mapping[str, Any]) -> BreakerRow:
    """The breaker of that label, locked; closed and with that policy when nobody needed it before."""
    known = get(tx, workspace_id, label, lock=True)
    if known is not None:
        return known
    row: dict[str, Any] = {
        "workspace_id": workspace_id,
        "id": tx.new_id("brk"),
        "label": label,
        "state": BreakerState.CLOSED,
    }
    row |= {"policy": dict(policy), "created_at": tx.now, "updated_at": tx.now}
    tx.connection.execute(_INSERT[tx.connection.dialect.name], row)
    made = get(tx, workspace_id, label, lock=True)
    assert made is not None
    return made


def change(tx: Transaction, row: BreakerRow, breaker: Breaker, item_id: str | None) -> None:
    """Write what was decided of a locked breaker; `item_id` is the item whose failure opened it."""
    values = {name: getattr(breaker, name) for name in Breaker.__slots__ if name != "policy"}
    values |= {"policy": breaker.policy.stored(), "item_id": item_id}
    if not _CHANGE.run(tx, {"workspace": row.workspace_id, "named": row.label, "at": tx.now}, values):
        raise RuntimeError(f"breaker {row.id} changed under its own lock")


def not_closed(tx: Transaction, workspace_id: str, labels: Collection[str]) -> dict[str, BreakerRow]:
    """Those of these breakers that do not let all pass, by label."""
    named = {"workspace": workspace_id, "labels": sorted(labels)}
    return {row["label"]: BreakerRow(**row) for row in tx.connection.execute(_NOT_CLOSED, named).mappings()}


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[BreakerRow]:
    """Breakers in order of label, those behind `after`."""
    named = {"workspace": workspace_id, "after": after, "at_most": limit}
    return [BreakerRow(**row) for row in tx.connection.execute(_PAGE, named).mappings()]


def next_moment(tx: Transaction) -> datetime | None:
    """The earliest moment that any breaker waits for."""
    moment: datetime | None = tx.connection.execute(_NEXT).scalar()
    return moment


def due(tx: Transaction, limit: int) -> list[tuple[str, str]]:
    """(workspace, label) of breakers whose moment has come."""
    rows = tx.connection.execute(_DUE, {"moment": tx.now, "at_most": limit})
    return [(str(row[0]), str(row[1])) for row in rows]


def guarded_queues(tx: Transaction, workspace_id: str, label: str) -> list[str]:
    """Queues whose items need that application."""
    return list(tx.connection.execute(_QUEUES, {"workspace": workspace_id, "named": label}).scalars())
