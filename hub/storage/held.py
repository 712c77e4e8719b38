"""What a restored store keeps back until it is known what ran since the backup (core.md D8, R20).

`meta` says since when the store holds (`held_since`) and whether a runner came that it does not know
(`held_stranger`); a task says why (`held`); a runner when it has shown what it has (`shown_at`).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hub.storage.direct import Direct
from hub.storage.tables import executions, meta, runners, tasks
from hub.storage.transaction import Transaction

FENCES = 1000
"""What a restored store adds to the fences of its unfinished tasks: more than it gave out since the backup (R20)."""
_SINCE, _STRANGER, _STORE, _FROM = "held_since", "held_stranger", "store_id", "restored_from"
_SLICE = 500
_UNFINISHED = tasks.c.state != sa.literal_column("'finished'")
_ENROLLED = runners.c.state == "enrolled"
_VALUE = Direct(sa.select(meta.c.value).where(meta.c.key == sa.bindparam("wanted")))
"""Every session that opens asks for three of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTask:
    """A task that is held."""

    workspace_id: str
    id: str
    number: int
    held: str
    open_prerequisites: int


def store_id(tx: Transaction) -> str:
    """Which store this is: a restored one is another."""
    return _read(tx, _STORE) or ""


def since(tx: Transaction) -> datetime | None:
    """Since when this store holds; None when it does not."""
    found = _read(tx, _SINCE)
    return None if found is None else datetime.fromisoformat(found)


def begin(tx: Transaction, why: str) -> int:
    """Give the store another id, hold every unfinished task, raise its fence, forget which runner has shown what.

    Returns how many tasks are held. A task that is held for more than that keeps its reason.
    """
    # A restore that is done again, having died, finds the store by it.
    _write(tx, _FROM, (_read(tx, _FROM) if since(tx) else None) or store_id(tx))
    _write(tx, _STORE, uuid.uuid4().hex)
    _write(tx, _SINCE, tx.now.isoformat())
    _erase(tx, _STRANGER)
    tx.connection.execute(sa.update(runners).where(_ENROLLED).values(shown_at=None))
    # From now on, not since a moment before the backup: `lost` is 24 h away (D9).
    gone = sa.update(runners).where(_ENROLLED, runners.c.session_epoch.is_(None)).values(unreachable_since=tx.now)
    tx.connection.execute(gone)
    held = (
        sa.update(tasks)
        .where(_UNFINISHED)
        .values(held=sa.func.coalesce(tasks.c.held, why), fence=tasks.c.fence + FENCES, updated_at=tx.now)
    )
    return tx.connection.execute(held).rowcount


def end(tx: Transaction) -> None:
    """The store holds no longer."""
    _erase(tx, _SINCE)
    _erase(tx, _STRANGER)


def note_stranger(tx: Transaction, runner_id: str) -> bool:
    """A runner came that the store does not know: enrolled after the backup, it may have run anything.

    False when one was noted before.
    """
    if _read(tx, _STRANGER) is not None:
        return False
    _write(tx, _STRANGER, runner_id)
    return True


def stranger(tx: Transaction) -> str | None:
    """The first runner that came and is not known."""
    return _read(tx, _STRANGER)


def note_shown(tx: Transaction, workspace_id: str, runner_id: str) -> None:
    """A runner has told all that it has, and all that it had."""
    here = (runners.c.workspace_id == workspace_id) & (runners.c.id == runner_id)
    tx.connection.execute(sa.update(runners).where(here).values(shown_at=tx.now))


def has_shown(tx: Transaction, workspace_id: str, runner_id: str) -> bool:
    """Whether it has."""
    here = (runners.c.workspace_id == workspace_id) & (runners.c.id == runner_id)
    return tx.connection.execute(sa.select(runners.c.shown_at).where(here)).scalar() is not None


def not_shown(tx: Transaction, workspace_id: str) -> list[str]:
    """Names of the runners that have not, in order."""
    statement = sa.select(runners.c.name).where(
        runners.c.workspace_id == workspace_id, _ENROLLED, runners.c.shown_at.is_(None)
    )
    return sorted(tx.connection.execute(statement).scalars())


def held_among(tx: Transaction, workspace_id: str, ids: Sequence[str]) -> set[str]:
    """Those of these tasks that are held and not finished."""
    found: set[str] = set()
    for start in range(0, len(ids), _SLICE):
        statement = sa.select(tasks.c.id).where(
            tasks.c.workspace_id == workspace_id,
            tasks.c.id.in_(ids[start : start + _SLICE]),
            tasks.c.held.is_not(None),
            _UNFINISHED,
        )
        found.update(tx.connection.execute(statement).scalars())
    return found


def known_executions(tx: Transaction, workspace_id: str, ids: Sequence[str]) -> dict[str, str]:
    """State of those of these executions that the store has, by id."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _SLICE):
        statement = sa.select(executions.c.id, executions.c.state).where(
            executions.c.workspace_id == workspace_id, executions.c.id.in_(ids[start : start + _SLICE])
        )
        found.update({str(row[0]): str(row[1]) for row in tx.connection.execute(statement)})
    return found


def workspaces(tx: Transaction) -> list[str]:
    """Workspaces that have held tasks, finished ones not counted."""
    statement = sa.select(tasks.c.workspace_id).where(tasks.c.held.is_not(None), _UNFINISHED).distinct()
    return list(tx.connection.execute(statement).scalars())


def page(tx: Transaction, workspace_id: str, why: str | None = None) -> list[HeldTask]:
    """Held tasks that are not finished, those with exactly this reason where it is given; a slice, oldest first."""
    columns = [tasks.c[name] for name in HeldTask.__slots__]
    statement = sa.select(*columns).where(tasks.c.workspace_id == workspace_id, tasks.c.held.is_not(None), _UNFINISHED)
    if why is not None:
        statement = statement.where(tasks.c.held == why)
    rows = tx.connection.execute(statement.order_by(tasks.c.id).limit(_SLICE)).mappings()
    return [HeldTask(**row) for row in rows]


def change(tx: Transaction, workspace_id: str, task_id: str, why: str | None, fence: int = 0) -> bool:
    """Hold a held task for another reason, or (None) no longer; its fence is at least `fence` from now on.

    False when it is not held, or has finished.
    """
    here = (tasks.c.workspace_id == workspace_id) & (tasks.c.id == task_id)
    least = sa.case((tasks.c.fence < fence, fence), else_=tasks.c.fence)
    statement = sa.update(tasks).where(here, tasks.c.held.is_not(None), _UNFINISHED)
    return tx.connection.execute(statement.values(held=why, fence=least, updated_at=tx.now)).rowcount == 1


def insert_late(tx: Transaction, values: dict[str, Any]) -> bool:
    """Add an execution that was granted after the backup, as a settled one: what comes of it is late.

    False where the store has another one of this task and fence.
    """
    taken = sa.select(executions.c.id).where(
        executions.c.workspace_id == values["workspace_id"],
        executions.c.task_id == values["task_id"],
        executions.c.fence == values["fence"],
    )
    if tx.connection.execute(taken).first() is not None:
        return False
    tx.connection.execute(sa.insert(executions), {**values, "granted_at": tx.now, "settled_at": tx.now})
    return True


def _read(tx: Transaction, key: str) -> str | None:
    found = _VALUE.one(tx, {"wanted": key})
    return None if found is None else str(found["value"])


def _write(tx: Transaction, key: str, value: str) -> None:
    _erase(tx, key)
    tx.connection.execute(sa.insert(meta), {"key": key, "value": value})


def _erase(tx: Transaction, key: str) -> None:
    tx.connection.execute(sa.delete(meta).where(meta.c.key == key))
