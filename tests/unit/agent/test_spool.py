"""Facts until the hub has them: durable, once, in order; damage is refused and left alone (P4, G9, R41)."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors import SetupError
from agent.spool import Spool, SpoolFullError, Tombstone
from agent.wire.facts import StartedFact, make_fact
from tests.support.session import AT, exe, fact, tsk


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    """A fresh spool."""
    spool = await Spool.open(tmp_path / "spool.db")
    yield spool
    await spool.close()


async def test_facts_are_read_back_as_they_were_in_order(spool: Spool) -> None:
    """P3: numbered, intact."""
    # given
    await asyncio.gather(*(spool.add(fact(1, seq)) for seq in range(1, 51)))
    await spool.add(fact(2, 1))

    # then
    assert await spool.read(exe(1)) == [fact(1, seq) for seq in range(1, 51)]
    assert await spool.read(exe(1), after=10, limit=2) == [fact(1, 11), fact(1, 12)]
    assert sorted(await spool.executions()) == [exe(1), exe(2)]


async def test_a_fact_is_kept_once(spool: Spool) -> None:
    """§3: derived again from a folder, a fact is not there twice."""
    first = make_fact(exe(1), 1, 1, StartedFact(at=AT))
    assert await spool.add(first)
    assert not await spool.add(first)
    assert not await spool.add(make_fact(exe(1), 1, 2, StartedFact(at=AT)))
    assert await spool.read(exe(1)) == [first]


async def test_what_is_forgotten_leaves_a_tombstone_for_thirty_days(spool: Spool) -> None:
    """D8: tombstones stay 30 days."""
    # given
    await spool.add(fact(1, 1))
    old = Tombstone(execution_id=exe(1), task_id=tsk(1), fence=3, outcome="final")
    new = Tombstone(execution_id=exe(2), task_id=tsk(1), fence=4, outcome="void")
    start = datetime(2030, 1, 1, tzinfo=UTC)

    # when, then
    await spool.bury(old, start)
    assert (await spool.read(exe(1)), await spool.tombstones()) == ([], [old])
    await spool.bury(new, start + timedelta(days=29, hours=23))
    assert await spool.tombstones() == [old, new]
    await spool.bury(new, start + timedelta(days=30, seconds=1))
    assert await spool.tombstones() == [new]


async def test_a_note_only_grows(spool: Spool) -> None:
    """D8: the highest commit position that a hub ever acknowledged."""
    assert await spool.note("commit_position") == 0
    await spool.keep_note("commit_position", 9)
    await spool.keep_note("commit_position", 4)
    assert await spool.note("commit_position") == 9


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """G1: durable when `add` returns."""
    # given
    spool = await Spool.open(tmp_path / "spool.db")
    await spool.add(fact(1, 1))
    await spool.close()

    # when
    again = await Spool.open(tmp_path / "spool.db")

    # then
    assert await again.read(exe(1)) == [fact(1, 1)]
    await again.close()


async def test_who_stops_waiting_does_not_take_a_fact_back(spool: Spool) -> None:
    """Style §2.8: facts outlive cancellation."""
    adding = asyncio.ensure_future(spool.add(fact(1, 1)))
    await asyncio.sleep(0)
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    assert await spool.read(exe(1)) == [fact(1, 1)]


@pytest.mark.parametrize("damage", ["other bytes", "cut"])
async def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    """G9: what is believed to be durable must be so."""
    # given
    path = tmp_path / "spool.db"
    spool = await Spool.open(path)
    await asyncio.gather(*(spool.add(fact(1, seq)) for seq in range(1, 200)))
    await spool.close()
    data = path.read_bytes()
    path.write_bytes(b"not a spool" * 1000 if damage == "other bytes" else data[: len(data) // 2])
    before = path.read_bytes()

    # when, then
    with pytest.raises(SetupError, match="damaged"):
        await Spool.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("way", ["damaged", "newer botyard-agent", "older copy"])
async def test_a_refused_spool_stays_as_it_is_to_the_byte(tmp_path: Path, way: str) -> None:
    """R41, G9, D8: refused, data kept: what a crash left in the journal stays there, and nothing is made beside it."""
    # given a spool whose daemon was killed: the newest facts stand in its journal
    path = tmp_path / "spool.db"
    left = tmp_path / "left"
    left.mkdir()
    spool = await Spool.open(left / "spool.db")
    await spool.add(fact(1, 1))
    for name in ("spool.db", "spool.db-wal"):
        (tmp_path / name).write_bytes((left / name).read_bytes())
    await spool.close()
    spoil(path, way)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}

    # when, then
    with pytest.raises(SetupError, match=way):
        await Spool.open(path, starts=1 if way == "older copy" else 0)
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}


def spoil(path: Path, way: str) -> None:
    """Make a spool one that is refused; a new journal holds what makes it newer."""
    if way == "damaged":
        path.write_bytes(b"not a spool" * 1000)
    if way == "newer botyard-agent":
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        for name in (path.name, f"{path.name}-wal"):
            path.with_name(f"{name}.kept").write_bytes(path.with_name(name).read_bytes())
        db.close()
        for name in (path.name, f"{path.name}-wal"):
            path.with_name(f"{name}.kept").rename(path.with_name(name))


async def test_a_spool_that_was_removed_is_not_made_anew(tmp_path: Path) -> None:
    """D8: beside a home that has counted a start a missing spool is a lost one."""
    with pytest.raises(SetupError, match="or was removed: what ran since is not in it"):
        await Spool.open(tmp_path / "spool.db", starts=1)
    assert [] == list(tmp_path.iterdir())


async def test_a_spool_that_died_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    """G9: start-up is recovery: a journal of the first moment is undone, and hinders nobody."""
    path = tmp_path / "spool.db"
    dies = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN'); db.execute('CREATE TABLE facts(x)');"
        "[db.execute('INSERT INTO facts VALUES (zeroblob(9000))') for _ in range(20)]; os._exit(9)"
    )
    assert 9 == (await (await asyncio.create_subprocess_exec(sys.executable, "-c", dies, str(path))).wait())
    assert path.with_name("spool.db-journal").stat().st_size
    assert path.stat().st_size
    spool = await Spool.open(path)
    assert await spool.add(fact(1, 1))
    await spool.close()


async def test_a_full_disk_fails_the_group_and_nothing_else(tmp_path: Path) -> None:
    """§5: SQLITE_FULL rolls back the whole group; what follows works when there is room again."""
    # given a file that may not grow
    spool = await Spool.open(tmp_path / "spool.db")
    await spool.add(fact(1, 1))
    pages = await spool._do(lambda db: int(db.execute("PRAGMA page_count").fetchone()[0]))
    await spool._do(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    # when
    adding = (spool.add(*(fact(2 + each, seq) for each in range(50))) for seq in range(1, 300))
    answers = await asyncio.gather(*adding, return_exceptions=True)

    # then
    assert any(isinstance(answer, SpoolFullError) for answer in answers)
    assert not spool.failure.done()
    await spool._do(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    assert await spool.add(fact(1, 2))
    assert await spool.read(exe(1)) == [fact(1, 1), fact(1, 2)]
    await spool.close()


async def test_a_failing_disk_is_told(tmp_path: Path) -> None:
    """G9: an error of the disk ends the process; the spool says so."""
    spool = await Spool.open(tmp_path / "spool.db")

    def fail(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        await spool._do(fail)
    with pytest.raises(sqlite3.OperationalError, match="disk I/O"):
        await spool.failure
    await spool.close()
