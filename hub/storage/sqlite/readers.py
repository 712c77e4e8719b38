"""Reader threads: each read is one short transaction on a connection that can not write (core.md §5)."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.storage.lanes import Operation
from hub.storage.settling import Ports, Settled
from hub.storage.sqlite.connection import Link, connect_reader, is_fatal
from hub.storage.sqlite.waiting import ThreadLanes
from hub.storage.transaction import Done, Transaction


class Readers:
    """A few threads, each with a connection of its own. A read sees every commit that was acknowledged before it."""

    def __init__(
        self, path: Path, lanes: ThreadLanes, ports: Ports, report: Callable[[Sequence[Settled]], None]
    ) -> None:
        self._path = path
        self._lanes = lanes
        self._ports = ports
        self._report = report
        self._threads: list[threading.Thread] = []

    def start(self, count: int) -> None:
        """Open `count` connections and start their threads."""
        for number in range(count):
            link = connect_reader(self._path)
            thread = threading.Thread(target=self._live, args=(link,), name=f"store-reader-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait until the threads have done all reads of their closed lanes and closed their files."""
        for thread in self._threads:
            thread.join()

    def _live(self, link: Link) -> None:
        try:
            while not self._lanes.is_drained:
                for operation in self._lanes.take(1):
                    self._report([self._run(link, operation)])
            link.close()
        except BaseException as error:  # noqa: BLE001  # a dead reader would leave callers waiting for ever
            self._ports.on_fatal(error)

    def _run(self, link: Link, operation: Operation) -> Settled:
        tx = Transaction(connection=link.connection, now=self._ports.clock.now(), new_id=self._ports.ids, readonly=True)
        link.raw.execute("BEGIN")
        try:
            return Settled(operation, Done(operation.run(tx)))
        except Exception as error:
            if is_fatal(error):
                raise
            return Settled(operation, None, error)
        finally:
            if link.raw.in_transaction:
                link.raw.execute("ROLLBACK")
