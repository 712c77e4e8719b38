"""The `Store` on PostgreSQL: operations run in the store's own asyncio workers, never in the awaiting handler."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Self, TypeVar, TypeVarTuple

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.storage.address import Address
from hub.storage.doorbell import Doorbell
from hub.storage.lanes import Operation, bound
from hub.storage.migrations import prepare
from hub.storage.postgres.attempt import Attempts
from hub.storage.postgres.connection import make_engine
from hub.storage.postgres.numbering import Numbering
from hub.storage.postgres.waiting import LoopLanes
from hub.storage.settling import Ports, Settled, settle_all
from hub.storage.store import CommitInDoubt, StoreUnavailable, is_claim
from hub.storage.transaction import Done, Effect, Transaction
from hub.storage.unreachable import explained

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_WRITERS = 8
_READERS = 4
_SPARE = 2
"""Connections for numbering, and for asking after a COMMIT whose answer never came."""


@asynccontextmanager
async def serve_postgres(url: sa.URL, ports: Ports, lane_limit: int) -> AsyncIterator["PostgresStore"]:
    """Open the database, check or make its schema, and serve it until the block ends."""
    engine = make_engine(url, _WRITERS + _READERS + _SPARE)
    try:
        try:
            async with engine.begin() as connection:
                await connection.run_sync(prepare)
        except (sa.exc.DBAPIError, OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise explained(error, Address(url, is_sqlite=False, path=None)) from error
        async with _serving(engine, ports, lane_limit) as store:
            yield store
    finally:
        await engine.dispose()


@asynccontextmanager
async def _serving(engine: AsyncEngine, ports: Ports, lane_limit: int) -> AsyncIterator["PostgresStore"]:
    """The store with its workers.

    The outer group outlives the workers, so that a COMMIT comes to its end even when they are cancelled. What the block
    raised is kept and raised at the end: a task group would wrap it.
    """
    kept = _Kept()
    async with asyncio.TaskGroup() as commits:
        store = PostgresStore(engine, ports, lane_limit, commits)
        with kept:
            async with _working(store, kept):
                yield store
        store.refuse_rest()
    if kept.problem is not None:
        raise kept.problem


@asynccontextmanager
async def _working(store: "PostgresStore", kept: "_Kept") -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as workers:
        store.start(workers)
        with kept:
            yield
        await store.close()


class _Kept:
    """Keeps the first thing that its blocks raised instead of passing it on."""

    problem: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> bool:
        self.problem = self.problem or problem
        return True


class PostgresStore:
    """Made by `serve_postgres`."""

    def __init__(self, engine: AsyncEngine, ports: Ports, lane_limit: int, commits: asyncio.TaskGroup) -> None:
        self._ports = ports
        self._loop = asyncio.get_running_loop()
        self._bell = Doorbell()
        self._writes = LoopLanes(lane_limit)
        self._reads = LoopLanes(lane_limit)
        self._attempts = Attempts(engine, ports, commits, _WRITERS)
        self._numbering = Numbering(engine, self._bell.ring)
        self._workers: list[asyncio.Task[None]] = []

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start the workers."""
        for number in range(_WRITERS):
            self._workers.append(group.create_task(self._serve_writes(), name=f"store-writer-{number}"))
        for number in range(_READERS):
            self._workers.append(group.create_task(self._serve_reads(), name=f"store-reader-{number}"))
        self._number = group.create_task(self._numbering.run(), name="store-numbering")

    @property
    def feed_changed(self) -> Doorbell:
        """Rings when events got their positions, from this hub or, found later, from another."""
        return self._bell

    async def write(
        self,
        use_case: Callable[[Transaction, *Ts], Done[T]],
        *args: *Ts,
        urgent: bool = False,
        on_failure: Sequence[Effect] = (),
        on_doubt: Sequence[Effect] = (),
    ) -> T:
        """See `Store.write`. Use cases run on the loop's thread, on up to eight connections at once."""
        operation = Operation(
            name=getattr(use_case, "__name__", "use case"),
            run=bound(use_case, args),
            future=self._loop.create_future(),
            is_claim=is_claim(use_case),
            on_failure=on_failure,
            on_doubt=on_doubt,
        )
        self._put(self._writes, operation, urgent=urgent)
        answer: T = await operation.future
        return answer

    async def read(self, query: Callable[[Transaction, *Ts], T], *args: *Ts) -> T:
        """See `Store.read`. One snapshot a query."""
        operation = Operation(
            name=getattr(query, "__name__", "query"),
            run=bound(query, args),
            future=self._loop.create_future(),
            is_read=True,
        )
        self._put(self._reads, operation, urgent=False)
        answer: T = await operation.future
        return answer

    async def close(self) -> None:
        """See `Store.close`."""
        self._reads.close()
        self._writes.close()
        await asyncio.wait(self._workers)
        self._number.cancel()

    def refuse_rest(self) -> None:
        """Answer what no worker will take any more (after workers were cancelled)."""
        closed = StoreUnavailable("store_closed", "The hub is stopping.")
        rest = [*self._writes.take_rest(), *self._reads.take_rest()]
        settle_all([Settled(operation, None, closed) for operation in rest], self._ports)

    def _put(self, lanes: LoopLanes, operation: Operation, *, urgent: bool) -> None:
        try:
            lanes.put(operation, urgent=urgent)
        except StoreUnavailable as refused:
            settle_all([Settled(operation, None, refused)], self._ports)

    async def _serve_writes(self) -> None:
        while (operation := await self._writes.take()) is not None:
            try:
                committed = await self._attempts.write(operation)
            except asyncio.CancelledError:
                doubt = CommitInDoubt("The hub stopped while this was written.")
                settle_all([Settled(operation, None, doubt)], self._ports)
                raise
            except Exception as error:  # noqa: BLE001  # whatever it raises is the caller's answer
                settle_all([Settled(operation, None, error)], self._ports)
            else:
                settled = [Settled(operation, committed.done)]
                self._attempts.settle(committed, partial(settle_all, settled, self._ports))
                if committed.has_events:
                    self._numbering.wake()

    async def _serve_reads(self) -> None:
        while (operation := await self._reads.take()) is not None:
            try:
                settled = Settled(operation, Done(await self._attempts.read(operation)))
            except asyncio.CancelledError:
                operation.future.cancel()
                raise
            except Exception as error:  # noqa: BLE001  # whatever it raises is the caller's answer
                settled = Settled(operation, None, error)
            settle_all([settled], self._ports)
