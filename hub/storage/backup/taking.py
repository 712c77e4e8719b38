"""Taking a backup: of a running hub or of one that is down, by reading its folder (R20)."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.ports import Clock, Disk
from hub.storage.address import Address
from hub.storage.backup import contents
from hub.storage.backup.archive import ArchiveWriter, Manifest, writing
from hub.storage.backup.snapshot import copy_database

Told = Callable[[str, float], None]
"""Hears of each step ("database", "files") how much of it is done, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which hub."""

    data: Path
    address: Address
    version: str
    """Of this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """What the database says of itself."""

    schema: str
    store_id: str
    position: int


def take(source: Source, target: Path, disk: Disk, clock: Clock, told: Told = lambda _name, _share: None) -> Manifest:
    """Write a backup of everything that the hub keeps to `target`, whole or not at all.

    A PostgreSQL database is not inside: `pg_dump` makes a better copy of it; asked is only which one it is. Raises
    FileExistsError, FileNotFoundError for a folder without a hub, DamagedDatabase, NotItsDatabase, CannotOpen,
    sqlite3.Error, OSError.
    """
    if not (source.data / "identity.key").is_file():
        raise FileNotFoundError(source.data / "identity.key")
    made_at = clock.now().isoformat()
    with writing(target, disk) as archive:
        if source.address.path is not None:
            with _copied(source.address.path, target, told) as copy:
                store = _read_store(copy)
                archive.add(contents.DATABASE, copy)
        else:
            store = _of_server(source.address)
        _add_files(archive, source.data, told)
        manifest = Manifest(
            version=source.version,
            made_at=made_at,
            database="postgresql" if source.address.path is None else "sqlite",
            schema=store.schema,
            store_id=store.store_id,
            position=store.position,
            files=archive.files,
        )
        archive.end(manifest)
    return manifest


@contextmanager
def _copied(path: Path, target: Path, told: Told) -> Iterator[Path]:
    """The database as of now, in a file of its own beside the backup while the block runs."""
    copy = target.with_name(f".{target.name}.db.part")
    copy.unlink(missing_ok=True)
    copy.touch(mode=0o600)
    try:
        copy_database(path, copy, lambda share: told("database", share))
        told("database", 1.0)
        yield copy
    finally:
        with suppress(OSError):
            copy.unlink(missing_ok=True)


def _add_files(archive: ArchiveWriter, data: Path, told: Told) -> None:
    contents.add_keys(archive, data)
    whole, done = max(1, contents.size_of(data)), 0
    for add in (contents.add_outputs, contents.add_blobs):
        for size in add(archive, data):
            done += size
            told("files", min(1.0, done / whole))
    told("files", 1.0)


def _of_server(address: Address) -> _Store:
    """What the database elsewhere says of itself."""
    from hub.storage.backup import elsewhere

    found = elsewhere.of_hub(address)
    return _Store(schema=found.schema or "", store_id=found.store_id, position=found.position)


def _read_store(path: Path) -> _Store:
    """What a database says of itself."""
    with closing(sqlite3.connect(path)) as copy:
        (schema,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        (store_id,) = copy.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()
        (position,) = copy.execute("SELECT coalesce(max(pos), 0) FROM events").fetchone()
    return _Store(schema=str(schema), store_id=str(store_id), position=int(position))
