"""What is waited for: the distinct kinds of queued tasks, and the task of a kind that comes first.

Placement asks once for each kind, never for each task: an index probe each, however many wait.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hub.domain.demand import Sharing
from hub.domain.demand import read as read_sharing
from hub.storage.direct import Direct
from hub.storage.tables import automations, bots, holds, label_sets, tasks
from hub.storage.tasks import TaskRow
from hub.storage.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingKind:
    """Tasks that wait for the same thing: of one automation, with the same needs, the same bot."""

    label_set_id: str
    bot_id: str
    automation_id: str
    avoid_runner_id: str
    """A runner that they failed on and are to keep away from; empty for most."""
    needs: dict[str, str]
    build_id: str | None
    sharing: Sharing
    stopped_at: datetime | None
    """Since when a failure has the automation stopped. Such kinds are told, not left out: an index leads from kind to
    kind, however many wait."""
    keeps_away: bool = True
    """False where no other runner would have them: then the one that they are to keep away from may."""


# The states stand in the statements as literals: the partial indexes are only used so.
_QUEUED = tasks.c.state == sa.literal_column("'queued'")
_KIND = (tasks.c.label_set_id, tasks.c.bot_id, tasks.c.automation_id, tasks.c.avoid_runner_id)
_NEXT = Direct(
    sa.select(
        *_KIND,
        label_sets.c.needs,
        bots.c.released_build_id.label("build_id"),
        automations.c.concurrency,
        automations.c.concurrency_key,
        automations.c.uses,
        automations.c.rate,
        automations.c.stopped_at,
    )
    .join_from(
        tasks,
        label_sets,
        (label_sets.c.workspace_id == tasks.c.workspace_id) & (label_sets.c.id == tasks.c.label_set_id),
    )
    .join(bots, (bots.c.workspace_id == tasks.c.workspace_id) & (bots.c.id == tasks.c.bot_id))
    .join(
        automations,
        (automations.c.workspace_id == tasks.c.workspace_id) & (automations.c.id == tasks.c.automation_id),
    )
    .where(
        tasks.c.workspace_id == sa.bindparam("workspace"),
        _QUEUED,
        tasks.c.held.is_(None),
        sa.tuple_(*_KIND) > sa.tuple_(*(sa.bindparam(f"after_{one.name}", type_=sa.Text()) for one in _KIND)),
    )
    .order_by(*_KIND)
    .limit(1)
)
_OF_KIND = sa.select(*(tasks.c[name] for name in TaskRow.__slots__)).where(
    tasks.c.workspace_id == sa.bindparam("workspace"),
    _QUEUED,
    *(column == sa.bindparam(f"its_{column.name}") for column in _KIND),
    tasks.c.held.is_(None),
)
_FIRST = (tasks.c.ranked_at, tasks.c.id)
_BEST = Direct(_OF_KIND.order_by(*_FIRST).limit(1))
_HELD = (
    sa.select(sa.func.coalesce(sa.func.sum(holds.c.units), 0))
    .where(holds.c.workspace_id == tasks.c.workspace_id, holds.c.limit_key == tasks.c.limit_key)
    .scalar_subquery()
)
_BEST_BY_KEY = Direct(
    _OF_KIND.where(tasks.c.limit_key.is_(None) | (sa.bindparam("at_once", type_=sa.Integer()) > _HELD))
    .order_by(*_FIRST)
    .limit(1)
)


def waiting_kinds(tx: Transaction, workspace_id: str) -> list[WaitingKind]:
    """The kinds of all queued tasks."""
    kinds: list[WaitingKind] = []
    after = {"workspace": workspace_id, **{f"after_{one.name}": "" for one in _KIND}}
    while True:
        row = _NEXT.one(tx, after)
        if row is None:
            return kinds
        after |= {f"after_{one.name}": row[one.name] for one in _KIND}
        shared = (row.pop("concurrency"), row.pop("concurrency_key"), row.pop("uses"), row.pop("rate"))
        kinds.append(WaitingKind(**row, sharing=read_sharing(*shared)))


def best_of(tx: Transaction, workspace_id: str, kind: WaitingKind, at_once: int | None = None) -> TaskRow | None:
    """The queued task of that kind which comes first: by priority and age (`hub.domain.placement`).

    With `at_once` the first whose key is held by fewer than so many.
    """
    named: dict[str, str | int] = {"workspace": workspace_id}
    named |= {f"its_{column.name}": getattr(kind, column.name) for column in _KIND}
    row = _BEST.one(tx, named) if at_once is None else _BEST_BY_KEY.one(tx, {**named, "at_once": at_once})
    return None if row is None else TaskRow(**row)
