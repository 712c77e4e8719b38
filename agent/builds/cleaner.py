"""What lies in the home that could be made again, and its removal: environments, Node packages, builds, files, spares.

Which of it goes is decided in `room.py`. A folder is renamed aside and then deleted, so a crash leaves either a whole
thing or a `.gone-…` that the next start sweeps; a file is unlinked.
"""

import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.builds.room import Entry, bound, to_remove
from agent.builds.sealing import READY, bytes_sealed
from agent.builds.tree import Trees
from agent.builds.uses import BUILD, ENVIRONMENT, FILE, NODE, SPARE, named
from agent.config import CACHE_LIMIT_BYTES
from agent.ports.files import Disk

_GONE = ".gone-"
_KEY = re.compile(r"[0-9a-f]{64}\Z")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """A folder of folders by key."""

    kind: str
    root: Path


class Cleaner:
    """The things of one home. Calls block."""

    def __init__(self, home: Path, disk: Disk, trees: Trees, limit_bytes: int = CACHE_LIMIT_BYTES) -> None:
        self._home = home
        self._disk = disk
        self._trees = trees
        self._limit_bytes = limit_bytes
        self._shelves = tuple(
            _Shelf(kind, home / folder)
            for kind, folder in ((ENVIRONMENT, "envs"), (NODE, "node"), (BUILD, "builds"), (SPARE, "spares"))
        )

    def sweep(self) -> None:
        """Delete what an earlier daemon had renamed aside."""
        for shelf in self._shelves:
            for left in shelf.root.glob(f"{_GONE}*"):
                self._disk.remove_tree(left)

    def choose(self, in_use: frozenset[str]) -> list[Entry]:
        """What should go now, in this order; nothing where all fits. Raises OSError."""
        entries = list(self._entries())
        kept = sum(entry.size_bytes for entry in entries)
        disk = shutil.disk_usage(self._home)
        limit = bound(self._limit_bytes, kept_bytes=kept, free_bytes=disk.free, disk_bytes=disk.total)
        return to_remove(entries, in_use, limit)

    def remove(self, entries: Sequence[Entry]) -> None:
        """Remove them; what can't be is logged, and what needs no longer anything goes first anyhow."""
        for entry in entries:
            kind, _, key = entry.name.partition("/")
            try:
                self._remove(kind, key)
            except OSError as error:
                log.warning("%s could not be removed: %s", entry.name, error)
            else:
                log.info("removed %s, %d bytes, to make room", entry.name, entry.size_bytes)

    def _remove(self, kind: str, key: str) -> None:
        if kind == FILE:
            (self._home / "files" / key).unlink(missing_ok=True)
            return
        root = next(shelf.root for shelf in self._shelves if shelf.kind == kind)
        aside = root / f"{_GONE}{secrets.token_hex(8)}"
        try:
            (root / key).rename(aside)
        except FileNotFoundError:
            return
        self._disk.remove_tree(aside)

    def _entries(self) -> Iterator[Entry]:
        links = {path.name: path.stat() for path in _folder(self._home / "files") if _KEY.match(path.name)}
        for name, seen in links.items():
            yield Entry(name=named(FILE, name), size_bytes=seen.st_size, used_at=seen.st_mtime)
        for shelf in self._shelves:
            for folder in _folder(shelf.root):
                if _KEY.match(folder.name):
                    yield self._entry(shelf.kind, folder, links)

    def _entry(self, kind: str, folder: Path, links: dict[str, os.stat_result]) -> Entry:
        name = named(kind, folder.name)
        match kind:
            case "build":
                manifest = self._trees.manifest(folder.name)
                files = manifest.files if manifest is not None else ()
                # Where the file system has no hard links, a tree holds copies.
                copied = sum(file.size for file in files if file.sha256 not in links or links[file.sha256].st_nlink < 2)
                needs = frozenset(named(FILE, file.sha256) for file in files)
                used = _changed_at(folder / "manifest.json")
                return Entry(name=name, size_bytes=copied, used_at=used, needs=needs)
            case "spare":
                # Worth as much as its build: which is used whenever a spare is.
                needs = frozenset({named(BUILD, folder.name)})
                used = _changed_at(self._home / "builds" / folder.name / "manifest.json")
                return Entry(name=name, size_bytes=_size(folder), used_at=used, needs=needs)
            case _:
                sealed = bytes_sealed(self._disk.read(folder / READY) or b"")
                size = _size(folder) if sealed is None else sealed
                return Entry(name=name, size_bytes=size, used_at=_changed_at(folder / READY))


def _folder(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else []


def _changed_at(path: Path) -> float:
    """When it was last used; what is not even ready was never."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(folder: Path) -> int:
    walked = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in walked)
