"""Opening SQLite files: one driver connection under one SQLAlchemy connection, transactions by hand."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hub.storage.json_text import dump_json

_BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for a foreign process, a backup say (R13)."""
_WAL_KEPT_BYTES = 4 * 1024 * 1024
_OLDEST = (3, 38, 0)
_PRIMARY = 0xFF
_FATAL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True)
class Link:
    """A driver connection and SQLAlchemy's view of it. BEGIN, SAVEPOINT and COMMIT go to `raw` alone."""

    raw: sqlite3.Connection
    connection: sa.Connection

    def close(self) -> None:
        """Close both; an open transaction is rolled back."""
        self.connection.close()
        self.connection.engine.dispose()
        self.raw.close()


def connect_writer(path: Path | None) -> Link:
    """Open the one writing connection; `path` None is a database in memory.

    synchronous FULL: a commit is on disk when COMMIT returns; the group pays for it. The writer alone checkpoints.
    """
    raw = _connect(path)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {_WAL_KEPT_BYTES}",
        "cache_size = -16384",
    ):
        raw.execute(f"PRAGMA {pragma}").close()
    return _wrap(raw)


def connect_reader(path: Path) -> Link:
    """Open a connection that can not write."""
    raw = _connect(path)
    raw.execute("PRAGMA query_only = 1").close()
    return _wrap(raw)


def _connect(path: Path | None) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise RuntimeError(f"SQLite {sqlite3.sqlite_version} is too old; at least 3.38 is needed")
    raw = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    raw.execute("PRAGMA mmap_size = 0").close()
    raw.execute("PRAGMA temp_store = MEMORY").close()
    return raw


def _wrap(raw: sqlite3.Connection) -> Link:
    engine = sa.create_engine(
        "sqlite://", creator=lambda: raw, poolclass=sa.pool.StaticPool, json_serializer=dump_json, query_cache_size=1500
    )
    return Link(raw, engine.connect())


def sqlite_error(error: BaseException | None) -> sqlite3.Error | None:
    """Find the driver's error in an exception, its SQLAlchemy wrapping or its causes."""
    while error is not None:
        if isinstance(error, sqlite3.Error):
            return error
        inner = error.orig if isinstance(error, sa.exc.DBAPIError) else None
        error = inner or error.__cause__
    return None


def error_code(error: BaseException) -> int | None:
    """SQLite's primary result code behind an exception, or None."""
    found = sqlite_error(error)
    code = getattr(found, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:
        # No room for the index of the log: a full disk, in the words of an I/O error.
        return sqlite3.SQLITE_FULL
    return None if code is None else int(code) & _PRIMARY


def is_fatal(error: BaseException) -> bool:
    """Whether the file can not be trusted any more: I/O error or damage (G9, R15)."""
    return error_code(error) in _FATAL
