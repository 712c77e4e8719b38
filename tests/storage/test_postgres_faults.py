"""PostgreSQL at its worst: contention, lost connections, COMMITs in doubt, several hubs (core.md §5, R11, R12)."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from hub.storage import counters, events
from hub.storage.opening import open_store
from hub.storage.postgres import commits
from hub.storage.postgres.commits import CommitOrder
from hub.storage.postgres.turns import Turns
from hub.storage.store import CommitInDoubt, Store, StoreUnavailable
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.support.clock import FakeClock
from tests.support.cutting_proxy import Cut, CuttingProxy, cutting_proxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.postgres


@pytest.fixture
async def cut(postgres_url: str, clock: FakeClock, heard: Heard) -> AsyncIterator[tuple[Store, CuttingProxy]]:
    """A store that reaches its server through a proxy."""
    async with (
        cutting_proxy(postgres_url) as (proxy, url),
        open_store(url, clock=clock, perform=heard.perform, options=heard.options()) as store,
    ):
        yield store, proxy


def make(tx: Transaction, name: str) -> Done[str]:
    """A workspace, an event, an effect."""
    seeds.workspace(tx, name)
    tx.record(seeds.event(name))
    return Done(name, [name])


async def test_contention_on_one_row_ends_in_success(postgres_url: str, clock: FakeClock, heard: Heard) -> None:
    """R12: serialization failures are retried with jitter, at most 5 times; nobody else hears of them."""

    def take(tx: Transaction) -> Done[int]:
        return Done(counters.take_number(tx, seeds.WORKSPACE, "task"))

    async with open_store(postgres_url, clock=clock, perform=heard.perform) as store:
        await store.write(seeds.workspace)
        numbers = await asyncio.gather(*(store.write(take) for _ in range(60)))
    assert list(range(1, 61)) == sorted(numbers)


@pytest.mark.parametrize("where", [Cut.BEFORE, Cut.AFTER])
async def test_a_commit_in_doubt_is_looked_up(cut: tuple[Store, CuttingProxy], heard: Heard, where: Cut) -> None:
    """R11: the answer to COMMIT is lost; the transaction's fate is asked for, so that it is done once, told truly."""
    store, proxy = cut
    await store.write(make, "wsp_1")
    await eventually(lambda: _is_head(store, 1), saying="numbering rests: the next COMMIT is the one of this test")
    proxy.cut = where
    assert "wsp_2" == await store.write(make, "wsp_2", on_failure=["back"], on_doubt=["close"])
    assert Cut.NEVER is proxy.cut
    assert ["wsp_1", "wsp_2"] == heard.performed
    assert 2 == await store.read(seeds.count, "workspaces")
    await eventually(lambda: _is_head(store, 2), saying="both events are numbered, once")


async def _is_head(store: Store, expected: int) -> bool:
    return expected == await store.read(events.head)


async def test_a_doubt_that_stays_closes_the_session(
    cut: tuple[Store, CuttingProxy], heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """core.md D4: the hub closes the session when a COMMIT is in doubt; the caller is told to look."""
    store, proxy = cut
    monkeypatch.setattr(commits, "_LOOKS", 2)
    await store.write(make, "wsp_1")
    await eventually(lambda: _is_head(store, 1), saying="numbering rests: the next COMMIT is the one of this test")
    proxy.cut, proxy.stays_down = Cut.AFTER, True
    with pytest.raises(CommitInDoubt):
        await store.write(make, "wsp_2", on_failure=["back"], on_doubt=["close"])
    assert ["wsp_1", "close"] == heard.performed
    # and when the database is back, it is there to be read
    proxy.is_down = False
    assert 2 == await store.read(seeds.count, "workspaces")


async def test_a_server_that_is_gone_means_unavailable_and_comes_back(
    cut: tuple[Store, CuttingProxy], heard: Heard
) -> None:
    """R11: 503 while it is gone, nothing stored, credits back; no restart of the hub when it is back."""
    store, proxy = cut
    proxy.is_down = True
    for writer in list(proxy._open):
        writer.close()
    with pytest.raises(StoreUnavailable) as refused:
        await store.write(make, "wsp_1", on_failure=["back"])
    assert "store_down" == refused.value.code
    with pytest.raises(StoreUnavailable):
        await store.read(seeds.count, "workspaces")
    assert ["back"] == heard.performed
    proxy.is_down = False
    assert "wsp_1" == await store.write(make, "wsp_1")


async def test_connections_that_the_server_cut_are_replaced(postgres_url: str, clock: FakeClock, heard: Heard) -> None:
    """An administrator's shutdown or fail-over cuts idle connections: no caller meets them."""
    async with open_store(postgres_url, clock=clock, perform=heard.perform) as store:
        await asyncio.gather(*(store.write(make, f"wsp_{n}") for n in range(10)))
        other = await asyncpg.connect(postgres_url)
        mine = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await other.fetch(f"{mine} AND pid <> pg_backend_pid()")
        await other.close()
        await asyncio.gather(*(store.write(make, f"wsp_{n}") for n in range(10, 20)))
        assert 20 == await store.read(seeds.count, "workspaces")


async def test_two_hubs_number_one_feed(postgres_url: str, clock: FakeClock, heard: Heard) -> None:
    """Whoever holds the lock numbers; the other tries again after 5 ms until none is left: dense, each hub woken."""
    async with (
        open_store(postgres_url, clock=clock, perform=heard.perform) as one,
        open_store(postgres_url, clock=clock, perform=heard.perform) as two,
    ):
        await asyncio.gather(*(store.write(seeds.happened, f"{n}") for n in range(40) for store in (one, two)))
        await eventually(lambda: _is_head(one, 80))
        page = await two.read(events.read_after, 0, 100)
        assert list(range(1, 81)) == [event.pos for event in page]
        assert None is await two.read(events.first_broken, 1, 100)


async def test_events_of_a_dead_hub_are_numbered_at_the_next_start(
    postgres_url: str, clock: FakeClock, heard: Heard
) -> None:
    """A hub that died between COMMIT and numbering loses no event."""
    async with open_store(postgres_url, clock=clock, perform=heard.perform):
        pass
    other = await asyncpg.connect(postgres_url)
    await other.execute(
        "INSERT INTO events (workspace_id, at, kind, subject, actor) VALUES ('w', now(), 'k', 's', 'a')"
    )
    await other.close()
    async with open_store(postgres_url, clock=clock, perform=heard.perform) as store:
        await eventually(lambda: _is_head(store, 1))


async def test_what_follows_a_commit_keeps_the_order_in_which_commits_were_sent() -> None:
    """A place that has not settled holds the later ones back, whatever came first over the wire."""
    order, done = CommitOrder(), []
    first, second, third = order.take(), order.take(), order.take()
    order.settle(third, lambda: done.append("third"))
    order.settle(second, lambda: done.append("second"))
    assert [] == done
    order.settle(first, lambda: done.append("first"))
    assert ["first", "second", "third"] == done


async def test_a_turn_alone_waits_for_all_others_and_gets_it() -> None:
    """A retried transaction meets no rival of this hub, and gets its turn beside others that keep coming."""
    turns, running, story = Turns(3), [0], []

    async def work(name: str, *, alone: bool) -> None:
        async with turns.turn(alone=alone):
            running[0] += 1
            story.append((name, running[0]))
            await asyncio.sleep(0.001)
            running[0] -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(9):
            group.create_task(work(f"{number}", alone=number in {3, 4}))
    assert {1} == {together for name, together in story if name in {"3", "4"}}
    assert 3 == max(together for _name, together in story)
    assert 9 == len(story)
