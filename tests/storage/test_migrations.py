"""The schema: made at once or by migrations it is the same; who may touch which; what a kill leaves (R19)."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.storage.address import Address
from hub.storage.migrations import HEAD, REVISIONS, prepare
from hub.storage.migrations.freeze import ENGINES, first_revision, statements
from hub.storage.migrations.run import migrate
from hub.storage.opening import open_store
from hub.storage.postgres.connection import make_engine
from hub.storage.sqlite import connection as sqlite_connection
from hub.storage.sqlite.connection import Link, connect_writer
from hub.storage.store import SchemaMismatch
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.support.clock import FakeClock


async def on(url: str, step: Callable[[sa.Connection], Any]) -> Any:
    """Run one step in a committed transaction of its own."""
    address = Address.parse(url)
    if address.is_sqlite:
        link = connect_writer(address.path)
        try:
            return step(link.connection)
        finally:
            link.close()
    engine = make_engine(address.url, connections=1)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(step)
    finally:
        await engine.dispose()


def shape(connection: sa.Connection) -> dict[str, Any]:
    """Everything that the database says of its schema."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name")
        return {f"{kind} {name}": (table, " ".join((sql or "").split())) for kind, name, table, sql in rows}
    columns = """SELECT table_name || '.' || column_name, data_type || is_nullable || coalesce(column_default, '')
        FROM information_schema.columns WHERE table_schema = 'public'"""
    rules = "SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint"
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    return {str(name): text for query in (columns, rules, indexes) for name, text in connection.exec_driver_sql(query)}


def empty(connection: sa.Connection) -> dict[str, Any]:
    """The shape of a database with no table of anybody's."""
    del connection
    return {}


async def test_a_fresh_schema_is_the_sum_of_the_migrations(
    empty_database_url: str, engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A fresh database is made from the tables; the migrations in a row give exactly the same."""
    if engine == "sqlite":
        other = f"sqlite:///{tmp_path / 'other.db'}"
    else:
        server = request.getfixturevalue("postgres_server")
        other = server.new_database()
        request.addfinalizer(lambda: server.drop(other))
    await on(empty_database_url, prepare)
    assert (None, HEAD) == await migrate(other)
    expected = await on(empty_database_url, shape)
    assert 40 < len(expected)
    assert expected == await on(other, shape)


@pytest.mark.parametrize("name", ENGINES)
def test_the_frozen_sql_is_up_to_date(name: str) -> None:
    """Until the first release a change of the tables is frozen by `python -m hub.storage.migrations.freeze`."""
    assert first_revision(name).read_text() == statements(name), "run python -m hub.storage.migrations.freeze"


def test_the_known_revisions_are_the_files() -> None:
    """The version row is compared with a list in the program; alembic is not asked at start."""
    files = (first_revision("sqlite").parent).glob("0*.py")
    assert sorted(file.name[:4] for file in files) == list(REVISIONS)


async def test_migrating_again_changes_nothing(empty_database_url: str) -> None:
    """`migrate` may be run at any time."""
    await migrate(empty_database_url)
    before = await on(empty_database_url, shape)
    assert (HEAD, HEAD) == await migrate(empty_database_url)
    assert before == await on(empty_database_url, shape)


async def test_a_migrated_database_opens(empty_database_url: str, clock: FakeClock, heard: Heard) -> None:
    """What `migrate` made is what the hub wants at start; the second start finds everything."""
    await migrate(empty_database_url)
    for expected in (0, 1):
        async with open_store(empty_database_url, clock=clock, perform=heard.perform) as store:
            assert expected == await store.read(seeds.count, "workspaces")
            await store.write(seeds.workspace)


async def test_an_older_program_refuses_a_newer_schema(empty_database_url: str, clock: FakeClock, heard: Heard) -> None:
    """R19: told in one clear sentence, and nothing is touched."""
    await migrate(empty_database_url)
    await on(
        empty_database_url,
        lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"),
    )
    with pytest.raises(SchemaMismatch, match="9999, made by a newer Botyard"):
        async with open_store(empty_database_url, clock=clock, perform=heard.perform):
            pass
    with pytest.raises(SchemaMismatch, match="newer"):
        await migrate(empty_database_url)


async def test_a_database_of_somebody_else_is_left_alone(
    empty_database_url: str, clock: FakeClock, heard: Heard
) -> None:
    """A mistyped address must not fill another program's database with tables."""
    await on(empty_database_url, lambda connection: connection.exec_driver_sql("CREATE TABLE invoices (id INTEGER)"))
    with pytest.raises(SchemaMismatch, match=r"not made by Botyard.*invoices"):
        async with open_store(empty_database_url, clock=clock, perform=heard.perform):
            pass
    with pytest.raises(SchemaMismatch, match="not made by Botyard"):
        await migrate(empty_database_url)


async def test_hubs_that_start_at_once_make_one_schema(postgres_url: str, clock: FakeClock, heard: Heard) -> None:
    """Several hubs on one fresh PostgreSQL: an advisory lock lets one make the schema, the others find it."""

    async def start() -> None:
        async with open_store(postgres_url, clock=clock, perform=heard.perform) as store:
            await store.read(seeds.count, "workspaces")

    await asyncio.gather(*(start() for _ in range(3)))


class KilledError(BaseException):
    """Stands for kill -9 right before a statement: nothing after it runs, SQLite rolls back at the next open."""


@pytest.mark.sqlite
@pytest.mark.parametrize("way", ["fresh", "migrate"])
async def test_a_migration_cut_at_any_statement_starts_again(
    way: str, tmp_path: Path, clock: FakeClock, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R19: one transaction; cut before any statement, the schema is not there or whole; the next try works."""
    path = tmp_path / "hub.db"
    url = f"sqlite:///{path}"
    await migrate(f"sqlite:///{tmp_path / 'whole.db'}")
    whole = _things_in(tmp_path / "whole.db")
    left = [0]

    def wrap(raw: sqlite3.Connection) -> Link:
        link = original(raw)

        def count(*_args: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KilledError

        sa.event.listen(link.connection, "before_cursor_execute", count)
        return link

    original = sqlite_connection._wrap
    monkeypatch.setattr(sqlite_connection, "_wrap", wrap)

    async def make_schema() -> None:
        if way == "migrate":
            await migrate(url)
        else:
            async with open_store(url, clock=clock, perform=heard.perform):
                pass

    for cut in range(0, 200, 7):
        left[0] = cut
        try:
            await make_schema()
        except KilledError:
            left[0] = 10_000
            assert _things_in(path) in {0, whole}
        else:
            assert 40 < cut
            break

    else:
        pytest.fail("never came to its end")
    left[0] = 10_000
    assert (HEAD, HEAD) == await migrate(url)


@pytest.mark.parametrize("url", ["", "mysql://root@localhost/x", "hub.db", "sqlite", "postgres//secret@x"])
def test_a_wrong_address_is_explained_without_its_password(url: str) -> None:
    """Errors name the remedy and never repeat a URL that may hold a password (S54)."""
    with pytest.raises(ValueError, match="expected sqlite:///FILE or postgresql://") as refused:
        Address.parse(url)
    assert "secret" not in str(refused.value)


def _things_in(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as found:
        return len(found.execute("SELECT name FROM sqlite_master").fetchall())
