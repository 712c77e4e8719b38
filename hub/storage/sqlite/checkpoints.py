"""When the write-ahead log is copied into the database: only by the writer, never under a reader's feet.

`wal_autocheckpoint` is off (core.md §5): SQLite before 3.51.3 can corrupt a WAL when two connections checkpoint at
once (libraries.md, pitfalls). `journal_size_limit` makes the file's size tell what is in it: after a complete
checkpoint the next commit cuts it back to 4 MiB, so a larger file holds more than that.
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from hub.storage.sqlite.connection import error_code

log = logging.getLogger(__name__)

_PASSIVE_BYTES = 4 * 1024 * 1024
_TRUNCATE_BYTES = 64 * 1024 * 1024
_AGAIN_BYTES = 1024 * 1024
"""A checkpoint that readers held up is tried again after this much more."""
_PATIENCE_MS = 50
"""How long TRUNCATE waits for readers; they are short."""
_BUSY_TIMEOUT_MS = 5000


class Checkpoints:
    """Decides and runs the checkpoints of one database file. Lives in the writer's thread."""

    def __init__(self, raw: sqlite3.Connection, path: Path | None, on_full: Callable[[], bool] = bool) -> None:
        self._raw = raw
        self._on_full = on_full
        self._log = None if path is None else path.with_name(path.name + "-wal")
        self._tried_at_bytes = 0
        self.is_behind = False
        """Commits are in the log that are not in the database file."""

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log's file."""
        try:
            return 0 if self._log is None else self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def after_commit(self) -> None:
        """PASSIVE when the log holds more than 4 MiB, TRUNCATE above 64 MiB."""
        self.is_behind = True
        size = self.wal_bytes
        if size <= _PASSIVE_BYTES:
            self._tried_at_bytes = 0
        elif size > _TRUNCATE_BYTES and size >= self._tried_at_bytes + _AGAIN_BYTES:
            self._run("TRUNCATE", size)
        elif size >= self._tried_at_bytes + _AGAIN_BYTES:
            self._run("PASSIVE", size)

    def when_idle(self) -> None:
        """PASSIVE, once after the last commit."""
        if self.is_behind:
            self._run("PASSIVE", self.wal_bytes)

    def _run(self, mode: str, size: int) -> None:
        self._tried_at_bytes = size
        self._raw.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}").close()
        try:
            _busy, in_log, copied = self._raw.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            self.is_behind = in_log != copied
        except sqlite3.OperationalError as error:
            if error_code(error) != sqlite3.SQLITE_FULL:
                raise
            # The log has it all, durably; the copy waits until there is room (R27).
            self.is_behind = True
            log.warning("the disk is full: what is committed waits in the write-ahead log")
            self._on_full()
        finally:
            self._raw.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}").close()
