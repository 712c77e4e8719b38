"""The one writer: a thread that turns what arrived during the last commit into the next one (core.md §5).

    take a group (urgent first, at most 256, never a wait)
    BEGIN IMMEDIATE
      for each operation: SAVEPOINT, run it, write its events, RELEASE   (or ROLLBACK TO: only it failed);
      one that is alone in its group needs no savepoint
    COMMIT                      one fsync for all
    hand the results to the loop, in this order

| what happens | then |
|---|---|
| an operation raises, the transaction lives | only it is rolled back and fails |
| an operation raises, the transaction is gone (SQLITE_FULL does that [M]) | the whole group fails |
| COMMIT fails, and the transaction lives or the disk was full | rolled back; the whole group fails |
| COMMIT fails otherwise, an I/O error, damage, a bug in here | `on_fatal`: the process ends (G9, R15) |
"""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.storage import feed
from hub.storage.lanes import Operation
from hub.storage.settling import Ports, Settled
from hub.storage.sqlite.checkpoints import Checkpoints
from hub.storage.sqlite.connection import Link, error_code, is_fatal
from hub.storage.sqlite.waiting import ThreadLanes
from hub.storage.store import CommitInDoubt, StoreUnavailable
from hub.storage.transaction import Done, Transaction

log = logging.getLogger(__name__)

GROUP_MOST = 256
BUDGET_S = 0.020
_IDLE_S = 0.25


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


class Writer:
    """Owns the writing connection from `start` on; `report` gets each group, in the writer's thread."""

    def __init__(
        self, link: Link, path: Path | None, lanes: ThreadLanes, ports: Ports, report: Callable[[Group], None]
    ) -> None:
        self._link = link
        self._checkpoints = Checkpoints(link.raw, path)
        self._lanes = lanes
        self._ports = ports
        self._report = report
        self._head = feed.read_head(link.connection)
        self._thread = threading.Thread(target=self._live, name="store-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the thread has done all work of its closed lanes and closed the file."""
        self._thread.join()

    def _live(self) -> None:
        group: Sequence[Operation] = ()
        try:
            while not self._lanes.is_drained:
                group = self._lanes.take(GROUP_MOST, _IDLE_S if self._checkpoints.is_behind else None)
                if group:
                    self._commit_group(group)
                    group = ()
                    self._checkpoints.after_commit()
                else:
                    self._checkpoints.when_idle()
            self._link.close()
        except BaseException as error:  # noqa: BLE001  # a dead writer ends the process, whatever killed it
            self._die(error, group)

    def _commit_group(self, group: Sequence[Operation]) -> None:
        before = self._head
        try:
            settled = self._run_group(group)
        except _GroupGoneError as gone:
            self._head = before
            error = _as_unavailable(gone.cause)
            settled = [Settled(operation, None, error) for operation in group]
        self._report(Group(settled, feed_grew=self._head.pos > before.pos))

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
        if not raw.in_transaction:
            raise _GroupGoneError(error) from error
        raw.execute("ROLLBACK TO op")
        raw.execute("RELEASE op")

    def _watch_budget(self, operation: Operation, started: float) -> None:
        took = self._ports.clock.monotonic() - started
        if took > BUDGET_S:
            log.warning("%s held the store for %.0f ms (budget %.0f)", operation.name, took * 1e3, BUDGET_S * 1e3)

    def _die(self, error: BaseException, group: Sequence[Operation]) -> None:
        # on_fatal ends the process. Where a test lets it return, callers must not hang: this group is in doubt, what
        # still waits was never begun.
        self._lanes.close()
        self._ports.on_fatal(error)
        doubt = CommitInDoubt("The store stopped while this was written.")
        settled = [Settled(operation, None, doubt) for operation in group]
        down = StoreUnavailable("store_down", "The store stopped before this was begun.")
        while waiting := self._lanes.take(GROUP_MOST, 0):
            settled += [Settled(operation, None, down) for operation in waiting]
        self._report(Group(settled))
        with contextlib.suppress(sqlite3.Error):
            self._link.close()


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
