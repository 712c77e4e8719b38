"""Whether a spool may be worked with: looked at by a connection that only reads (core.md D8, R41, G9).

A spool that is refused is left byte for byte as it was found, its journal too: it is evidence, and whoever comes after
(a newer botyard-agent, a person with a copy) finds what was there. A connection that may write would move the journal
into the file when it closes.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from pydantic import ValidationError

from agent.errors import SetupError
from agent.wire.facts import Fact

SPOOL_VERSION = 1
STARTS = "starts"
"""The note of how often a daemon began with this spool."""


def look_at(path: Path, starts: int) -> None:
    """Raise SetupError, and change nothing, for a file that is damaged, newer, or knows fewer starts than its home."""
    if not path.exists():
        _check_age(path, 0, starts)
        return
    if path.with_name(path.name + "-journal").exists():
        # It died while its first journal was made: nobody can read the file before that is undone.
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            check(db, path, starts)
        return
    beside = [path.with_name(path.name + end) for end in ("-shm", "-wal")]
    made = [file for file in beside if not file.exists()]
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            check(db, path, starts)
    except SetupError:
        for file in made:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        raise


def check(db: sqlite3.Connection, path: Path, starts: int = 0) -> None:
    """Raise SetupError for a spool that is damaged, of a newer version, or knows fewer starts; only reads."""
    known = 0
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        answer = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if version == SPOOL_VERSION and answer == "ok":
            answer, known = _check_facts(db), _starts(db)
        elif version == 0 and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            answer = "it has tables and no version"
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise SetupError(_damaged(path, _shown(error))) from error
    if version > SPOOL_VERSION:
        raise SetupError(
            f"{path} was written by a newer botyard-agent (spool {version}); it was left as it is: update botyard-agent"
        )
    if answer != "ok":
        raise SetupError(_damaged(path, answer))
    _check_age(path, known, starts)


def _check_age(path: Path, known: int, starts: int) -> None:
    if starts > known:
        raise SetupError(
            f"{path} is an older copy, or was removed: what ran since is not in it. Nothing was "
            "changed: put the newer one back, or make this home a new runner: botyard-agent enroll --again"
        )


def _starts(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT value FROM notes WHERE name = ?", (STARTS,)).fetchone()
    return int(row[0]) if row else 0


def _damaged(path: Path, why: str) -> str:
    return (
        f"{path} is damaged ({' '.join(why.split())}); it was left as it is: look at the disk, keep a copy, "
        "then make this home a new runner: botyard-agent enroll --again"
    )


def _check_facts(db: sqlite3.Connection) -> str:
    """What is wrong, or `ok`. SQLite tells a broken page, not a flipped bit in a row; each fact has a checksum."""
    for execution_id, seq, kind, body in db.execute("SELECT execution_id, seq, kind, body FROM facts"):
        try:
            fact = Fact.model_validate_json(body)
            is_sound = fact.is_intact() and (fact.execution_id, fact.seq, fact.body.kind) == (execution_id, seq, kind)
        except (ValidationError, UnicodeEncodeError):
            is_sound = False
        if not is_sound:
            return f"fact {seq} of {execution_id!r:.60}"
    return "ok"


def _shown(error: Exception) -> str:
    """Printable, short: SQLite quotes what it could not decode."""
    return ascii(str(error))[1:-1][:200]
