"""Upkeep of items: leases of bots that live go on, old history goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.executions import LIVE
from hub.storage.tables import attempts, executions, item_files, items, queues, runners, side_effects
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasePlace:
    """How far a pass over the leases of living bots has come, in the order of their ends."""

    lease_until: datetime
    item_id: str
    ending: datetime
    """What ends later is none of this pass: so it ends, however short the leases are that it prolongs."""


_TIME = items.c.updated_at.type
_LIVES = (
    sa.select(
        items.c.workspace_id, items.c.id, items.c.lease_until, items.c.taken_at, queues.c.lease_s, queues.c.expected_s
    )
    .join_from(
        items,
        executions,
        (executions.c.workspace_id == items.c.workspace_id) & (executions.c.id == items.c.execution_id),
    )
    .join(runners, (runners.c.workspace_id == executions.c.workspace_id) & (runners.c.id == executions.c.runner_id))
    .join(queues, (queues.c.workspace_id == items.c.workspace_id) & (queues.c.id == items.c.queue_id))
    .where(
        items.c.state == sa.literal_column("'processing'"),
        items.c.lease_until <= sa.bindparam("ending", type_=_TIME),
        items.c.lease_until > sa.bindparam("at", type_=_TIME),
        executions.c.state.in_(LIVE),
        runners.c.session_epoch.is_not(None),
        sa.tuple_(items.c.lease_until, items.c.id)
        > sa.tuple_(sa.bindparam("after_at", type_=_TIME), sa.bindparam("after_id", type_=sa.Text())),
    )
    .order_by(items.c.lease_until, items.c.id)
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_PROLONG = Direct(
    sa.update(items)
    .where(
        items.c.workspace_id == sa.bindparam("workspace"),
        items.c.id == sa.bindparam("item"),
        items.c.state == sa.literal_column("'processing'"),
        items.c.lease_until > sa.bindparam("at", type_=_TIME),
        items.c.taken_at == sa.bindparam("taken", type_=_TIME),
    )
    .values(lease_until=sa.bindparam("until", type_=_TIME))
)
_HOLDERS = (
    sa.select(items.c.workspace_id, items.c.execution_id)
    .where(items.c.state == sa.literal_column("'processing'"), items.c.execution_id.is_not(None))
    .distinct()
    .subquery()
)
_STRAYS = (
    sa.select(_HOLDERS)
    .join_from(
        _HOLDERS,
        executions,
        (executions.c.workspace_id == _HOLDERS.c.workspace_id) & (executions.c.id == _HOLDERS.c.execution_id),
        isouter=True,
    )
    .where(executions.c.state.is_(None) | executions.c.state.not_in(LIVE))
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_KEPT = sa.select(queues.c.workspace_id, queues.c.id, queues.c.retention_days).where(
    queues.c.retention_days.is_not(None)
)


def renew_living(tx: Transaction, before_s: float, after: LeasePlace | None, limit: int) -> LeasePlace | None:
    """Prolong leases that end in `before_s` or less and whose execution lives on a runner that is linked.

    Leases shorter than twice of that wait until half of them is over. Looks at `limit` of them at most, behind `after`,
    and returns where to go on from; None when all were looked at. The runner speaks for its bot so; where the queue
    says how long an attempt is expected to take, only until then.
    """
    since = after or LeasePlace(lease_until=tx.now, item_id="", ending=tx.now + timedelta(seconds=before_s))
    asked = {"ending": since.ending, "at": tx.now, "at_most": limit}
    found = tx.connection.execute(_LIVES, {**asked, "after_at": since.lease_until, "after_id": since.item_id}).all()
    for row in found:
        # A short lease that this pass has prolonged already stands behind its place, and comes once more.
        if (row.lease_until - tx.now).total_seconds() > min(before_s, row.lease_s / 2):
            continue
        until = tx.now + timedelta(seconds=row.lease_s)
        if row.expected_s is not None:
            until = min(until, row.taken_at + timedelta(seconds=max(row.expected_s, row.lease_s)))
        if until > tx.now:
            named = {"workspace": row.workspace_id, "item": row.id, "taken": row.taken_at, "until": until, "at": tx.now}
            _PROLONG.run(tx, named)
    # What was not prolonged still ends then: only a place to go on from gets past a slice of such.
    if len(found) < limit:
        return None
    return LeasePlace(lease_until=found[-1].lease_until, item_id=found[-1].id, ending=since.ending)


def strays(tx: Transaction, limit: int) -> list[tuple[str, str]]:
    """(workspace, execution) of executions that are over, or gone, and in whose hands items still are, `limit` at most.

    Goes by the index of what bots hold.
    """
    return [(row.workspace_id, row.execution_id) for row in tx.connection.execute(_STRAYS, {"at_most": limit})]


def remove_old(tx: Transaction, states: Sequence[str], limit: int) -> int:
    """Remove at most `limit` items that ended longer ago than their queue keeps them, with all that belongs to them."""
    removed = 0
    for queue in tx.connection.execute(_KEPT).all():
        before = tx.now - timedelta(days=queue.retention_days)
        old = (
            sa.select(items.c.id)
            .where(
                items.c.workspace_id == queue.workspace_id,
                items.c.queue_id == queue.id,
                items.c.state.in_(states),
                items.c.finished_at < before,
            )
            .order_by(items.c.finished_at)
            .limit(limit - removed)
        )
        ids = list(tx.connection.execute(old).scalars())
        if not ids:
            continue
        for table in (attempts, side_effects, item_files):
            here = (table.c.workspace_id == queue.workspace_id) & table.c.item_id.in_(ids)
            tx.connection.execute(sa.delete(table).where(here))
        tx.connection.execute(sa.delete(items).where(items.c.workspace_id == queue.workspace_id, items.c.id.in_(ids)))
        removed += len(ids)
        if removed >= limit:
            break
    return removed
