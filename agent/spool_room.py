"""Room of a spool's own, for what ends executions on a full disk (core.md §3).

Three parts, each of 1 MiB: a row of nothing in the database, whose pages the facts get; the journal, which is written
to that length once and begins anew; and a file beside, whose blocks the database takes when it takes the journal in.
"""

import contextlib
import sqlite3
from pathlib import Path

from agent.ports.room import make_reserve

ROOM_BYTES = 1024 * 1024
ROOM = "CREATE TABLE IF NOT EXISTS room(id INTEGER PRIMARY KEY, filler BLOB NOT NULL)"
_FILL = "INSERT OR IGNORE INTO room VALUES (1, zeroblob(?))"


def take_room(db: sqlite3.Connection) -> None:
    """Have 1 MiB in the file and in its journal, which is a new one at each start; a full disk gives none."""
    try:
        db.execute(ROOM)
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM room")
        fill(db)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    except sqlite3.OperationalError as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if not is_full(error):
            raise


def begin_journal_anew(db: sqlite3.Connection) -> None:
    """Move what the journal holds into the file, so that the journal's own room is free again."""
    for _ in range(2):
        try:
            db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        except sqlite3.OperationalError:
            # The file must grow for that.
            reserve = _reserve_of(db)
            if reserve.name:
                reserve.unlink(missing_ok=True)
        else:
            return


def fill(db: sqlite3.Connection) -> None:
    """Have the room, and beside the file what the journal needs to become part of it."""
    db.execute(_FILL, (ROOM_BYTES,))
    reserve = _reserve_of(db)
    if reserve.name and not reserve.exists():
        with contextlib.suppress(OSError):
            make_reserve(reserve, ROOM_BYTES)


def _reserve_of(db: sqlite3.Connection) -> Path:
    file = db.execute("PRAGMA database_list").fetchone()[2]
    return Path(file).with_suffix(".reserve") if file else Path()


def is_tight(db: sqlite3.Connection) -> bool:
    """Whether the room was needed, and was not taken again yet: then it is for what ends executions alone."""
    reserve = _reserve_of(db)
    return bool(reserve.name) and not reserve.exists()


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk is."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
