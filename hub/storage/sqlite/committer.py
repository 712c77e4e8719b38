"""Group commit on SQLite: what arrived together becomes one transaction (core.md §5).

    BEGIN IMMEDIATE
      for each operation: SAVEPOINT, run it, write its events, RELEASE   (or ROLLBACK TO: only it failed);
      one that is alone in its group needs no savepoint
    COMMIT                      one fsync for all

| what happens | then |
|---|---|
| an operation raises, the transaction lives | only it is rolled back and fails |
| an operation raises, the transaction is gone (SQLITE_FULL does that [M]) | the whole group fails |
| the disk was full, and room was made (`Ports.on_full`) | the whole group is run once more |
| COMMIT fails, and the transaction lives or the disk was full | rolled back; the whole group fails |
| COMMIT fails otherwise, an I/O error, damage, a bug in here | it is raised: the process must end (G9, R15) |

No thread is in here: `writer.py` runs it in one, the simulator on its loop.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.storage import feed
from hub.storage.lanes import Operation
from hub.storage.settling import Ports, Settled
from hub.storage.sqlite.checkpoints import Checkpoints
from hub.storage.sqlite.connection import Link, error_code, is_fatal
from hub.storage.store import StoreUnavailable
from hub.storage.transaction import Done, Transaction

log = logging.getLogger(__name__)

BUDGET_S = 0.020


@dataclass(frozen=True, slots=True)
class Group:
    """What one commit settled, in commit order, and whether it wrote events."""

    settled: Sequence[Settled]
    feed_grew: bool = False


class _GroupGoneError(Exception):
    """SQLite rolled back more than one operation."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Committer:
    """Owns the writing connection; used by one thread at a time. `path` None is a database in memory."""

    def __init__(self, link: Link, path: Path | None, ports: Ports) -> None:
        self._link = link
        self._ports = ports
        self._head = feed.read_head(link.connection)
        self.checkpoints = Checkpoints(link.raw, path, ports.on_full)

    def close(self) -> None:
        """Close the file."""
        self._link.close()

    def commit(self, group: Sequence[Operation]) -> Group:
        """Run a group in one transaction. Raises what ends the process; nothing may follow it then."""
        before = self._head
        settled = self._try_group(group)
        if settled is None:
            # Room was made meanwhile. Nothing of the first try is there: use cases touch the transaction alone.
            settled = self._try_group(group, again=False)
        return Group(settled or (), feed_grew=self._head.pos > before.pos)

    def _try_group(self, group: Sequence[Operation], *, again: bool = True) -> Sequence[Settled] | None:
        """How each operation ended; None where the disk was full and has room now."""
        before = self._head
        try:
            return self._run_group(group)
        except _GroupGoneError as gone:
            self._head = before
            if error_code(gone.cause) == sqlite3.SQLITE_FULL and self._ports.on_full() and again:
                return None
            error = _as_unavailable(gone.cause)
            return [Settled(operation, None, error) for operation in group]

    def _run_group(self, group: Sequence[Operation]) -> list[Settled]:
        try:
            self._link.raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if is_fatal(error):
                raise
            raise _GroupGoneError(error) from error
        if len(group) == 1:
            return [self._run_alone(group[0])]
        settled = [self._run_one(operation) for operation in group]
        self._commit()
        return settled

    def _run_alone(self, operation: Operation) -> Settled:
        """One operation is its transaction: nobody else's work has to be kept from its failure by a savepoint."""
        raw, head = self._link.raw, self._head
        started = self._ports.clock.monotonic()
        try:
            done = self._call(operation)
        except Exception as error:  # whatever a use case raises is its caller's answer
            self._head = head
            if is_fatal(error):
                raise
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            if error_code(error) == sqlite3.SQLITE_FULL:
                raise _GroupGoneError(error) from error
            return Settled(operation, None, _translated(error))
        finally:
            self._watch_budget(operation, started)
        if not raw.in_transaction:
            raise RuntimeError(f"{operation.name} hid that its transaction was gone")
        self._commit()
        return Settled(operation, done)

    def _commit(self) -> None:
        raw = self._link.raw
        try:
            raw.execute("COMMIT")
        except sqlite3.Error as error:
            if is_fatal(error):
                raise
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            elif error_code(error) != sqlite3.SQLITE_FULL:
                raise  # in doubt: only start-up can find out
            raise _GroupGoneError(error) from error

    def _run_one(self, operation: Operation) -> Settled:
        raw, head = self._link.raw, self._head
        started = self._ports.clock.monotonic()
        raw.execute("SAVEPOINT op")
        try:
            done = self._call(operation)
        except Exception as error:  # noqa: BLE001  # whatever a use case raises is its caller's answer
            self._head = head
            self._undo(error)
            return Settled(operation, None, _translated(error))
        finally:
            self._watch_budget(operation, started)
        raw.execute("RELEASE op")  # fails, and ends the process, when a use case hid that its transaction was gone
        return Settled(operation, done)

    def _call(self, operation: Operation) -> Done[object]:
        tx = Transaction(
            connection=self._link.connection,
            now=self._ports.clock.now(),
            new_id=self._ports.ids,
            readonly=operation.is_read,
        )
        if operation.is_read:
            with self._query_only():
                return Done(operation.run(tx))
        done: Done[object] = operation.run(tx)
        self._head = feed.append_numbered(tx.connection, tx.recorded, tx.now, self._head)
        return done

    @contextlib.contextmanager
    def _query_only(self) -> Iterator[None]:
        self._link.raw.execute("PRAGMA query_only = 1").close()
        try:
            yield
        finally:
            self._link.raw.execute("PRAGMA query_only = 0").close()

    def _undo(self, error: Exception) -> None:
        raw = self._link.raw
        if is_fatal(error):
            raise error
        if raw.in_transaction and error_code(error) == sqlite3.SQLITE_FULL:
            raw.execute("ROLLBACK")
        if not raw.in_transaction:
            raise _GroupGoneError(error) from error
        raw.execute("ROLLBACK TO op")
        raw.execute("RELEASE op")

    def _watch_budget(self, operation: Operation, started: float) -> None:
        took = self._ports.clock.monotonic() - started
        if took > BUDGET_S:
            log.warning("%s held the store for %.0f ms (budget %.0f)", operation.name, took * 1e3, BUDGET_S * 1e3)


def _translated(error: Exception) -> Exception:
    """Full disk and a foreign lock are the store's trouble, not the use case's (R13, R14)."""
    if error_code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return _as_unavailable(error)
    return error


def _as_unavailable(error: BaseException) -> StoreUnavailable:
    code = error_code(error)
    names = {sqlite3.SQLITE_FULL: "store_full", sqlite3.SQLITE_BUSY: "store_busy", sqlite3.SQLITE_LOCKED: "store_busy"}
    # The driver's text goes to the log with the cause, never to a client: it may quote rows (S54).
    text = "Nothing was stored. Ask again."
    if code == sqlite3.SQLITE_FULL:
        text = "The hub's disk is full. Nothing was stored; free some space there, then ask again."
    unavailable = StoreUnavailable(names.get(code or 0, "store_down"), text)
    unavailable.__cause__ = error
    return unavailable
