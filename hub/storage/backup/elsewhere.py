"""The PostgreSQL database of a hub whose backup holds everything else (R20): what it says of itself, in one look.

`pg_dump` before the backup, `pg_restore` before the restore: so every row has its output and its file. Whether that
was so, the store's id and position tell: a dump of another hub, or one from after the backup, is refused.
"""

import asyncio
from dataclasses import dataclass

import asyncpg
import sqlalchemy as sa

from hub.storage.address import Address
from hub.storage.backup.archive import Manifest
from hub.storage.migrations import read_version
from hub.storage.postgres.connection import make_engine
from hub.storage.store import SchemaMismatch
from hub.storage.tables import events, meta
from hub.storage.unreachable import explained

RESTORED_FROM = "restored_from"
"""What `hub.storage.held` notes: the id that a restored store had in its backup."""
_USED_BY = sa.text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'botyard' AND pid <> pg_backend_pid()"
)


class NotItsDatabase(Exception):  # noqa: N818 - a state of the database, told to a person
    """The database is not the one that belongs to this backup, or not as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a database says of itself."""

    schema: str | None
    """None for an empty database."""
    store_id: str = ""
    position: int = 0
    restored_from: str = ""
    is_holding: bool = False
    """It was restored, and nothing of it was released since."""
    hubs: int = 0
    """Connections of hubs."""


def look(address: Address) -> Found:
    """Read what there is; nothing is made or changed. Raises CannotOpen, SchemaMismatch. Not on an event loop."""

    async def ask() -> Found:
        engine = make_engine(address.url, 1)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(_read)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(ask())
    except (sa.exc.DBAPIError, OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise explained(error, address) from error


def of_hub(address: Address) -> Found:
    """The same of a database that has a hub in it. Raises NotItsDatabase too."""
    found = look(address)
    if found.schema is None:
        raise NotItsDatabase(f"the database {address.url.database} is empty: name the hub's own with --database")
    return found


def check(address: Address, made: Manifest) -> None:
    """Raise NotItsDatabase unless this is the backup's database, put back and used by nobody; CannotOpen."""
    name = f"the database {address.url.database}"
    try:
        found = look(address)
    except SchemaMismatch as error:
        raise NotItsDatabase(f"{name}: {error}") from None
    if found.schema is None:
        raise NotItsDatabase(f"{name} is empty: put the dump back with pg_restore first, then restore again")
    if found.hubs:
        raise NotItsDatabase(f"a hub runs on {name}: stop it, or name another database with --database")
    if found.store_id != made.store_id and not (found.is_holding and found.restored_from == made.store_id):
        raise NotItsDatabase(f"{name} is not the one of this backup: put back the dump that was taken before it")
    if found.store_id == made.store_id and found.position > made.position:
        raise NotItsDatabase(
            f"{name} is newer than this backup, which lacks files of it: put back the dump that was taken before it"
        )


def _read(connection: sa.Connection) -> Found:
    schema = read_version(connection)
    if schema is None:
        return Found(schema=None)
    said = {str(key): str(value) for key, value in connection.execute(sa.select(meta.c.key, meta.c.value))}
    return Found(
        schema=schema,
        store_id=said.get("store_id", ""),
        position=int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(events.c.pos), 0))).scalar_one()),
        restored_from=said.get(RESTORED_FROM, ""),
        is_holding="held_since" in said,
        hubs=int(connection.execute(_USED_BY).scalar_one()),
    )
