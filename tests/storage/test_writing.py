"""What every store promises to those who write and read (core.md §5)."""

import asyncio
import threading
from functools import partial

import pytest
import sqlalchemy as sa

from hub.storage import counters
from hub.storage.store import Store, StoreUnavailable, claim, is_claim
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.storage.conftest import LANE_LIMIT, Heard
from tests.support.clock import START, FakeClock
from tests.support.waiting import eventually


class OddError(Exception):
    """A use case's own error."""


def fails(tx: Transaction, name: str) -> Done[None]:
    """Write a row, record an event, then fail."""
    seeds.workspace(tx, name)
    tx.record(seeds.event(name))
    raise OddError(name)


def breaks_a_rule(tx: Transaction) -> Done[None]:
    """Run into a constraint of the database after a good statement."""
    seeds.workspace(tx, "wsp_ruled")
    return seeds.insert(tx, "workspaces", id=None, label="x", name="x", created_at=tx.now)


def take(tx: Transaction) -> Done[int]:
    """Take a number; the effect is the number."""
    number = counters.take_number(tx, seeds.WORKSPACE, "task")
    return Done(number, [number])


async def test_a_result_comes_back_after_commit_and_is_there_to_read(store: Store) -> None:
    """Futures resolve after COMMIT returned; a client reads its own writes (reliability.md C14)."""
    for number in range(20):
        await store.write(seeds.workspace, f"wsp_{number}")
        assert number + 1 == await store.read(seeds.count, "workspaces")


async def test_an_operation_that_raises_takes_back_only_itself(store: Store) -> None:
    """One savepoint an operation: of a group, the one that failed is rolled back, and only its caller hears of it."""
    # given ten operations at once, every second of which fails
    calls = [store.write(fails if n % 2 else seeds.workspace, f"wsp_{n}") for n in range(10)]
    # when all have ended
    answers = await asyncio.gather(*calls, return_exceptions=True)
    # then the odd ones raised their own error, and left neither row nor event
    assert [n % 2 == 1 for n in range(10)] == [isinstance(answer, OddError) for answer in answers]
    assert 5 == await store.read(seeds.count, "workspaces")
    assert 0 == await store.read(seeds.count, "events")


async def test_a_broken_rule_of_the_database_takes_back_only_its_operation(store: Store) -> None:
    """Invariants are repeated as constraints; who breaks one gets the error, nobody else does."""
    good, bad, also_good = await asyncio.gather(
        store.write(seeds.workspace, "wsp_1"),
        store.write(breaks_a_rule),
        store.write(seeds.workspace, "wsp_2"),
        return_exceptions=True,
    )
    assert (None, None) == (good, also_good)
    assert isinstance(bad, sa.exc.IntegrityError)
    assert 2 == await store.read(seeds.count, "workspaces")


async def test_effects_come_after_the_commit_each_in_its_own_try(store: Store, heard: Heard) -> None:
    """The store performs effects after COMMIT; one that fails is told to the session it was for, the next comes too."""
    broken = ValueError("no session")

    def use_case(tx: Transaction) -> Done[str]:
        seeds.workspace(tx)
        assert [] == heard.performed
        return Done("made", ["first", broken, "second"])

    assert "made" == await store.write(use_case)
    assert ["first", "second"] == heard.performed
    assert [(broken, broken)] == heard.refused


async def test_effects_are_performed_in_commit_order(store: Store, heard: Heard) -> None:
    """Each operation changes the same row; effects come in the order in which it changed, before any caller goes on."""
    await store.write(seeds.workspace)
    after: list[int] = []

    async def taken() -> None:
        number = await store.write(take)
        assert number in heard.performed
        after.append(number)

    await asyncio.gather(*(taken() for _ in range(12)))
    assert list(range(1, 13)) == heard.performed
    assert set(range(1, 13)) == set(after)


async def test_what_rolled_back_performs_only_its_failure_effects(store: Store, heard: Heard) -> None:
    """core.md D4: the hub takes the credit before the transaction and puts it back on rollback."""
    with pytest.raises(OddError):
        await store.write(fails, "wsp_1", on_failure=["credit back"], on_doubt=["close session"])
    assert ["credit back"] == heard.performed
    await store.write(seeds.workspace, "wsp_1", on_failure=["credit back"])
    assert ["credit back"] == heard.performed


async def test_a_cancelled_caller_does_not_cancel_the_operation(store: Store, heard: Heard) -> None:
    """A handler that went away changes nothing: the operation is committed and its effects are performed."""
    await store.write(seeds.workspace)

    async def hurried() -> None:
        async with asyncio.timeout(0):
            await store.write(take)

    results = await asyncio.gather(*(hurried() for _ in range(5)), return_exceptions=True)
    assert [TimeoutError] * 5 == [type(result) for result in results]
    await eventually(lambda: list(range(1, 6)) == heard.performed, saying="all five were committed")


async def test_time_and_ids_come_from_the_store(store: Store, clock: FakeClock) -> None:
    """`now` comes from the store's clock, aware UTC; ids have their prefix and grow with time."""

    def look(tx: Transaction) -> Done[list[object]]:
        return Done([tx.now, tx.new_id("tsk"), tx.new_id("tsk")])

    clock.advance(60)
    now, one, two = await store.write(look)
    assert 60 == (now - START).total_seconds()  # type: ignore[operator]  # a datetime
    assert str(one).startswith("tsk_")
    assert 36 == len(str(one))
    assert str(one) < str(two)


async def test_a_use_case_may_be_any_callable(store: Store) -> None:
    """Partials and callable objects have no name of their own; they run all the same, marked ones as claims."""

    class Taking:
        def __call__(self, tx: Transaction) -> Done[int]:
            return take(tx)

    @claim
    def marked(tx: Transaction, counter: str) -> Done[int]:
        return Done(counters.take_number(tx, seeds.WORKSPACE, counter))

    await store.write(partial(seeds.workspace, workspace_id=seeds.WORKSPACE))
    assert [1, 2] == [await store.write(Taking()), await store.write(Taking())]
    assert 1 == await store.write(partial(marked, counter="other"))
    assert [True, False] == [is_claim(partial(marked, counter="other")), is_claim(partial(take))]


async def test_a_query_can_not_write(store: Store) -> None:
    """Reads have transactions of their own that can not write, and record no events."""

    def sneak(tx: Transaction) -> Done[None]:
        return seeds.workspace(tx)

    def record(tx: Transaction) -> None:
        tx.record(seeds.event("x"))

    with pytest.raises(sa.exc.DBAPIError):
        await store.read(sneak)
    with pytest.raises(RuntimeError, match="records nothing"):
        await store.read(record)
    await store.write(seeds.workspace)
    assert 1 == await store.read(seeds.count, "workspaces")


async def test_a_query_that_raises_gives_its_own_error(store: Store) -> None:
    """A query's own errors pass through; the next query works."""

    def query(tx: Transaction) -> None:
        raise OddError("query")

    with pytest.raises(OddError):
        await store.read(query)
    assert 0 == await store.read(seeds.count, "workspaces")


async def test_a_full_lane_refuses_at_once(store: Store, heard: Heard) -> None:
    """Lanes are bounded: 503 when full, and the credit of the refused operation goes back (G8)."""
    calls = [store.write(seeds.workspace, f"wsp_{n}", on_failure=[f"back {n}"]) for n in range(LANE_LIMIT * 3)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [n for n, answer in enumerate(answers) if isinstance(answer, StoreUnavailable)]
    assert refused
    assert LANE_LIMIT <= len(answers) - len(refused)
    assert {"store_busy"} == {answers[n].code for n in refused}  # type: ignore[union-attr]  # filtered above
    assert [f"back {n}" for n in refused] == heard.performed
    assert len(answers) - len(refused) == await store.read(seeds.count, "workspaces")


def is_postgres(tx: Transaction) -> bool:
    """Whether this runs on one of PostgreSQL's eight connections, not with SQLite's one writer."""
    return tx.connection.dialect.name == "postgresql"


async def test_urgent_work_goes_first(store: Store, heard: Heard) -> None:
    """Two lanes: what is urgent (grant, settle, cancel) overtakes what waits."""
    released = threading.Event()
    holding: list[Transaction] = []

    def hold(tx: Transaction) -> Done[None]:
        holding.append(tx)
        if is_postgres(tx):
            tx.connection.exec_driver_sql("SELECT pg_sleep(0.3)")  # on the loop's thread: nothing may block there
        else:
            assert released.wait(60)
        return Done(None)

    def named(tx: Transaction, name: str) -> Done[None]:
        return Done(None, [name])

    async with asyncio.TaskGroup() as group:
        # given a store at work with all that it has, and ordinary work queued before urgent work
        for _ in range(8):
            group.create_task(store.write(hold))
        await eventually(lambda: holding and len(holding) == (8 if is_postgres(holding[0]) else 1))
        for number in range(40):
            group.create_task(store.write(named, f"ordinary {number}"))
        for number in range(8):
            group.create_task(store.write(named, f"urgent {number}", urgent=True))
        await asyncio.sleep(0)  # all are queued
        released.set()
    # then all urgent work was done before most of the rest (eight connections finish in any order)
    assert 48 == len(heard.performed)
    assert 8 == sum(str(name).startswith("urgent") for name in heard.performed[:24])
