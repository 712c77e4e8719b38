"""Which files a bot left behind: regular ones, below their folder, within bounds; and what is left out, and why."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from agent.bot_files import NOT_REGULAR, is_folder_inside, open_inside
from agent.wire.uploads import ARTIFACT_MAX_BYTES, ARTIFACTS_MAX, ARTIFACTS_MAX_BYTES

NOT_A_FOLDER = "not a folder of the execution"
ENTRIES_MAX = 100_000
"""Names that are looked at; a bot that leaves more behind meant something else."""
LEFT_OUT_MAX = 200
"""Files that are named one by one as left out; more are only counted (G8)."""
LEFT_OUT_TEXT_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """One file that a bot left behind; ``name`` is relative to its folder, with ``/``, masked, and its own alone."""

    name: str
    root: Path
    path: Path
    size_bytes: int
    """When it was found; a file that grows meanwhile is taken up to there."""

    def open(self) -> BinaryIO:
        """Open it, unless it has become something else meanwhile. Raises OSError."""
        return open_inside(self.root, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of an execution is collected."""

    file_bytes: int = ARTIFACT_MAX_BYTES
    files: int = ARTIFACTS_MAX
    total_bytes: int = ARTIFACTS_MAX_BYTES
    entries: int = ENTRIES_MAX


@dataclass(slots=True, kw_only=True)
class LeftOut:
    """Names and reasons, bounded in number and length: they travel in one fact."""

    texts: list[str] = field(default_factory=list)
    uncounted: int = 0

    def add(self, text: str) -> None:
        """One file more."""
        if len(self.texts) < LEFT_OUT_MAX - 1:
            self.texts.append(text[:LEFT_OUT_TEXT_MAX])
        else:
            self.uncounted += 1

    def lines(self) -> tuple[str, ...]:
        """All of it, with a last line for those that have none of their own."""
        more = (f"and {self.uncounted} more",) if self.uncounted else ()
        return (*self.texts, *more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look at the folders showed."""

    files: list[FoundFile]
    left_out: LeftOut


def find_files(
    root: Path, folders: Sequence[Path], mask: Callable[[str], str] = str, bounds: Bounds | None = None
) -> Found:
    """Regular files below `folders`, which lie below `root`, in order of folder and name. Blocks.

    No link is followed on the way, the folders themselves included (S38). Two files of one name (in two folders, or
    alike once masked) both come: the later one with its folder's name in front, or a number behind.
    """
    bounds = bounds or Bounds()
    names: set[str] = set()
    found = Found(files=[], left_out=LeftOut())
    total, entries = 0, 0
    for folder in dict.fromkeys(folders):
        for entry in _walk(root, folder):
            entries += 1
            if entries > bounds.entries:
                found.left_out.add(f"{folder.name}: more than {bounds.entries} entries; the rest was not looked at")
                return found
            if isinstance(entry, _NoFile):
                found.left_out.add(f"{mask(entry.name)}: {entry.why}")
                continue
            problem = _too_much(entry, total, len(found.files), bounds)
            if problem:
                found.left_out.add(f"{mask(entry.name)}: {problem}")
                continue
            name = _own_name(mask(entry.name), folder.name, names)
            names.add(name)
            total += entry.size_bytes
            found.files.append(FoundFile(name=name, root=root, path=entry.path, size_bytes=entry.size_bytes))
    return found


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _NoFile:
    name: str
    why: str


def _too_much(file: _File, total_bytes: int, count: int, bounds: Bounds) -> str:
    if file.size_bytes > bounds.file_bytes:
        return f"larger than {bounds.file_bytes} bytes"
    if count >= bounds.files:
        return f"more than {bounds.files} files"
    if total_bytes + file.size_bytes > bounds.total_bytes:
        return f"all files together have more than {bounds.total_bytes} bytes"
    return ""


def _own_name(name: str, folder: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    named = f"{folder}/{name}"
    path, number = PurePosixPath(named), 1
    while named in taken:
        number += 1
        named = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
    return named


def _walk(root: Path, folder: Path) -> Iterator[_File | _NoFile]:
    """Files, and what is none."""
    if not is_folder_inside(root, folder):
        if os.path.lexists(folder):
            yield _NoFile(folder.name, NOT_A_FOLDER)
        return
    unread: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=unread.append, followlinks=False):
        folders.sort()
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*names, *links]):
            yield _look_at(Path(parent, name), folder)
    for error in unread:
        yield _NoFile(_shown(Path(error.filename), folder), error.strerror or "cannot be read")


def _look_at(path: Path, folder: Path) -> _File | _NoFile:
    shown = _shown(path, folder)
    try:
        seen = path.lstat()
    except OSError as error:
        return _NoFile(shown, error.strerror or "cannot be read")
    return _File(shown, path, seen.st_size) if stat.S_ISREG(seen.st_mode) else _NoFile(shown, NOT_REGULAR)


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix().encode("utf-8", "replace").decode()
