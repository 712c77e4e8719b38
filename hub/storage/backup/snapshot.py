"""A copy of a SQLite database that a hub writes meanwhile: one read transaction beside it, which holds up nobody (R13).

The copy is of one moment: the transaction is opened first, and SQLite's backup reads inside it, so that commits which
come meanwhile neither show nor begin it anew. The connection only reads: it never checkpoints, which is the writer's
alone (reliability.md P12).
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

_PAGES = 2048
_BUSY_TIMEOUT_S = 30.0


class DamagedDatabase(Exception):  # noqa: N818 - a state of the file, told to a person
    """SQLite says that the file is not a sound database."""


def copy_database(source: Path, target: Path, told: Callable[[float], None] = lambda _: None) -> None:
    """Copy the database `source` to the new file `target`; `told` hears the share that is done, 0 to 1.

    Raises DamagedDatabase, sqlite3.Error, OSError.
    """
    reader = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        reader.isolation_level = None
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the moment is now

        def progress(_status: int, remaining: int, total: int) -> None:
            told(1.0 if total == 0 else (total - remaining) / total)

        reader.backup(copy, pages=_PAGES, progress=progress)
        # One file: the copy travels without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        check(copy, source)
    finally:
        copy.close()
        reader.close()


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DamagedDatabase unless SQLite finds the database sound (`quick_check`)."""
    try:
        answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        # Its first line says which database, of one.
        raise DamagedDatabase(f"{path} is damaged ({answer.splitlines()[-1][:200]}): restore it from a backup")
