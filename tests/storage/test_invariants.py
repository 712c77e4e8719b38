"""What the database itself refuses, on both engines alike: invariants live in constraints too (core.md §5)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from hub.storage import tables
from hub.storage.store import Store
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds

Step = Callable[[Transaction], Done[None]]


def finished(tx: Transaction, task_id: str = "tsk_1") -> Done[None]:
    """Settle a task by hand."""
    table = tables.tasks
    values = {"state": "finished", "outcome": "succeeded", "settled_at": tx.now}
    tx.connection.execute(sa.update(table).where(table.c.id == task_id).values(values))
    return Done(None)


def ended(tx: Transaction, state: str = "void") -> Done[None]:
    """End every execution by hand."""
    tx.connection.execute(sa.update(tables.executions).values(state=state))
    return Done(None)


@pytest.fixture
async def busy(store: Store) -> Store:
    """A store with `seeds.work` in it."""
    await store.write(seeds.work)
    return store


async def refused(store: Store, use_case: Callable[..., Done[None]], *args: Any, **values: Any) -> bool:
    """Whether the database refuses this."""

    def step(tx: Transaction) -> Done[None]:
        return use_case(tx, *args, **values)

    try:
        await store.write(step)
    except sa.exc.IntegrityError:
        return True
    return False


async def test_a_number_has_one_unfinished_task(busy: Store) -> None:
    """(number, round) is unique, at most one unfinished row per number (core.md §4, rounds)."""
    assert await refused(busy, seeds.task, "tsk_2", number=1, round=2)
    assert not await refused(busy, seeds.task, "tsk_3", number=2)
    assert not await refused(busy, finished)
    assert await refused(busy, seeds.task, "tsk_2", number=1, round=1)
    assert not await refused(busy, seeds.task, "tsk_2", number=1, round=2)


async def test_a_task_has_one_live_execution_and_a_fence_one_execution(busy: Store) -> None:
    """Each grant makes a new execution with a higher fence; never two that may run (core.md §1)."""
    assert not await refused(busy, seeds.execution, "exe_1", fence=1)
    for state in ("granted", "running", "ending"):
        assert await refused(busy, seeds.execution, "exe_2", fence=2, state=state)
    assert not await refused(busy, ended)
    assert await refused(busy, seeds.execution, "exe_2", fence=1)
    assert not await refused(busy, seeds.execution, "exe_2", fence=2)


@pytest.mark.parametrize(
    "values",
    [
        {"state": "sleeping"},
        {"state": "finished"},
        {"state": "queued", "outcome": "succeeded"},
        {"state": "finished", "outcome": "succeeded"},
        {"state": "queued", "priority": 11},
        {"state": "queued", "round": 0},
        {"automation_id": "aut_none"},
        {"workspace_id": seeds.OTHER},
        {"bot_id": "bot_2"},
    ],
    ids=str,
)
async def test_a_task_that_can_not_be_is_refused(busy: Store, values: dict[str, Any]) -> None:
    """States are closed lists; an outcome belongs to finished tasks; no row points into another workspace (S36)."""
    assert await refused(busy, seeds.task, "tsk_9", number=9, **values)


async def test_every_reference_names_the_workspace() -> None:
    """A generated check of all tables: (workspace, id) in every key and every foreign key (S36)."""
    free = {"meta", "workspaces", "cursors", "events"}
    for name, table in tables.metadata.tables.items():
        if name in free:
            continue
        assert "workspace_id" == table.columns.keys()[0], name
        assert "workspace_id" == next(iter(table.primary_key)).name, name
        for foreign in table.foreign_key_constraints:
            assert "workspace_id" == foreign.column_keys[0], (name, foreign.column_keys)


async def test_every_state_has_a_check() -> None:
    """Each state column is a closed list in the database too."""
    for name, table in tables.metadata.tables.items():
        for column in table.columns:
            if column.name == "state" or column.name.endswith("_state"):
                checks = {check.name for check in table.constraints if isinstance(check, sa.CheckConstraint)}
                assert any(str(check).endswith(column.name) for check in checks), (name, column.name)


async def test_times_come_back_as_the_same_instant_in_utc(store: Store) -> None:
    """Times are aware UTC through one type; naive ones are refused."""
    given = datetime(2030, 7, 1, 8, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))

    def step(tx: Transaction, moment: datetime) -> Done[None]:
        return seeds.insert(tx, "workspaces", id="wsp_1", label="a", name="a", created_at=moment)

    def look(tx: Transaction) -> datetime:
        found: datetime = tx.connection.execute(sa.select(tables.workspaces.c.created_at)).scalar_one()
        return found

    await store.write(step, given)
    found = await store.read(look)
    assert given == found
    assert UTC is found.tzinfo
    with pytest.raises(sa.exc.StatementError, match="time zone"):
        await store.write(step, given.replace(tzinfo=None))


async def test_text_of_bots_survives_with_its_nul_replaced(busy: Store) -> None:
    """PostgreSQL refuses NUL in text and JSON, SQLite takes it; here both store U+FFFD (R36)."""
    said = "a\x00b \U0001f600 \\u0000"

    def step(tx: Transaction) -> Done[None]:
        values = {"message": said, "parameters": {"k\x00": [said, 1, None, True], "n": {"x": 1.5}}}
        return seeds.task(tx, "tsk_8", number=8, **values)

    def look(tx: Transaction) -> Any:
        columns = (tables.tasks.c.message, tables.tasks.c.parameters)
        return tx.connection.execute(sa.select(*columns).where(tables.tasks.c.id == "tsk_8")).one()

    await busy.write(step)
    cleaned = said.replace("\x00", "\ufffd")
    message, parameters = await busy.read(look)
    assert cleaned == message
    assert {"k\ufffd": [cleaned, 1, None, True], "n": {"x": 1.5}} == parameters


async def test_numbers_of_64_bits_fit(busy: Store) -> None:
    """Offsets and epochs are 64-bit on both engines; json null is SQL NULL."""

    def look(tx: Transaction) -> Any:
        columns = (tables.executions.c.output_bytes, tables.executions.c.gaps)
        return tuple(tx.connection.execute(sa.select(*columns)).one())

    assert not await refused(busy, seeds.execution, "exe_1", fence=1, output_bytes=2**62, gaps=None)
    assert (2**62, None) == await busy.read(look)


async def test_concurrent_restarts_make_one_round(busy: Store) -> None:
    """Round = max + 1: of many at once, one gets it; the others meet the unique index, never a second task."""

    def restart(tx: Transaction) -> Done[None]:
        newest = tx.connection.execute(sa.select(sa.func.max(tables.tasks.c.round))).scalar_one()
        return seeds.task(tx, tx.new_id("tsk"), number=1, round=newest + 1)

    await busy.write(finished)
    answers = await asyncio.gather(*(busy.write(restart) for _ in range(6)), return_exceptions=True)
    assert 1 == answers.count(None)
    assert 5 == sum(isinstance(answer, sa.exc.IntegrityError) for answer in answers)
