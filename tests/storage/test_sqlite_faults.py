"""SQLite at its worst: full disk, I/O errors, foreign locks, long logs, kill -9 (core.md §5, R13-R15)."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hub.storage.opening import open_store
from hub.storage.sqlite.connection import connect_reader, connect_writer
from hub.storage.store import CommitInDoubt, StoreUnavailable
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.support.clock import FakeClock
from tests.support.waiting import eventually

pytestmark = pytest.mark.sqlite

ROOT = Path(__file__).parents[2]


def fill(tx: Transaction, name: str, size: int = 200_000) -> Done[None]:
    """A workspace with a very long name."""
    return seeds.insert(tx, "workspaces", id=name, label=name, name="x" * size, created_at=tx.now)


def pages(tx: Transaction, extra: int | None) -> Done[None]:
    """Let the file grow by `extra` pages only, as a full disk would; None: without a limit."""
    now = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {2**30 if extra is None else now + extra}")
    return Done(None)


async def test_a_full_disk_fails_the_whole_group_and_heals(tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """SQLITE_FULL rolls back the whole group [M]: every future of it fails, nothing of it is stored (R14)."""
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    async with open_store(url, clock=clock, perform=heard.perform, options=heard.options()) as store:
        await store.write(pages, 20)
        # when one operation of a group does not fit
        calls = [store.write(seeds.workspace, f"wsp_{n}", on_failure=[n]) for n in range(3)]
        calls += [store.write(fill, "wsp_big", on_failure=[3])]
        calls += [store.write(seeds.workspace, f"wsp_{n}", on_failure=[n]) for n in range(4, 6)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        # then each caller knows the truth: what failed is not there, what was acknowledged is
        failed = [n for n, answer in enumerate(answers) if answer is not None]
        assert 3 in failed
        assert {"store_full"} == {answers[n].code for n in failed}  # type: ignore[union-attr]  # they failed
        assert failed == heard.performed
        assert 6 - len(failed) == await store.read(seeds.count, "workspaces")
        # and when there is room again, it goes on without a restart
        await store.write(pages, None)
        await store.write(fill, "wsp_big")
        assert 7 - len(failed) == await store.read(seeds.count, "workspaces")
    assert [] == heard.fatal


async def test_a_foreign_lock_is_waited_for(tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """SQLITE_BUSY never reaches a caller while a backup or an administrator holds the file for a moment (R13)."""
    path = tmp_path / "hub.db"
    async with open_store(f"sqlite:///{path}", clock=clock, perform=heard.perform, options=heard.options()) as store:
        foreign = sqlite3.connect(path, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(store.write(seeds.workspace))
            assert 0 == await store.read(seeds.count, "workspaces")
            assert not writing.done()
            foreign.execute("COMMIT")
        foreign.close()
        assert 1 == await store.read(seeds.count, "workspaces")


async def test_a_commit_is_on_disk_and_nobody_else_checkpoints(tmp_path: Path) -> None:
    """P12: WAL, synchronous FULL, no mmap; readers cannot write, and no connection checkpoints by itself."""
    asked = ("journal_mode", "synchronous", "mmap_size", "foreign_keys")
    writer = connect_writer(tmp_path / "hub.db")
    reader = connect_reader(tmp_path / "hub.db")
    try:
        assert ["wal", 2, 0, 1] == [writer.raw.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
        assert 0 == writer.raw.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
        assert 0 == reader.raw.execute("PRAGMA mmap_size").fetchone()[0]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.raw.execute("CREATE TABLE x (y)")
    finally:
        reader.close()
        writer.close()


async def test_the_writer_checkpoints_by_itself(tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """`wal_autocheckpoint=0`: PASSIVE above 4 MiB and when idle, so the log does not grow for ever."""
    path = tmp_path / "hub.db"
    log = path.with_name("hub.db-wal")
    async with open_store(f"sqlite:///{path}", clock=clock, perform=heard.perform, options=heard.options()) as store:
        for number in range(40):
            await store.write(fill, f"wsp_{number}", 1_000_000)
        assert log.stat().st_size < 12 * 2**20
        assert path.stat().st_size > 30 * 2**20
        await store.write(fill, "wsp_last", 3_000_000)
        size = path.stat().st_size
        await eventually(lambda: path.stat().st_size > size, saying="the idle writer copied the rest")
    assert not log.exists()


async def test_a_slow_operation_is_named(
    tmp_path: Path, clock: FakeClock, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """Budget 20 ms an operation, logged."""

    def slow(tx: Transaction) -> Done[None]:
        clock.advance(0.021)
        return Done(None)

    with caplog.at_level(logging.WARNING):
        async with open_store("sqlite://", clock=clock, perform=heard.perform, options=heard.options()) as store:
            await store.write(slow)
            await store.write(seeds.workspace)
    (record,) = caplog.records
    assert "slow held the store for 21 ms" in record.getMessage()


async def test_a_hidden_rollback_ends_the_store(tmp_path: Path, clock: FakeClock, heard: Heard) -> None:
    """A use case that commits or hides a lost transaction would lie to its group: the process ends, callers hear."""

    def rude(tx: Transaction) -> Done[None]:
        tx.connection.exec_driver_sql("ROLLBACK")
        return Done(None)

    async with open_store("sqlite://", clock=clock, perform=heard.perform, options=heard.options()) as store:
        with pytest.raises(CommitInDoubt):
            await store.write(rude, on_doubt=["close session"])
        with pytest.raises(StoreUnavailable):
            await store.write(seeds.workspace)
    assert 1 == len(heard.fatal)
    assert ["close session"] == heard.performed


PROGRAM = """
    import asyncio, resource, signal, sys
    from agent.ports.clock import SystemClock
    from hub.storage.opening import open_store
    from tests.storage import seeds

    async def main(url, limit):
        async with open_store(url, clock=SystemClock(), perform=lambda effect: None) as store:
            if limit:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            number = await store.read(seeds.count, "workspaces")
            async def one(n):
                await store.write(seeds.happened, f"{n}")
                await store.write(seeds.workspace, f"wsp_{n}")
                print(n, flush=True)
            while True:
                await asyncio.gather(*(one(number + k) for k in range(20)))
                number += 20

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def start(path: Path, limit: int = 0) -> "subprocess.Popen[str]":
    """Start a process that writes and prints what was acknowledged."""
    arguments = [sys.executable, "-c", textwrap.dedent(PROGRAM), f"sqlite:///{path}", str(limit)]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(path: Path, acknowledged: set[int]) -> None:
    """Every acknowledged row is there, the feed is dense, the file is whole."""
    with sqlite3.connect(path) as found:
        rows = {int(label.removeprefix("wsp_")) for (label,) in found.execute("SELECT label FROM workspaces")}
        positions = [pos for (pos,) in found.execute("SELECT pos FROM events ORDER BY pos")]
        assert "ok" == found.execute("PRAGMA integrity_check").fetchone()[0]
    found.close()
    assert acknowledged <= rows
    assert list(range(1, len(positions) + 1)) == positions


@pytest.mark.slow
def test_kill_9_keeps_every_acknowledged_row(tmp_path: Path) -> None:
    """Nothing is acknowledged before it is durable (G1, R2): a writer killed at random, again and again."""
    path = tmp_path / "hub.db"
    acknowledged: set[int] = set()
    for turn in range(4):
        with start(path) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for _line in range(7 + 13 * turn):
                acknowledged.add(int(process.stdout.readline()))
            process.kill()
            # By the same reader: it has read ahead, and `communicate` would begin behind that, within a line.
            rest, errors = process.stdout.read(), process.stderr.read()
        # On a busy machine an operation may be told to have been slow; anything else is a failure.
        assert [] == [line for line in errors.splitlines() if "budget" not in line]
        acknowledged |= {int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")}
        check(path, acknowledged)
    assert 4 * 7 < len(acknowledged)


@pytest.mark.slow
def test_an_io_error_ends_the_process_at_once(tmp_path: Path) -> None:
    """IOERR ends the process, non-zero; what was acknowledged is there after the restart (R15)."""
    path = tmp_path / "hub.db"
    process = start(path, limit=400_000)
    output, errors = process.communicate(timeout=60)
    assert 74 == process.returncode, errors
    assert "the store can not go on" in errors
    check(path, {int(line) for line in output.splitlines()})
