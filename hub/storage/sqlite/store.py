"""The `Store` on SQLite: puts operations into lanes on the loop, settles them on the loop."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from hub.storage.doorbell import Doorbell
from hub.storage.lanes import Operation, bound, name_of
from hub.storage.settling import Ports, Settled, settle_all
from hub.storage.sqlite.committer import Group
from hub.storage.sqlite.connection import Link
from hub.storage.sqlite.readers import Readers
from hub.storage.sqlite.waiting import ThreadLanes
from hub.storage.sqlite.writer import Writer
from hub.storage.store import StoreUnavailable
from hub.storage.transaction import Done, Effect, Transaction

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_READERS = 2
_SWITCH_INTERVAL_S = 0.0005
"""A two-hop exchange beside a busy thread took 5.2 ms with Python's default, then 0.6 (core.md §5)."""


class SqliteStore:
    """One file, one process. Made by `open_store`, on the loop that will use it.

    `link` is the opened and checked writing connection; `path` None means a database in memory, whose reads go
    through the writer.
    """

    def __init__(self, link: Link, path: Path | None, ports: Ports, lane_limit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._ports = ports
        self._bell = Doorbell()
        self._writes = ThreadLanes(lane_limit)
        self._reads = self._writes if path is None else ThreadLanes(lane_limit)
        self._writer = Writer(link, path, self._writes, ports, self._report_group)
        self._readers = None if path is None else Readers(path, self._reads, ports, self._report)
        sys.setswitchinterval(_SWITCH_INTERVAL_S)

    def start(self) -> None:
        """Start the threads."""
        self._writer.start()
        if self._readers is not None:
            self._readers.start(_READERS)

    @property
    def feed_changed(self) -> Doorbell:
        """Rings after each commit that wrote events."""
        return self._bell

    async def write(
        self,
        use_case: Callable[[Transaction, *Ts], Done[T]],
        *args: *Ts,
        urgent: bool = False,
        on_failure: Sequence[Effect] = (),
        on_doubt: Sequence[Effect] = (),
    ) -> T:
        """See `Store.write`. Use cases run in the writer's thread, one at a time, in commit order."""
        operation = Operation(
            name=name_of(use_case),
            run=bound(use_case, args),
            future=self._loop.create_future(),
            on_failure=on_failure,
            on_doubt=on_doubt,
        )
        self._put(self._writes, operation, urgent=urgent)
        answer: T = await operation.future
        return answer

    async def read(self, query: Callable[[Transaction, *Ts], T], *args: *Ts) -> T:
        """See `Store.read`. Queries run in reader threads."""
        operation = Operation(
            name=name_of(query), run=bound(query, args), future=self._loop.create_future(), is_read=True
        )
        self._put(self._reads, operation, urgent=False)
        answer: T = await operation.future
        return answer

    async def close(self) -> None:
        """See `Store.close`. The writer's connection is the last one to close, hence the one that checkpoints."""
        if self._readers is not None:
            self._reads.close()
            await asyncio.to_thread(self._readers.join)
        self._writes.close()
        await asyncio.to_thread(self._writer.join)

    def _put(self, lanes: ThreadLanes, operation: Operation, *, urgent: bool) -> None:
        try:
            lanes.put(operation, urgent=urgent)
        except StoreUnavailable as refused:
            settle_all([Settled(operation, None, refused)], self._ports)

    def _report(self, settled: Sequence[Settled]) -> None:
        self._on_loop(settle_all, settled, self._ports)

    def _report_group(self, group: Group) -> None:
        self._on_loop(settle_all, group.settled, self._ports)
        if group.feed_grew:
            self._on_loop(self._bell.ring)

    def _on_loop(self, step: Callable[..., None], *args: object) -> None:
        # A process that ends without `close` may have no loop any more; then nobody waits for an answer either.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(step, *args)
