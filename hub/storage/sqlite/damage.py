"""Whether a database file is whole, asked where its last hub did not end in order (`reliability.md` R15).

A hub that ends in order copies its log into the file and removes it; so a log that is there, and holds something, was
left by a crash. Only then the file is read through, and an orderly start stays quick.
"""

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from hub.storage.unreachable import CannotOpen


def refuse_damaged(path: Path) -> None:
    """Raise CannotOpen for a file that a crash or its disk has damaged; it is left as it is. Blocks."""
    log = path.with_name(path.name + "-wal")
    if not path.exists() or not log.exists() or not log.stat().st_size:
        return
    why = _first_fault(path)
    if why:
        raise CannotOpen(
            f"{path} is damaged ({why}); it was left as it is: restore it from a backup (botyard hub restore)"
        )


def _first_fault(path: Path) -> str:
    # Read-only: closing another kind of connection would copy the log into the file, and remove it.
    address = f"file:{quote(str(path))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as db:
            db.execute("PRAGMA mmap_size = 0").close()
            (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            return ""  # a lock, rights, a disk: opening it will say so
        return str(error)
    return "" if answer == "ok" else " ".join(str(answer).split())[:200]
