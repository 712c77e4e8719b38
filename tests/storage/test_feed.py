"""The event feed: dense positions, whatever rolls back or commits late (core.md §5, event feed)."""

import asyncio
import random

import pytest
import sqlalchemy as sa

from hub.storage import events, tables
from hub.storage.events import Event
from hub.storage.store import Store
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.support.waiting import eventually

WRITERS = 8
EACH = 12


class GivenUpError(Exception):
    """A use case changed its mind."""


def some(tx: Transaction, writer: int, turn: int) -> Done[None]:
    """Record two events about one writer; every third time, roll back."""
    tx.record(seeds.event(f"{writer}", new=f"{turn}.0"))
    tx.record(seeds.event(f"{writer}", new=f"{turn}.1"))
    if turn % 3 == 2:
        raise GivenUpError
    return Done(None)


async def follow(store: Store, enough: int) -> list[Event]:
    """Read the feed as its readers do: from the last position on, woken by the bell."""
    seen: list[Event] = []
    while len(seen) < enough:
        rings = store.feed_changed.rings
        page = await store.read(events.read_after, seen[-1].pos if seen else 0, 7)
        seen += page
        if not page:
            async with asyncio.timeout(10):
                await store.feed_changed.wait(rings)
    return seen


async def test_positions_are_dense_under_concurrent_writers(store: Store) -> None:
    """`id > last` misses late commits; `pos > last` misses none: 1, 2, 3, … while 8 writers commit and roll back."""

    async def write(writer: int) -> None:
        for turn in range(EACH):
            try:
                await store.write(some, writer, turn)
            except GivenUpError:
                assert turn % 3 == 2
            if random.random() < 0.3:
                await asyncio.sleep(0)

    expected = WRITERS * 2 * sum(turn % 3 != 2 for turn in range(EACH))
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(follow(store, expected))
        for writer in range(WRITERS):
            group.create_task(write(writer))
    seen = reader.result()
    # then no event is missing, none came twice, and each writer's own came in order
    assert list(range(1, expected + 1)) == [one.pos for one in seen]
    for writer in range(WRITERS):
        turns = [one.new for one in seen if one.subject == f"{writer}"]
        assert [f"{turn}.{part}" for turn in range(EACH) if turn % 3 != 2 for part in (0, 1)] == turns
    assert expected == await store.read(events.head)


def late_commit(tx: Transaction) -> Done[None]:
    """Rows as a late commit leaves them: the event that drew its id first was numbered last."""
    for id_, pos, subject in ((1, 2, "late"), (2, 1, "early")):
        told = {"kind": "test.event", "subject": subject, "actor": "test", "at": tx.now, "chain": b""}
        seeds.insert(tx, "events", id=id_, pos=pos, **told)
    return Done(None)


async def test_a_late_commit_is_seen_at_its_position(store: Store) -> None:
    """core.md §5: "`id > last` misses late commits": readers read `pos > last`, in pages, and miss none."""
    await store.write(late_commit)
    pages = [await store.read(events.read_after, after, 1) for after in range(3)]
    assert ["early", "late"] == [event.subject for page in pages for event in page]


async def test_an_event_says_who_what_from_to_and_why(store: Store) -> None:
    """Every change writes one event row in the same transaction (design.md §4)."""

    def change(tx: Transaction) -> Done[None]:
        facts = {"old": "queued", "new": "running", "cause": "req_1", "task_id": "tsk_1", "data": {"b": [1, None]}}
        tx.record(seeds.event("tsk_1", **facts))
        return Done(None)

    await store.write(change)
    (one,) = await follow(store, 1)
    assert ("queued", "running", "req_1", {"b": [1, None]}) == (one.old, one.new, one.cause, one.data)
    assert [one] == await store.read(story_of, "tsk_1")
    assert [] == await store.read(story_of, "tsk_2")


def story_of(tx: Transaction, task_id: str) -> list[Event]:
    """The first page of a task's story."""
    return events.story(tx, seeds.WORKSPACE, task_id)


async def test_a_workspace_sees_only_its_own_events(store: Store) -> None:
    """No leak between workspaces (S35)."""

    def record(tx: Transaction, workspace_id: str) -> Done[None]:
        tx.record(seeds.event("x", workspace_id=workspace_id))
        return Done(None)

    for workspace_id in (seeds.WORKSPACE, seeds.OTHER, seeds.WORKSPACE):
        await store.write(record, workspace_id)
    await follow(store, 3)
    mine = await store.read(events.read_after, 0, 10, seeds.WORKSPACE)
    assert [1, 3] == [one.pos for one in mine]


async def test_a_reader_that_writes_moves_its_cursor_in_the_same_transaction(store: Store) -> None:
    """Two readers of one name at one place: one moves, the other learns it and rolls its work back."""

    def work(tx: Transaction, name: str) -> Done[None]:
        seen = events.cursor(tx, "alerts")
        if seen >= 1 or not events.move_cursor(tx, "alerts", seen, seen + 1):
            raise GivenUpError
        return seeds.workspace(tx, name)

    answers = await asyncio.gather(*(store.write(work, f"wsp_{n}") for n in range(4)), return_exceptions=True)
    assert 3 == sum(isinstance(answer, GivenUpError) for answer in answers)
    assert 1 == await store.read(seeds.count, "workspaces")
    assert 1 == await store.read(events.cursor, "alerts")


@pytest.mark.parametrize("column", ["actor", "new", "pos"])
async def test_the_audit_chain_shows_a_changed_row(store: Store, column: str) -> None:
    """Each row's chain covers all before it: who changes one row breaks the chain there (S46)."""
    for turn in range(5):
        await store.write(seeds.happened, f"{turn}")
    await follow(store, 5)
    assert None is await store.read(events.first_broken, 1, 100)

    def forge(tx: Transaction) -> Done[None]:
        value = 1_000 if column == "pos" else "forged"
        tx.connection.execute(sa.update(tables.events).where(tables.events.c.pos == 3).values({column: value}))
        return Done(None)

    await store.write(forge)
    assert (4 if column == "pos" else 3) == await store.read(events.first_broken, 1, 100)


async def test_a_waiting_reader_is_woken(store: Store) -> None:
    """The bell wakes whoever waits; rings before the look are not lost."""
    rings = store.feed_changed.rings
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(store.feed_changed.wait(rings))
        await store.write(seeds.happened, "x")
        await eventually(waiting.done)
    assert rings < await store.feed_changed.wait(rings)
