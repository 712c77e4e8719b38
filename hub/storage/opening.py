"""Opening the store: the engine that the URL names, on a checked or fresh schema."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa
import uuid_utils

from agent.ports.clock import Clock
from hub.storage.address import Address
from hub.storage.migrations import prepare
from hub.storage.settling import Ports, end_process, log_effect_error
from hub.storage.sqlite.connection import Link, connect_writer
from hub.storage.sqlite.damage import refuse_damaged
from hub.storage.sqlite.store import SqliteStore
from hub.storage.store import Store
from hub.storage.transaction import Effect
from hub.storage.unreachable import explained


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What few callers change."""

    on_effect_error: Callable[[Effect, Exception], None] = log_effect_error
    """Told, on the loop, of an effect that raised: closes the session it was for."""
    on_fatal: Callable[[BaseException], None] = end_process
    """Told, in any thread, that the store can not go on. Must end the process."""
    on_full: Callable[[], bool] = bool
    """Told, in any thread, that the disk is full; true where it made room (`hub.storage.room`)."""
    lane_limit: int = 4096
    """Operations that may wait in a lane before `StoreUnavailable`."""


def time_ordered_id(prefix: str) -> str:
    """Return a fresh id: the prefix and 32 hexadecimal digits of a UUIDv7."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"


@asynccontextmanager
async def open_store(
    url: str,
    *,
    clock: Clock,
    perform: Callable[[Effect], None],
    ids: Callable[[str], str] = time_ordered_id,
    options: Options | None = None,
) -> AsyncIterator[Store]:
    """Open the database at `url` until the block ends; an empty one gets the schema.

    `perform` does one effect: synchronous, on this loop, after COMMIT, in commit order. At the end the store finishes
    what is queued, then closes. Raises SchemaMismatch, and CannotOpen when it is not reached.
    """
    chosen = options or Options()
    address = Address.parse(url)
    ports = Ports(
        clock=clock,
        ids=ids,
        perform=perform,
        on_effect_error=chosen.on_effect_error,
        on_fatal=chosen.on_fatal,
        on_full=chosen.on_full,
    )
    if not address.is_sqlite:
        from hub.storage.postgres.store import serve_postgres

        async with serve_postgres(address.url, ports, chosen.lane_limit) as store:
            yield store
        return
    try:
        link = await asyncio.to_thread(_open_sqlite, address)
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        raise explained(error, address) from error
    try:
        sqlite = SqliteStore(link, address.path, ports, chosen.lane_limit)
    except BaseException:
        link.close()
        raise
    sqlite.start()
    try:
        yield sqlite
    finally:
        await sqlite.close()


def _open_sqlite(address: Address) -> Link:
    if address.path is not None:
        refuse_damaged(address.path)
    link = connect_writer(address.path)
    try:
        link.raw.execute("BEGIN IMMEDIATE").close()
        prepare(link.connection)
        link.raw.execute("COMMIT").close()
    except BaseException:
        link.close()
        raise
    return link
