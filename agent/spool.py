"""Facts until the hub has them: one SQLite file, its own thread, one fsync for a group (`core.md` §3, P4).

A fact is durable when `add` returns, and only then may be sent. What arrives while a commit is under way makes the next
group; nothing waits for company. Facts of an execution go when it is forgotten; a tombstone (execution, task, fence,
outcome) stays 30 days, so that neither its order nor a lower fence of its task ever starts anything here again (D8).

The file has room of its own: 1 MiB is allocated in it and in its journal, for what ends an execution, so that a report,
an exit and a final fit on a disk that is full.

A damaged or newer file is refused and left as it is (`agent.spool_check`). When the disk fails, `failure` is set: the
process must end, because what it believes to be durable may not be (G9).
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar, cast

from agent.spool_check import SPOOL_VERSION, look_at
from agent.spool_room import ROOM, begin_journal_anew, fill, is_full, is_tight, take_room
from agent.wire.facts import Fact

T = TypeVar("T")
TOMBSTONE_DAYS = 30
GROUP_MAX = 256
_VITAL = frozenset({"started", "void", "stop", "report", "exit", "final"})
_SCHEMA = """
CREATE TABLE facts(
    execution_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (execution_id, seq)
) WITHOUT ROWID;
-- Each of these is said once, however often a folder is read again.
CREATE UNIQUE INDEX once ON facts(execution_id, kind) WHERE kind IN ('started', 'void', 'exit', 'final');
CREATE TABLE tombstones(
    execution_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, fence INTEGER NOT NULL, outcome TEXT NOT NULL,
    buried_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE notes(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class SpoolFullError(Exception):
    """The disk is full: nothing of this operation was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What stays of a forgotten execution."""

    execution_id: str
    task_id: str
    fence: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One reading or writing step that waits for its group; `done` is told after COMMIT."""

    run: Callable[[sqlite3.Connection], object]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[object]"
    is_vital: bool = True
    """Whether the room that is kept is for this, too; a step that needs none is."""


Failed = Callable[[Exception, asyncio.AbstractEventLoop], None]
"""Called when the disk failed, from wherever groups are committed."""


class Groups(Protocol):
    """Where operations become groups, and groups are committed (`commit`)."""

    def put(self, operation: Operation) -> None:
        """Take an operation into the next group; returns at once."""
        ...

    async def close(self) -> None:
        """Commit what waits, then close the file."""
        ...


class Spool:
    """Open with `Spool.open`; call the rest from one event loop."""

    def __init__(self, groups: Callable[[Failed], Groups]) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails with the disk's error; await it, and end the process."""
        self._groups = groups(self._fail)

    @classmethod
    async def open(cls, path: Path, starts: int = 0) -> "Spool":
        """Open or make the file. `starts`: how many its home has counted.

        Raises SetupError when it is damaged, of a newer version, or knows fewer starts; not a byte of it is changed.
        """
        connection = await asyncio.to_thread(_open, path, starts)
        return cls(lambda failed: ThreadedGroups(connection, failed))

    async def close(self) -> None:
        """Commit what waits, then close."""
        await self._groups.close()
        self.failure.cancel()

    async def add(self, *facts: Fact, may_use_room: bool = True) -> bool:
        """Keep facts in one commit; durable on return. False when one (or its only one of a kind) was there already.

        The room that is kept is for what is vital, unless it may not be used. Raises SpoolFullError: none was kept.
        """
        rows = [(fact.execution_id, fact.seq, fact.body.kind, fact.model_dump_json().encode()) for fact in facts]
        insert = "INSERT INTO facts VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        is_vital = may_use_room and all(fact.body.kind in _VITAL for fact in facts)
        return await self._do(lambda db: db.executemany(insert, rows).rowcount == len(rows), is_vital=is_vital)

    async def keep_room(self) -> None:
        """Take again the room that was needed; nothing where it is there. Raises SpoolFullError."""
        await self._do(fill)

    async def read(self, execution_id: str, after: int = 0, limit: int = -1) -> list[Fact]:
        """Facts of an execution in their order."""
        select = "SELECT body FROM facts WHERE execution_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = await self._do(lambda db: db.execute(select, (execution_id, after, limit)).fetchall())
        return [Fact.model_validate_json(body) for (body,) in rows]

    async def executions(self) -> list[str]:
        """Executions that have facts here."""
        rows = await self._do(lambda db: db.execute("SELECT DISTINCT execution_id FROM facts").fetchall())
        return [name for (name,) in rows]

    async def count(self) -> int:
        """Facts that are kept here."""
        rows = await self._do(lambda db: db.execute("SELECT count(*) FROM facts").fetchall())
        return int(rows[0][0])

    async def bury(self, stone: Tombstone, now: datetime) -> None:
        """Remove the facts and leave the tombstone, in one step; old tombstones go."""
        row = (stone.execution_id, stone.task_id, stone.fence, stone.outcome, now.isoformat())
        oldest = (now - timedelta(days=TOMBSTONE_DAYS)).isoformat()

        def run(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM facts WHERE execution_id = ?", (stone.execution_id,))
            db.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?, ?)", row)
            db.execute("DELETE FROM tombstones WHERE buried_at < ?", (oldest,))

        await self._do(run)

    async def tombstones(self) -> list[Tombstone]:
        """All of the last 30 days."""
        select = "SELECT execution_id, task_id, fence, outcome FROM tombstones"
        rows = await self._do(lambda db: db.execute(select).fetchall())
        return [Tombstone(execution_id=one, task_id=task, fence=fence, outcome=end) for one, task, fence, end in rows]

    async def note(self, name: str) -> int:
        """A number that was kept; 0 when it never was."""
        rows = await self._do(lambda db: db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchall())
        return int(rows[0][0]) if rows else 0

    async def keep_note(self, name: str, value: int) -> None:
        """Keep a number; it only grows."""
        upsert = "INSERT INTO notes VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = max(value, excluded.value)"
        await self._do(lambda db: db.execute(upsert, (name, value)).rowcount)

    async def notes(self, prefix: str) -> list[tuple[str, int]]:
        """(name, number) of the notes whose names begin so."""
        select = "SELECT name, value FROM notes WHERE substr(name, 1, ?) = ?"
        return await self._do(lambda db: db.execute(select, (len(prefix), prefix)).fetchall())

    async def keep_only_note(self, prefix: str, name: str, value: int) -> None:
        """Keep a number, and no other note whose name begins so; it only grows."""
        upsert = "INSERT INTO notes VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = max(value, excluded.value)"
        forget = "DELETE FROM notes WHERE substr(name, 1, ?) = ? AND name <> ?"

        def run(db: sqlite3.Connection) -> None:
            db.execute(forget, (len(prefix), prefix, prefix + name))
            db.execute(upsert, (prefix + name, value))

        await self._do(run)

    async def _do(self, run: Callable[[sqlite3.Connection], T], *, is_vital: bool = True) -> T:
        loop = asyncio.get_running_loop()
        operation = Operation(run=run, loop=loop, done=loop.create_future(), is_vital=is_vital)
        self._groups.put(operation)
        # Shielded: who stops waiting for a fact does not take it back.
        return cast("T", await asyncio.shield(operation.done))

    def _fail(self, error: Exception, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(_set_exception, self.failure, error)


class ThreadedGroups:
    """`Groups` in a thread of their own: what arrives during a commit makes the next group."""

    def __init__(self, connection: sqlite3.Connection, failed: Failed) -> None:
        self._connection = connection
        self._failed = failed
        self._waiting: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="spool", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Take an operation into the next group; returns at once."""
        self._waiting.put(operation)

    async def close(self) -> None:
        """Commit what waits, then close the file."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                commit(self._connection, group, self._failed)
        self._connection.close()

    def _next_group(self) -> tuple[list[Operation], bool]:
        group: list[Operation] = []
        operation = self._waiting.get()
        while operation is not None:
            group.append(operation)
            if len(group) == GROUP_MAX or self._waiting.empty():
                return group, True
            operation = self._waiting.get()
        return group, False


def commit(db: sqlite3.Connection, group: Sequence[Operation], failed: Failed) -> None:
    """Run a group in one transaction, and answer each of it after COMMIT returned.

    On a full disk the room that is kept is for what is vital; the rest is refused until it is there again.
    """
    if not all(operation.is_vital for operation in group) and is_tight(db):
        _commit_what_fits(db, group, failed)
        return
    try:
        results = _run(db, group)
    except sqlite3.Error as error:
        if is_full(error):
            _commit_what_fits(db, group, failed)
        else:
            _refuse(group, error, failed)
    else:
        _answer(group, results)


def _run(db: sqlite3.Connection, group: Sequence[Operation], *, with_room: bool = False) -> list[object]:
    """Run a group in one transaction. Raises sqlite3.Error; then nothing of it was done."""
    try:
        db.execute("BEGIN IMMEDIATE")
        if with_room:
            db.execute("DELETE FROM room")
        results = [operation.run(db) for operation in group]
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return results


def _commit_what_fits(db: sqlite3.Connection, group: Sequence[Operation], failed: Failed) -> None:
    vital = [operation for operation in group if operation.is_vital]
    _refuse([operation for operation in group if not operation.is_vital], SpoolFullError(), failed)
    try:
        begin_journal_anew(db)
        results = _run(db, vital, with_room=True) if vital else []
    except sqlite3.Error as error:
        _refuse(vital, error, failed)
    else:
        _answer(vital, results)


def _answer(group: Sequence[Operation], results: Sequence[object]) -> None:
    for operation, result in zip(group, results, strict=True):
        operation.loop.call_soon_threadsafe(_set_result, operation.done, result)


def _refuse(group: Sequence[Operation], error: sqlite3.Error | SpoolFullError, failed: Failed) -> None:
    no_room = isinstance(error, SpoolFullError) or is_full(error)
    if group and not no_room:
        failed(error, group[0].loop)
    answer = SpoolFullError("the disk is full") if no_room else error
    for operation in group:
        operation.loop.call_soon_threadsafe(_set_exception, operation.done, answer)


def _set_result(future: "asyncio.Future[object]", result: object) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: "asyncio.Future[None] | asyncio.Future[object]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _open(path: Path, starts: int) -> sqlite3.Connection:
    look_at(path, starts)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=32)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # Where zeros are written over what is removed (Debian's SQLite), removing needs the room that it gives.
        db.execute("PRAGMA secure_delete = FAST").fetchall()
        make_tables(db)
        take_room(db)
    except BaseException:
        db.close()
        raise
    path.chmod(0o600)
    return db


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables of an empty spool, in one transaction: a crash leaves an empty file, which is made anew."""
    if db.execute("PRAGMA user_version").fetchone()[0] == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {ROOM}; PRAGMA user_version = {SPOOL_VERSION}; COMMIT;")
