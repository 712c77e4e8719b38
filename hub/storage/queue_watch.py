"""What triggers look at of a queue: which of them listen to it, and how much waits in it, counted as far as asked."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hub.domain.item import PATIENCE, ItemState
from hub.domain.queue import Stock
from hub.storage.direct import Direct
from hub.storage.tables import attempts, breakers, executions, items, queues, runners, tasks, triggers
from hub.storage.transaction import Transaction
from hub.storage.triggers import TriggerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many items wait and are in work."""

    pending: int
    processing: int
    is_more: bool
    """More wait than were counted."""
    is_shut: bool = False
    """Whatever waits, nothing is handed out now; it was not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a queue holds, and what the feed was told of it last."""

    label: str
    told: Stock
    now: Stock


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a task of a trigger ended."""

    id: str
    outcome: str
    created_at: datetime
    settled_at: datetime


_IN_QUEUE = (items.c.workspace_id == sa.bindparam("workspace")) & (items.c.queue_id == sa.bindparam("queue"))
# In the order of the index of what waits: without it SQLite walks all items of the queue, done ones too [M].
_FEW = (
    sa.select(items.c.id).where(_IN_QUEUE, items.c.state == sa.literal_column("'pending'")).order_by(items.c.deadline)
)
_TIME = items.c.updated_at.type
_FREE = items.c.avoid_runner_id.is_(None) | (items.c.updated_at < sa.bindparam("patience", type_=_TIME))
_IS_OTHERS = items.c.avoid_runner_id != sa.bindparam("here", type_=sa.Text())
_OTHER_RUNNER = (
    sa.exists()
    .where(
        runners.c.workspace_id == items.c.workspace_id,
        runners.c.id != items.c.avoid_runner_id,
        runners.c.session_epoch.is_not(None),
    )
    .correlate(items)
)


def _counted(fit: sa.ColumnElement[bool]) -> Direct:
    few = _FEW.where(fit).limit(sa.bindparam("at_most", type_=sa.Integer()))
    return Direct(sa.select(sa.func.count().label("found")).select_from(few.subquery()))


# As a claim sees it (`hub.storage.items`); whoever asks for nobody asks whether a runner is there that may have it.
_PENDING_HERE = _counted(_FREE | _IS_OTHERS)
_PENDING = _counted(_FREE | _OTHER_RUNNER)
_KEPT_SINCE = Direct(
    sa.select(items.c.updated_at)
    .where(
        _IN_QUEUE,
        items.c.state == sa.literal_column("'pending'"),
        items.c.avoid_runner_id == sa.bindparam("here", type_=sa.Text()),
        items.c.updated_at >= sa.bindparam("patience", type_=_TIME),
    )
    .order_by(items.c.updated_at)
    .limit(1)
)
_PROCESSING = Direct(
    sa.select(sa.func.count().label("found"))
    .select_from(items)
    .where(_IN_QUEUE, items.c.state == sa.literal_column("'processing'"))
)
_DOOR = Direct(
    sa.select(queues.c.state, queues.c.concurrency, breakers.c.state.label("breaker"))
    .join_from(
        queues,
        breakers,
        (breakers.c.workspace_id == queues.c.workspace_id) & (breakers.c.label == queues.c.target),
        isouter=True,
    )
    .where(queues.c.workspace_id == sa.bindparam("workspace"), queues.c.id == sa.bindparam("queue"))
)
_TRIGGERS = Direct(
    sa.select(triggers.c.id)
    .where(
        triggers.c.workspace_id == sa.bindparam("workspace"),
        triggers.c.queue_id == sa.bindparam("queue"),
        triggers.c.state == sa.literal_column("'active'"),
    )
    .order_by(triggers.c.id)
)
_ENDS = Direct(
    sa.select(tasks.c.id, tasks.c.outcome, tasks.c.created_at, tasks.c.settled_at)
    .where(
        tasks.c.workspace_id == sa.bindparam("workspace"),
        tasks.c.trigger_id == sa.bindparam("trigger"),
        tasks.c.trigger_id.is_not(None),
        tasks.c.state == sa.literal_column("'finished'"),
        tasks.c.settled_at >= sa.bindparam("since", type_=tasks.c.settled_at.type),
    )
    .order_by(tasks.c.settled_at.desc())
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
_TOOK = Direct(
    sa.select(attempts.c.item_id)
    .join_from(
        executions,
        attempts,
        (attempts.c.workspace_id == executions.c.workspace_id) & (attempts.c.execution_id == executions.c.id),
    )
    .where(executions.c.workspace_id == sa.bindparam("workspace"), executions.c.task_id == sa.bindparam("task"))
    .limit(1)
)
_LONGEST = Direct(
    sa.select(sa.func.min(items.c.updated_at).label("since")).where(
        _IN_QUEUE, items.c.state == sa.literal_column("'pending'"), items.c.avoid_runner_id.is_(None)
    )
)
_OF_QUEUE = (items.c.workspace_id == queues.c.workspace_id) & (items.c.queue_id == queues.c.id)


def _any(state: str) -> sa.ColumnElement[bool]:
    """Whether a queue has an item of a state; a literal, so that the state's own index answers."""
    return sa.exists().where(_OF_QUEUE, items.c.state == sa.literal_column(f"'{state}'")).correlate(queues)


_NEXT = (
    sa.select(items.c.id)
    .where(_OF_QUEUE, items.c.state == sa.literal_column("'pending'"))
    .order_by(items.c.deadline)
    .limit(1)
    .correlate(queues)
    .scalar_subquery()
)
_STOCK = sa.case(
    (_NEXT.is_not(None) | _any(ItemState.POSTPONED), sa.literal_column(f"'{Stock.WAITING}'")),
    (_any(ItemState.PROCESSING), sa.literal_column(f"'{Stock.IN_WORK}'")),
    else_=sa.literal_column(f"'{Stock.NONE}'"),
).cast(sa.Text)
_LOOK = Direct(
    sa.select(queues.c.label, queues.c.stock, _STOCK.label("now")).where(
        queues.c.workspace_id == sa.bindparam("workspace"), queues.c.id == sa.bindparam("queue")
    )
)
_UNTOLD = sa.select(queues.c.workspace_id, queues.c.id).where(queues.c.stock != _STOCK)
_TOLD = Direct(
    sa.update(queues)
    .where(
        queues.c.workspace_id == sa.bindparam("workspace"),
        queues.c.id == sa.bindparam("queue"),
        queues.c.stock == sa.bindparam("old"),
    )
    .values(stock=sa.bindparam("new"))
)
_WATCHED = (
    sa.select(triggers.c.workspace_id, triggers.c.queue_id)
    .where(triggers.c.queue_id.is_not(None), triggers.c.state == "active")
    .distinct()
)


def waiting(tx: Transaction, workspace_id: str, queue_id: str, enough: int, here: str | None = None) -> Waiting:
    """How much waits that would be handed out, counted up to `enough`: to who takes from the runner `here` (empty: to a
    person), or to somebody on a linked runner.

    What failed on a runner is kept for others for a while (R58). Nothing waits in a queue that is paused, has its limit
    in work, or needs an application that is out of order; one item, a probe, does while that is tried again.
    """
    named = {"workspace": workspace_id, "queue": queue_id}
    door = _DOOR.one(tx, named)
    processing = _PROCESSING.one(tx, named)
    in_work = int(processing["found"]) if processing else 0
    if door is None or door["state"] != "active" or door["breaker"] == "open":
        return Waiting(pending=0, processing=in_work, is_more=False, is_shut=True)
    if door["breaker"] == "half_open":
        enough = min(enough, 1)
    if door["concurrency"] is not None:
        enough = min(enough, max(0, door["concurrency"] - in_work))
    asked = {**named, "patience": tx.now - PATIENCE, "at_most": enough + 1}
    row = _PENDING.one(tx, asked) if here is None else _PENDING_HERE.one(tx, {**asked, "here": here})
    found = int(row["found"]) if row else 0
    return Waiting(pending=min(found, enough), processing=in_work, is_more=found > enough)


def kept_since(tx: Transaction, workspace_id: str, queue_id: str, here: str) -> datetime | None:
    """When the first of the items that are kept from the runner `here` for now began to be.

    Goes through all that waits: for a queue in which nothing else does.
    """
    asked = {"workspace": workspace_id, "queue": queue_id, "here": here, "patience": tx.now - PATIENCE}
    row = _KEPT_SINCE.one(tx, asked)
    return None if row is None else row["updated_at"]


def stock(tx: Transaction, workspace_id: str, queue_id: str) -> Found | None:
    """What a queue holds of open work; None for one that is gone."""
    row = _LOOK.one(tx, {"workspace": workspace_id, "queue": queue_id})
    return None if row is None else Found(label=row["label"], told=Stock(row["stock"]), now=Stock(row["now"]))


def told(tx: Transaction, workspace_id: str, queue_id: str, found: Found) -> bool:
    """Keep what the feed was told; False when somebody else told it meanwhile."""
    return _TOLD.run(tx, {"workspace": workspace_id, "queue": queue_id, "old": found.told, "new": found.now}) == 1


def look(tx: Transaction, workspace_id: str, queue_id: str) -> tuple[list[str], bool]:
    """(Active triggers that listen to a queue, whether the feed has to be told of its stock)."""
    found = stock(tx, workspace_id, queue_id)
    return triggers_of(tx, workspace_id, queue_id), found is not None and found.told is not found.now


def newest_ends(tx: Transaction, row: TriggerRow, limit: int) -> list[End]:
    """How the tasks of a trigger ended since it was made, changed or resumed, newest first."""
    named = {"workspace": row.workspace_id, "trigger": row.id, "since": row.updated_at, "at_most": limit}
    return [End(**one) for one in _ENDS.rows(tx, named)]


def took_any(tx: Transaction, workspace_id: str, task_id: str) -> bool:
    """Whether a task that has ended had an item in its hands."""
    return _TOOK.one(tx, {"workspace": workspace_id, "task": task_id}) is not None


def waits_since(tx: Transaction, workspace_id: str, queue_id: str) -> datetime | None:
    """Since when the item that waits longest of those that any runner may take has waited."""
    row = _LONGEST.one(tx, {"workspace": workspace_id, "queue": queue_id})
    return row["since"] if row else None


_OF_AUTOMATION = (
    sa.select(triggers.c.queue_id)
    .where(
        triggers.c.workspace_id == sa.bindparam("workspace"),
        triggers.c.automation_id == sa.bindparam("automation"),
        triggers.c.queue_id.is_not(None),
    )
    .distinct()
    .order_by(triggers.c.queue_id)
)


def queues_of_automation(tx: Transaction, workspace_id: str, automation_id: str) -> list[str]:
    """Ids of the queues whose triggers start this automation: what it works on."""
    rows = tx.connection.execute(_OF_AUTOMATION, {"workspace": workspace_id, "automation": automation_id})
    return [queue_id for (queue_id,) in rows]


def triggers_of(tx: Transaction, workspace_id: str, queue_id: str) -> list[str]:
    """Active triggers that listen to a queue."""
    return [row["id"] for row in _TRIGGERS.rows(tx, {"workspace": workspace_id, "queue": queue_id})]


def watched(tx: Transaction) -> list[tuple[str, str]]:
    """(workspace, queue) of every queue that an active trigger listens to, or that is not as the feed was told."""
    listened = [(row.workspace_id, row.queue_id) for row in tx.connection.execute(_WATCHED)]
    return [*listened, *((row.workspace_id, row.id) for row in tx.connection.execute(_UNTOLD))]
