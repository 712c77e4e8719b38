"""The hub's storage without threads: real SQLite, real group commit, the real journal of outputs, on the loop.

A database is in memory and belongs to the world: when a hub is killed its connection is rolled back and given to the
next one, which finds the last COMMIT. Between a COMMIT and its answer lies a turn of the loop, where a crash can fall.
"""

import asyncio
import functools
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple

from hub.storage.doorbell import Doorbell
from hub.storage.lanes import Lanes, Operation, bound, name_of
from hub.storage.migrations import prepare
from hub.storage.outputs.records import Record
from hub.storage.outputs.tally import Totals
from hub.storage.outputs.writer import Key
from hub.storage.outputs.writer import Writer as OutputWriter
from hub.storage.settling import Ports, Settled, settle_all
from hub.storage.sqlite.committer import Committer, Group
from hub.storage.sqlite.connection import Link, connect_writer, is_fatal
from hub.storage.store import StoreUnavailable
from hub.storage.transaction import Done, Effect, Transaction
from tests.simulation.loop import SimLoop
from tests.simulation.process import check_alive

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LANE_LIMIT = 4096
_GROUP_MOST = 256
_COMMIT_S = (0.0003, 0.004)
_STALL_S = (0.2, 3.0)
"""Now and then a disk takes its time."""
_READ_S = 0.001
_QUIET_S = 0.05


def fresh_database() -> Link:
    """An empty database with the schema, in memory: the one of this process, whose last content is gone.

    One connection for all worlds, which follow on one another, keeps compiled statements: a third of a world's time.
    """
    link = _link()
    after_crash(link)
    link.raw.deserialize(_template())
    return link


def make_ready() -> None:
    """Make what all worlds share, before one of them: else the first would draw more from its seed than the others."""
    _link()
    _template()


@functools.cache
def _link() -> Link:
    return connect_writer(None)


@functools.cache
def _template() -> bytes:
    link = connect_writer(None)
    link.raw.execute("BEGIN IMMEDIATE").close()
    prepare(link.connection)
    link.raw.execute("COMMIT").close()
    made = link.raw.serialize()
    link.close()
    return made


def after_crash(link: Link) -> None:
    """What the next process finds: the last COMMIT."""
    if link.raw.in_transaction:
        link.raw.execute("ROLLBACK").close()


class SimStore:
    """A `hub.storage.store.Store` for one hub process."""

    def __init__(
        self, loop: SimLoop, link: Link, ports: Ports, order: random.Random, stalls: Callable[[], float]
    ) -> None:
        """`stalls`: the share of commits that take long."""
        self._loop = loop
        self._ports = ports
        self._order = order
        self._link = link
        self._committer = Committer(link, None, ports)
        self._known: dict[str, tuple[int, Any]] = {}
        self._askable: set[str] = set()
        """Queries without arguments: what a hub asks every few seconds by itself."""
        self._bell = Doorbell()
        self._writes = Lanes(_LANE_LIMIT)
        self._reads = Lanes(_LANE_LIMIT)
        self._is_writing = False
        self._stalls = stalls

    @property
    def feed_changed(self) -> Doorbell:
        """See `Store`."""
        return self._bell

    async def write(
        self,
        use_case: Callable[[Transaction, *Ts], Done[T]],
        *args: *Ts,
        urgent: bool = False,
        on_failure: Sequence[Effect] = (),
        on_doubt: Sequence[Effect] = (),
    ) -> T:
        """See `Store`."""
        check_alive()
        operation = Operation(
            name=name_of(use_case),
            run=bound(use_case, args),
            future=self._loop.create_future(),
            on_failure=on_failure,
            on_doubt=on_doubt,
        )
        if self._put(self._writes, operation, urgent=urgent):
            self._begin_commit()
        answer: T = await operation.future
        return answer

    async def read(self, query: Callable[[Transaction, *Ts], T], *args: *Ts) -> T:
        """See `Store`."""
        check_alive()
        operation = Operation(
            name=name_of(query), run=bound(query, args), future=self._loop.create_future(), is_read=True
        )
        if not args and "<" not in operation.name:
            self._askable.add(operation.name)
        if self._put(self._reads, operation, urgent=False):
            self._loop.call_later(self._order.random() * _READ_S, self._read)
        answer: T = await operation.future
        return answer

    async def close(self) -> None:
        """See `Store`; the connection stays the world's."""
        self._reads.is_closed = self._writes.is_closed = True
        while len(self._reads) or len(self._writes) or self._is_writing:  # noqa: ASYNC110 - at the end only
            await asyncio.sleep(_READ_S)

    # --- inside ---

    def _put(self, lanes: Lanes, operation: Operation, *, urgent: bool) -> bool:
        try:
            lanes.put(operation, urgent=urgent)
        except StoreUnavailable as refused:
            settle_all([Settled(operation, None, refused)], self._ports)
            return False
        return True

    def _begin_commit(self) -> None:
        """A group is what arrived during the last commit, never a wait."""
        if not self._is_writing:
            self._is_writing = True
            low, high = _STALL_S if self._order.random() < self._stalls() else _COMMIT_S
            self._loop.call_soon(self._commit, low + self._order.random() * (high - low))

    def _commit(self, takes_s: float) -> None:
        group = self._writes.take(_GROUP_MOST)
        self._loop.note(f"commit {' '.join(one.name for one in group)}\n")
        try:
            done = self._committer.commit(group)
        except Exception as error:
            self._ports.on_fatal(error)
            return
        self._loop.call_later(takes_s, self._answer, done)

    def _answer(self, done: Group) -> None:
        self._is_writing = False
        settle_all(done.settled, self._ports)
        if done.feed_grew:
            self._bell.ring()
        if len(self._writes):
            self._begin_commit()

    def _read(self) -> None:
        for operation in self._reads.take(1):
            try:
                done = Settled(operation, Done(self._ask(operation)))
            except Exception as error:
                if is_fatal(error):
                    self._ports.on_fatal(error)
                    return
                done = Settled(operation, None, error)
            self._loop.call_soon(settle_all, [done], self._ports)

    def _ask(self, operation: Operation) -> Any:
        """Run a query; one asked before is answered from memory while nothing was written, unless it asks the time."""
        raw = self._link.raw
        known = self._known.get(operation.name)
        if known is not None and known[0] == raw.total_changes:
            return known[1]
        tx = _Reading(connection=self._link.connection, now=self._ports.clock.now(), new_id=self._ports.ids)
        tx.readonly = True
        raw.execute("BEGIN")
        try:
            answer = operation.run(tx)
        finally:
            raw.execute("ROLLBACK")
        if operation.name in self._askable and not tx.asked_time:
            self._known[operation.name] = (raw.total_changes, answer)
        return answer


class _Reading(Transaction):
    """A transaction that notes whether its query asked for the time."""

    asked_time = False

    @property
    def now(self) -> datetime:
        """See `Transaction`."""
        self.asked_time = True
        return self._now

    @now.setter
    def now(self, now: datetime) -> None:
        self._now = now


class InlineOutputs(OutputWriter):
    """The outputs' writer, its turns taken by the loop."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_due = False

    def start(self) -> None:
        """See `Writer`."""
        self._loop = asyncio.get_running_loop()
        self._wake(0.0)

    def put(self, record: Record) -> None:
        """See `Writer`."""
        check_alive()
        super().put(record)
        self._wake(0.001)

    def finish(self, key: Key) -> Any:
        """See `Writer`."""
        check_alive()
        done = super().finish(key)
        self._wake(0.001)
        return done

    def close(self) -> None:
        """See `Writer`."""
        while self.turn(wait=False):
            pass
        self.drop()

    def drop(self) -> None:
        """Close the file and nothing else, as the end of a process does."""
        self._journal.close()

    def _wake(self, delay_s: float) -> None:
        if not self._is_due and self._loop is not None:
            self._is_due = True
            self._loop.call_later(delay_s, self._take_turn)

    def _take_turn(self) -> None:
        self._is_due = False
        if self.turn(wait=False):
            self._wake(0.0 if not self._inbox.empty() else _QUIET_S)


__all__ = ["InlineOutputs", "SimStore", "Totals", "after_crash", "fresh_database", "make_ready"]
