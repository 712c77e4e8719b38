"""Bring a database to the schema of this program, from whatever older one it has."""

import asyncio
import warnings
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hub.storage.address import Address
from hub.storage.migrations import REVISIONS, explain, lock_schema, read_version
from hub.storage.store import SchemaMismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The migrations that a program knows."""

    folder: Path
    """Of alembic's ``env.py`` and ``versions``."""
    revisions: tuple[str, ...]
    """Oldest first."""


OURS = Steps(folder=Path(__file__).parent, revisions=REVISIONS)


async def migrate(url: str, steps: Steps = OURS) -> tuple[str | None, str]:
    """Migrate the database at `url`, in one transaction; return the revisions (before, after), None for empty.

    A process that dies on the way leaves the database as it was (R19): the next one begins again.

    Raises SchemaMismatch when the database is newer than this program, or not ours. No hub may use a SQLite file
    meanwhile; on PostgreSQL hubs of the last two versions may.
    """
    address = Address.parse(url)
    if address.is_sqlite:
        return await asyncio.to_thread(_migrate_sqlite, address, steps)
    from hub.storage.postgres.connection import make_engine

    engine = make_engine(address.url, connections=1)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_upgrade, steps)
    finally:
        await engine.dispose()


def _migrate_sqlite(address: Address, steps: Steps) -> tuple[str | None, str]:
    from hub.storage.sqlite.connection import connect_writer

    link = connect_writer(address.path)
    try:
        link.raw.execute("PRAGMA foreign_keys = OFF").close()  # a table is changed by copying and dropping it
        link.connection.begin()  # alembic then commits nothing by itself
        link.raw.execute("BEGIN EXCLUSIVE").close()
        versions = _upgrade(link.connection, steps)
        broken = link.raw.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"the migration left {len(broken)} rows without their parents: {broken[:3]}")
        link.raw.execute("COMMIT").close()
        return versions
    finally:
        link.close()


def _upgrade(connection: sa.Connection, steps: Steps) -> tuple[str | None, str]:
    lock_schema(connection)
    before = read_version(connection)
    if before is not None and before not in steps.revisions:
        raise SchemaMismatch(explain(before))
    head = steps.revisions[-1]
    if before != head:
        _run_alembic(connection, steps.folder)
    return before, head


def _run_alembic(connection: sa.Connection, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from alembic import command
        from alembic.config import Config
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
