"""Facts until the hub has them: one SQLite file, its own thread, one fsync for a group (`core.md` §3, P4).

A fact is durable when `add` returns, and only then may be sent. What arrives while a commit is under way makes the next
group; nothing waits for company. Facts of an execution go when it is forgotten; a tombstone (execution, task, fence,
outcome) stays 30 days, so that neither its order nor a lower fence of its task ever starts anything here again (D8).

A damaged or newer file is refused and left as it is (G9, R41). When the disk fails, `failure` is set: the process must
end, because what it believes to be durable may not be (G9).
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

from agent.errors import SetupError
from agent.wire.facts import Fact

T = TypeVar("T")
SPOOL_VERSION = 1
TOMBSTONE_DAYS = 30
_GROUP_MAX = 256
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
class _Operation:
    run: Callable[[sqlite3.Connection], object]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[object]"


class Spool:
    """Open with `Spool.open`; call the rest from one event loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails with the disk's error; await it, and end the process."""
        self._thread = threading.Thread(target=self._serve, name="spool", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path) -> "Spool":
        """Open or make the file. Raises SetupError when it is damaged or of a newer version; it is left as it is."""
        return cls(await asyncio.to_thread(_open, path))

    async def close(self) -> None:
        """Commit what waits, then close."""
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        self.failure.cancel()

    async def add(self, *facts: Fact) -> bool:
        """Keep facts in one commit; durable on return. False when one (or its only one of a kind) was there already.

        Raises SpoolFullError: none was kept.
        """
        rows = [(fact.execution_id, fact.seq, fact.body.kind, fact.model_dump_json().encode()) for fact in facts]
        insert = "INSERT INTO facts VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return await self._do(lambda db: db.executemany(insert, rows).rowcount == len(rows))

    async def read(self, execution_id: str, after: int = 0, limit: int = -1) -> list[Fact]:
        """Facts of an execution in their order."""
        select = "SELECT body FROM facts WHERE execution_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = await self._do(lambda db: db.execute(select, (execution_id, after, limit)).fetchall())
        return [Fact.model_validate_json(body) for (body,) in rows]

    async def executions(self) -> list[str]:
        """Executions that have facts here."""
        rows = await self._do(lambda db: db.execute("SELECT DISTINCT execution_id FROM facts").fetchall())
        return [name for (name,) in rows]

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

    async def _do(self, run: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        operation = _Operation(run=run, loop=loop, done=loop.create_future())
        self._waiting.put(operation)
        # Shielded: who stops waiting for a fact does not take it back.
        return cast("T", await asyncio.shield(operation.done))

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                _commit(self._connection, group, self._fail)
        self._connection.close()

    def _next_group(self) -> tuple[list[_Operation], bool]:
        group: list[_Operation] = []
        operation = self._waiting.get()
        while operation is not None:
            group.append(operation)
            if len(group) == _GROUP_MAX or self._waiting.empty():
                return group, True
            operation = self._waiting.get()
        return group, False

    def _fail(self, error: Exception, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(_set_exception, self.failure, error)


def _commit(db: sqlite3.Connection, group: Sequence[_Operation], fail: Callable[..., None]) -> None:
    results: list[object] = []
    try:
        db.execute("BEGIN IMMEDIATE")
        results.extend(operation.run(db) for operation in group)
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        is_full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
        if not is_full:
            fail(error, group[0].loop)
        answer = SpoolFullError("the disk is full") if is_full else error
        for operation in group:
            operation.loop.call_soon_threadsafe(_set_exception, operation.done, answer)
        return
    for operation, result in zip(group, results, strict=True):
        operation.loop.call_soon_threadsafe(_set_result, operation.done, result)


def _set_result(future: "asyncio.Future[object]", result: object) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: "asyncio.Future[None] | asyncio.Future[object]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _open(path: Path) -> sqlite3.Connection:
    is_new = not path.exists()
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=32)
    try:
        if not is_new:
            _check(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            # In one transaction: a crash leaves an empty file, which is made anew.
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SPOOL_VERSION}; COMMIT;")
    except BaseException:
        db.close()
        raise
    path.chmod(0o600)
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        answer = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise SetupError(f"{path} is damaged ({error}); it was left as it is") from error
    if version > SPOOL_VERSION:
        raise SetupError(f"{path} was written by a newer botyard-agent (spool {version}); it was left as it is")
    if answer != "ok":
        raise SetupError(f"{path} is damaged ({answer}); it was left as it is")
