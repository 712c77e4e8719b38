"""What a hub's data folder tells of itself, also when the hub is down: sizes, migrations, the last events, logs.

The database of a hub that runs is never opened from here (`libraries.md`, pitfalls: one writing process a file); of one
that is down a copy is read.
"""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.bundle import free_bytes, tail
from hub.cli.failing import Failure

if TYPE_CHECKING:
    from hub.cli.bundle import Bundle

COPIED_AT_MOST_BYTES = 512 * 1024 * 1024
_LAST_EVENTS = """
SELECT pos, at, kind, subject, actor, old, new, cause FROM events WHERE pos IS NOT NULL ORDER BY pos DESC LIMIT 300
"""
_FAILED = """
SELECT number, round, outcome, reason, message, exit_code, created_at, settled_at FROM tasks
WHERE outcome IN ('failed', 'lost', 'refused', 'timed_out') ORDER BY created_at DESC LIMIT 20
"""
_COUNTED = ("tasks", "executions", "events", "runners", "builds", "facts", "artifacts")


def from_folder(bundle: "Bundle", data: Path) -> None:
    """Add what the folder tells; secrets that lie in it become known to the masks first."""
    name = f"data/{data.name}" if data.name != "hub" else f"data/{data.parent.name}"
    token = data / "admin-token"
    if token.is_file():
        bundle.masks.add([_text(token)])
    bundle.put(f"{name}/sizes.json", lambda: _sizes(data))
    if (data / "hub.json").is_file():
        bundle.put(f"{name}/address.json", lambda: json.loads(_text(data / "hub.json")))
    if (data / "hub.db").is_file():
        bundle.put(f"{name}/database.json", lambda: _database(data))
    for log in _logs(data):
        bundle.put(f"{name}/{log.name}", partial(tail, log))


def _sizes(data: Path) -> dict[str, Any]:
    """Bytes and files of each thing in the folder, and how full its disk is."""
    found = {}
    for entry in sorted(data.iterdir()):
        files = [one for one in entry.rglob("*") if one.is_file()] if entry.is_dir() else [entry]
        found[entry.name] = {"files": len(files), "bytes": sum(one.stat().st_size for one in files)}
    return {"folder": str(data), "disk": free_bytes(data), "entries": found}


def _database(data: Path) -> dict[str, Any]:
    with _copied(data) as copy, closing(sqlite3.connect(copy)) as connection:
        connection.row_factory = sqlite3.Row
        tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {
            "migration": [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")],
            "check": [row[0] for row in connection.execute("PRAGMA quick_check(5)")],
            "rows": {
                name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - our own words
                for name in _COUNTED
                if name in tables
            },
            "failed": [dict(row) for row in connection.execute(_FAILED)],
            "events": [dict(row) for row in connection.execute(_LAST_EVENTS)][::-1],
        }


@contextmanager
def _copied(data: Path) -> Iterator[Path]:
    """A copy of the database that lives as long as the block. Raises Failure while a hub runs, or for a large one."""
    files = [file for ending in ("", "-wal") if (file := data / f"hub.db{ending}").is_file()]
    size = sum(file.stat().st_size for file in files)
    if size > COPIED_AT_MOST_BYTES:
        raise Failure(f"the database has {size} bytes; more than {COPIED_AT_MOST_BYTES} are not copied")
    with tempfile.TemporaryDirectory(prefix="botyard-") as folder:
        _copy(data, files, Path(folder))
        try:
            yield Path(folder) / "hub.db"
        except sqlite3.Error as error:
            raise Failure(f"it can't be read: {error}") from None


def _copy(data: Path, files: Sequence[Path], folder: Path) -> None:
    """Copy while no hub can begin to write; Failure where one runs."""
    from agent.ports.files import SystemDisk
    from hub.data_folder import DataInUse, held

    try:
        with held(data, SystemDisk()):
            for file in files:
                shutil.copyfile(file, folder / file.name)
    except DataInUse:
        raise Failure("a hub runs on it and tells more itself") from None


def _logs(data: Path) -> list[Path]:
    """Logs in the folder, and beside it where `botyard up` keeps its own."""
    return [file for folder in (data, data.parent) for file in sorted(folder.glob("*.log")) if file.is_file()]


def _text(file: Path) -> str:
    return file.read_text(errors="replace")
