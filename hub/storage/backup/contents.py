"""What of a hub's data folder goes into a backup, in an order that makes it consistent while the hub runs.

1. the database, as of one moment: what it says of outputs and blobs must be found in what follows
2. the identity's key and the first admin's: without them no runner knows the restored hub
3. the journal of outputs, before the segments that its records are cut into: a record that leaves it meanwhile is in
   its segment by then
4. of each output the index before the data that it points into, which only grows; or its sealed form
5. blobs, which never change: a row of (1) has its blob

What is left out is made again: locks, the address, caches of the resolver, what uploads left half done.
"""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from hub.storage.backup.archive import ArchiveWriter

DATABASE = "hub.db"
_KEYS = ("identity.key", "admin-token")
_SEGMENT_ORDER = ("gaps", "index", "data", "sealed")
_TRIES = 5


def add_keys(archive: ArchiveWriter, data: Path) -> None:
    """Add the keys that there are."""
    for name in _KEYS:
        if (data / name).is_file():
            archive.add(name, data / name)


def add_outputs(archive: ArchiveWriter, data: Path) -> Iterator[int]:
    """Add journal, then outputs; yields bytes as they go in."""
    root = data / "outputs"
    for path in sorted((root / "journal").glob("*.journal")):
        yield _add(archive, data, path)
    for workspace in sorted(_folders(root)):
        if workspace.name != "journal":
            for output in sorted(_folders(workspace)):
                yield _add_output(archive, data, output)


def add_blobs(archive: ArchiveWriter, data: Path) -> Iterator[int]:
    """Add blobs; yields bytes as they go in."""
    for shelf in sorted(_folders(data / "blobs")):
        if shelf.name != "incoming":
            for path in sorted(shelf.iterdir()):
                yield _add(archive, data, path)


def size_of(data: Path) -> int:
    """Bytes of outputs and blobs by now, about: for progress."""
    walked = chain.from_iterable(os.walk(data / name) for name in ("outputs", "blobs"))
    return sum(_bytes_of(Path(folder) / file) for folder, _, files in walked for file in files)


def _bytes_of(path: Path) -> int:
    """Its size; 0 where it was sealed or removed meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _add_output(archive: ArchiveWriter, data: Path, folder: Path) -> int:
    """One output; when it is sealed under our hands, its sealed form beside what was read before."""
    size = 0
    for _ in range(_TRIES):
        there = [name for name in _SEGMENT_ORDER if (folder / name).is_file()]
        for name in there:
            if _name(data, folder / name) not in archive.files:
                size += _add(archive, data, folder / name)
        if all((folder / name).is_file() for name in there):
            break
    return size


def _add(archive: ArchiveWriter, data: Path, path: Path) -> int:
    """Add a file; one that is gone was moved on (a journal cut, an output sealed), to what is read later."""
    try:
        return archive.add(_name(data, path), path)
    except FileNotFoundError:
        return 0


def _name(data: Path, path: Path) -> str:
    return path.relative_to(data).as_posix()


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
