"""One operation on PostgreSQL: run it, retry it, commit it, find out how that went.

run the use case in SERIALIZABLE (a claim: READ COMMITTED)
  conflict, deadlock, connection gone before COMMIT    -> again, at most 5 times, with jitter (R12)
  a unique index refused a row                         -> again once: its look may have been too old
  its own error                                        -> rolled back, the caller's answer
COMMIT, never cut off
  conflict                                             -> again
  connection gone                                      -> ask another connection for the transaction's fate (R11)
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.storage import feed
from hub.storage.lanes import Operation
from hub.storage.postgres.commits import CommitOrder, fate_of, xid_of
from hub.storage.postgres.connection import Trouble, trouble_of
from hub.storage.postgres.turns import Turns
from hub.storage.settling import Ports
from hub.storage.store import CommitInDoubt, StoreUnavailable
from hub.storage.transaction import Done, Transaction

RETRIES = 5
_RETRIES_OF = {Trouble.CONFLICT: RETRIES, Trouble.GONE: RETRIES, Trouble.DUPLICATE: 1, Trouble.OWN: 0}
_FIRST_PAUSE_S = 0.010
_ALONE_FROM = 2
"""From this attempt on, this hub runs nothing beside it: eight writers that meet on one row would else use up all
their retries."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A use case's answer, its place in the order of commits, and whether it recorded events."""

    done: Done[object]
    place: int
    has_events: bool


class Attempts:
    """Runs operations against the database; holds nothing of theirs. `commits` keeps a COMMIT alive to its end."""

    def __init__(self, engine: AsyncEngine, ports: Ports, commits: asyncio.TaskGroup, writers: int) -> None:
        self._engine = engine
        self._ports = ports
        self._order = CommitOrder()
        self._commits = commits
        self._turns = Turns(writers)
        self._claims = engine.execution_options(isolation_level="READ COMMITTED")
        self._writes = engine.execution_options(isolation_level="SERIALIZABLE")
        self._reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def settle(self, committed: Committed, step: Callable[[], None]) -> None:
        """Do `step` in the order of commits."""
        self._order.settle(committed.place, step)

    async def read(self, operation: Operation) -> object:
        """Run a query on one snapshot; raises what it raised, or StoreUnavailable."""
        attempt = 0
        while True:
            try:
                async with self._reads.connect() as connection:
                    return await connection.run_sync(self._query, operation)
            except Exception as error:  # noqa: BLE001  # sorted by what it means
                await _pause_or_raise(error, attempt)
            attempt += 1

    async def write(self, operation: Operation) -> Committed:
        """Run a use case until it is committed; raises what it raised, StoreUnavailable or CommitInDoubt."""
        engine = self._claims if operation.is_claim else self._writes
        attempt = 0
        while True:
            try:
                async with self._turns.turn(alone=attempt >= _ALONE_FROM), engine.connect() as connection:
                    return await self._once(connection, operation)
            except Exception as error:  # noqa: BLE001  # sorted by what it means
                await _pause_or_raise(error, attempt)
            attempt += 1

    async def _once(self, connection: AsyncConnection, operation: Operation) -> Committed:
        done, has_events = await connection.run_sync(self._run, operation)
        xid = await xid_of(connection)
        place = self._order.take()
        error = await self._commit(connection)
        if error is None:
            return Committed(done, place, has_events)
        self._order.settle(place, lambda: None)  # whatever became of it, nobody waits for it
        if trouble_of(error) is not Trouble.GONE or xid is None:
            raise error
        match await fate_of(self._engine, xid):
            case True:
                return Committed(done, self._order.take(), has_events)
            case False:
                raise error
            case None:
                raise CommitInDoubt("The database was lost while this was written. Look whether it is there.")

    async def _commit(self, connection: AsyncConnection) -> Exception | None:
        """Send COMMIT and wait for its end, whoever cancels us meanwhile; an error is returned, not raised."""

        async def finish() -> Exception | None:
            try:
                await connection.commit()
            except Exception as error:  # noqa: BLE001  # the caller sorts it
                return error
            return None

        commit = self._commits.create_task(finish())
        try:
            return await asyncio.shield(commit)
        except asyncio.CancelledError:
            await asyncio.wait([commit])  # the connection is not ours to close before
            raise

    def _run(self, connection: sa.Connection, operation: Operation) -> tuple[Done[object], bool]:
        tx = self._transaction(connection)
        done: Done[object] = operation.run(tx)
        feed.append(connection, tx.recorded, tx.now)
        return done, bool(tx.recorded)

    def _query(self, connection: sa.Connection, operation: Operation) -> object:
        return operation.run(self._transaction(connection, readonly=True))

    def _transaction(self, connection: sa.Connection, *, readonly: bool = False) -> Transaction:
        return Transaction(
            connection=connection, now=self._ports.clock.now(), new_id=self._ports.ids, readonly=readonly
        )


async def _pause_or_raise(error: Exception, attempt: int) -> None:
    trouble = trouble_of(error)
    if attempt >= _RETRIES_OF[trouble]:
        match trouble:
            case Trouble.CONFLICT:
                raise StoreUnavailable(
                    "store_contended", "Too many others change the same thing. Ask again."
                ) from error
            case Trouble.GONE:
                raise StoreUnavailable("store_down", "The database can not be reached. Ask again.") from error
            case _:
                raise error
    await asyncio.sleep(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))  # noqa: S311  # jitter, no secret
