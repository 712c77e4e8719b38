"""Pairs of use cases that meet at every point: whatever the order, the invariants hold (core.md §5)."""

from itertools import combinations_with_replacement
from typing import Any

import pytest
import sqlalchemy as sa

from hub.storage import access, counters, events, tables
from hub.storage.store import Store, claim
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.support.interleaving import UseCase, meetings

HASH = "b" * 64
TASKS = tables.tasks
EXECUTIONS = tables.executions


class TooLateError(Exception):
    """A guard said no."""


def grant(tx: Transaction) -> Done[str]:
    """Grant as core.md D4 does: one guarded write, then the execution with the fence it made."""
    guarded = sa.update(TASKS).where(TASKS.c.id == "tsk_1", TASKS.c.state == "queued")
    row = tx.connection.execute(
        guarded.values(state="running", fence=TASKS.c.fence + 1).returning(TASKS.c.fence)
    ).one_or_none()
    if row is None:
        raise TooLateError("grant")
    tx.record(seeds.event("tsk_1", old="queued", new="running"))
    seeds.execution(tx, tx.new_id("exe"), fence=row.fence)
    return Done("granted")


@claim
def claim_one(tx: Transaction) -> Done[str]:
    """Claim as a dispatch loop does: READ COMMITTED, FOR UPDATE SKIP LOCKED."""
    free = sa.select(TASKS.c.id).where(TASKS.c.state == "queued").limit(1).with_for_update(skip_locked=True)
    found = tx.connection.execute(free).scalar_one_or_none()
    if found is None:
        raise TooLateError("claim")
    return grant(tx)


def cancel(tx: Transaction) -> Done[str]:
    """Settle a task that was never granted."""
    guarded = sa.update(TASKS).where(TASKS.c.id == "tsk_1", TASKS.c.state == "queued")
    settled = {"state": "finished", "outcome": "canceled", "settled_at": tx.now}
    if tx.connection.execute(guarded.values(**settled)).rowcount != 1:
        raise TooLateError("cancel")
    tx.record(seeds.event("tsk_1", old="queued", new="finished"))
    return Done("canceled")


def create(tx: Transaction) -> Done[str]:
    """Make a task with a number of its own, and one event."""
    number = counters.take_number(tx, seeds.WORKSPACE, "task") + 100
    seeds.task(tx, tx.new_id("tsk"), number=number)
    tx.record(seeds.event(f"{number}"))
    return Done("created")


def enrol(tx: Transaction) -> Done[str]:
    """Use the enrolment token."""
    if access.use_enrolment(tx, HASH, tx.new_id("rnr")) is None:
        raise TooLateError("enrol")
    return Done("enrolled")


def advance(tx: Transaction) -> Done[str]:
    """Do a reader's work once: move the cursor from where it stood, and leave a row."""
    seen = events.cursor(tx, "alerts")
    if not events.move_cursor(tx, "alerts", seen, seen + 1):
        raise TooLateError("advance")
    seeds.workspace(tx, tx.new_id("wsp"))
    return Done("advanced")


USE_CASES: dict[str, UseCase] = {
    "grant": grant,
    "claim": claim_one,
    "cancel": cancel,
    "create": create,
    "enrol": enrol,
    "advance": advance,
}


def clear(tx: Transaction) -> Done[None]:
    """Forget everything, then start from one queued task and one fresh token."""
    for table in (EXECUTIONS, TASKS, tables.enrolment_tokens, tables.counters, tables.cursors):
        tx.connection.execute(sa.delete(table))
    for name in ("automations", "label_sets", "runners", "builds", "bots", "workspaces"):
        tx.connection.execute(sa.delete(tables.metadata.tables[name]))
    seeds.work(tx)
    return seeds.enrolment(tx, HASH)


def invariants(tx: Transaction) -> dict[str, Any]:
    """What must be true, and what was done."""
    one = tx.connection.execute(sa.select(TASKS).where(TASKS.c.id == "tsk_1")).one()
    numbers = tx.connection.execute(sa.select(TASKS.c.number).where(TASKS.c.id != "tsk_1")).scalars().all()
    live = tx.connection.execute(sa.select(sa.func.count()).select_from(EXECUTIONS)).scalar_one()
    assert (one.state == "running") == (live == 1)
    assert one.fence == live
    assert len(set(numbers)) == len(numbers)
    used = tx.connection.execute(sa.select(tables.enrolment_tokens.c.used_by)).scalar_one()
    extra = seeds.count(tx, "workspaces") - 2
    assert extra == events.cursor(tx, "alerts")
    return {
        "granted": one.state == "running",
        "canceled": one.outcome == "canceled",
        "created": len(numbers),
        "enrolled": used is not None,
        "advanced": extra,
    }


@pytest.mark.parametrize(("left", "right"), list(combinations_with_replacement(USE_CASES, 2)))
async def test_any_two_use_cases_meet_at_every_point(store: Store, left: str, right: str) -> None:
    """Each pair, the second run whole at every statement of the first: who was told "done" is in the database, once."""

    async def reset() -> None:
        await store.write(clear)

    met = 0
    for first, second in {(left, right), (right, left)}:
        async for meeting in meetings(store, USE_CASES[first], USE_CASES[second], reset):
            met += 1
            said = [meeting.first, meeting.second]
            assert all(isinstance(answer, str | TooLateError) for answer in said), meeting
            truth = await store.read(invariants)
            for word in ("granted", "canceled", "enrolled"):
                assert said.count(word) == int(truth[word]), (meeting, truth)
            for word in ("created", "advanced"):
                assert said.count(word) == truth[word], (meeting, truth)
    assert 2 <= met
