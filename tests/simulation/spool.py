"""The runner's spool without its thread: real SQLite, real groups, committed inline at a later turn.

A database is in memory. Its file on the simulated disk only says which one it is, so that a wiped home has none and a
copied home has a copy. A daemon's death leaves the last COMMIT, as FULL does.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from agent.spool import GROUP_MAX, Failed, Operation, Spool, commit, make_tables
from agent.spool_check import check
from tests.simulation.disk import SimDisk
from tests.simulation.loop import SimLoop
from tests.simulation.nodes import FileNode, FolderNode, Node
from tests.simulation.process import check_alive

_COMMIT_S = (0.0002, 0.003)
_LIVE = b"database "


class Databases:
    """All spools of a machine."""

    def __init__(self, loop: SimLoop, disk: SimDisk, order: random.Random) -> None:
        self._loop = loop
        self._disk = disk
        self._order = order
        self._open: list[sqlite3.Connection] = []
        self._is_full = False

    async def open(self, path: Path, starts: int = 0) -> Spool:
        """See `Spool.open`."""
        check_alive()
        await asyncio.sleep(self._order.random() * _COMMIT_S[1])
        database = self._database(path)
        if database.in_transaction:
            database.execute("ROLLBACK")
        check(database, path, starts)
        make_tables(database)
        return Spool(lambda failed: InlineGroups(self._loop, database, failed, self._before_commit))

    def facts(self, path: Path) -> list[str]:
        """Executions that have facts there, for whoever looks for leftovers."""
        node = self._disk.find(path)
        if not isinstance(node, FileNode) or not node.data.startswith(_LIVE):
            return []
        rows = self._open[_number(node)].execute("SELECT DISTINCT execution_id FROM facts ORDER BY 1").fetchall()
        return [name for (name,) in rows]

    def fill(self, *, full: bool) -> None:
        """Let no database grow any more, or let them again."""
        self._is_full = full
        for database in self._open:
            _bound(database, full=full)

    def freeze(self, home: Node, name: str) -> None:
        """In a copy of a home: put the database's own bytes in place of its name."""
        assert isinstance(home, FolderNode)
        node = home.names.get(name)
        if isinstance(node, FileNode) and node.data.startswith(_LIVE):
            node.data[:] = self._open[_number(node)].serialize()
            node.sync()

    def close(self) -> None:
        """Close all."""
        for database in self._open:
            database.close()

    def _database(self, path: Path) -> sqlite3.Connection:
        node = self._disk.find(path)
        if isinstance(node, FileNode) and node.data.startswith(_LIVE):
            return self._open[_number(node)]
        database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=32)
        if isinstance(node, FileNode) and node.data:
            database.deserialize(bytes(node.data))
        _bound(database, full=self._is_full)
        self._open.append(database)
        # SQLite syncs the folder when it makes its journal.
        self._disk.write_durable(path, _LIVE + str(len(self._open) - 1).encode())
        return database

    def _before_commit(self) -> float:
        self._disk.step("commit", Path("spool.db"))
        low, high = _COMMIT_S
        return low + self._order.random() * (high - low)


class InlineGroups:
    """See `agent.spool.Groups`."""

    def __init__(
        self, loop: SimLoop, database: sqlite3.Connection, failed: Failed, before: Callable[[], float]
    ) -> None:
        self._loop = loop
        self._database = database
        self._failed = failed
        self._before = before
        self._waiting: list[Operation] = []
        self._is_busy = False

    def put(self, operation: Operation) -> None:
        """See the port: what arrives during a commit makes the next group."""
        check_alive()
        self._waiting.append(operation)
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._commit)

    async def close(self) -> None:
        """See the port."""
        while self._waiting or self._is_busy:  # noqa: ASYNC110 - of a simulation
            await asyncio.sleep(0.001)

    def _commit(self) -> None:
        group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
        try:
            takes_s = self._before()
        except OSError as error:
            # The disk fails below SQLite: it tells an I/O error.
            failure = sqlite3.OperationalError(f"disk I/O error: {error.strerror}")
            takes_s = _COMMIT_S[0]
            self._failed(failure, group[0].loop)
            for operation in group:
                if not operation.done.done():
                    operation.done.set_exception(failure)
        else:
            commit(self._database, group, self._failed)
        self._loop.call_later(takes_s, self._done)

    def _done(self) -> None:
        self._is_busy = bool(self._waiting)
        if self._waiting:
            self._commit()


def _number(node: FileNode) -> int:
    return int(bytes(node.data).removeprefix(_LIVE))


def _bound(database: sqlite3.Connection, *, full: bool) -> None:
    """A full disk: what is allocated may be written, and nothing beyond."""
    pages = int(database.execute("PRAGMA page_count").fetchone()[0]) if full else (1 << 30)
    database.execute(f"PRAGMA max_page_count = {max(1, pages)}").fetchall()
