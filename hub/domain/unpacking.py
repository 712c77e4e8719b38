r"""Whether an archive may be unpacked, and what its files are called then: pure, before a byte is written (S24).

The shell lists what an archive *says* it holds (`ArchiveEntry`); `plan` answers with the files to take and their final
paths, or refuses the whole archive. What the archive says is believed only as an upper bound: the shell counts again
while it writes (`Allowance`).

What is forgiven, because honest packers do it: `\` as separator in zip files (old PowerShell), `./` before names and
between them (tar), one top folder around everything (GitHub), `__MACOSX/` beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.wire.builds import (
    BUILD_MAX_BYTES,
    ENTRIES_MAX,
    FILE_MAX_BYTES,
    RATIO_FREE_BYTES,
    RATIO_MAX,
    find_collision,
)
from agent.wire.paths import UnsafePathError, check_path

_JUNK = "__MACOSX"


class ArchiveError(ValueError):
    """This archive is not unpacked; `str` says which entry and why, `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EntryType(StrEnum):
    """What an entry of an archive is; only the first two are taken."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    SPECIAL = "device, pipe or socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """One entry as the archive's directory describes it; `position` is its place among the entries."""

    position: int
    name: str
    type: EntryType
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file to take: the entry at `position` becomes `path`, and must have exactly `size` bytes."""

    position: int
    path: str
    size: int
    executable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackPlan:
    """All that an archive becomes."""

    files: tuple[PlannedFile, ...]
    folders: tuple[str, ...]
    """Those that hold nothing."""


def plan(entries: Sequence[ArchiveEntry], *, packed_bytes: int) -> UnpackPlan:
    """Decide over a whole archive of `packed_bytes`. Raises ArchiveError; then nothing of it is taken."""
    if len(entries) > ENTRIES_MAX:
        raise ArchiveError("too_many_entries", f"{len(entries)} entries are more than {ENTRIES_MAX}")
    named = [(entry, _clean_name(entry)) for entry in entries]
    named = [(entry, name) for entry, name in named if name and name.split("/", 1)[0] != _JUNK]
    stripped = _strip_top_folder(named)
    files = tuple(
        PlannedFile(position=entry.position, path=name, size=entry.size, executable=entry.executable)
        for entry, name in stripped
        if entry.type is EntryType.FILE
    )
    if not files:
        raise ArchiveError("empty_package", "the package holds no file")
    folders = _empty_folders([name for entry, name in stripped if entry.type is EntryType.FOLDER and name], files)
    try:
        find_collision([file.path for file in files], list(folders))
    except ValueError as error:
        raise ArchiveError("duplicate_entry", str(error)) from None
    _check_sizes(files, packed_bytes)
    return UnpackPlan(files=files, folders=folders)


@dataclass(slots=True, kw_only=True)
class Allowance:
    """Counts bytes while they come out of an archive, so that a lying one is stopped in time."""

    packed_bytes: int
    spent: int = 0

    def spend(self, count: int) -> None:
        """Take note of `count` more bytes. Raises ArchiveError once the bounds are passed."""
        self.spent += count
        if self.spent > BUILD_MAX_BYTES:
            raise ArchiveError("too_large", f"the package unpacks to more than {BUILD_MAX_BYTES} bytes")
        if self.spent > RATIO_FREE_BYTES and self.spent > RATIO_MAX * self.packed_bytes:
            raise ArchiveError("ratio", f"the package grows more than {RATIO_MAX} times when it is unpacked")


def _clean_name(entry: ArchiveEntry) -> str:
    """The entry's path without `./` and the folders' last `/`; '' for the archive's own root."""
    if entry.type not in {EntryType.FILE, EntryType.FOLDER}:
        raise ArchiveError(
            "unsafe_entry", f"{entry.name[:200]!a} is a {entry.type}; a package holds files and folders only"
        )
    name = entry.name.removesuffix("/") if entry.type is EntryType.FOLDER else entry.name
    parts = name.split("/")
    # `.` parts say nothing; an empty first part is an absolute path and stays, to be refused.
    kept = "/".join(part for part in parts if part != ".")
    if not kept and not entry.name.startswith("/") and entry.type is EntryType.FOLDER:
        return ""
    try:
        return check_path(kept)
    except UnsafePathError as error:
        raise ArchiveError("unsafe_path", f"the package holds an unsafe name: {error}") from None


def _strip_top_folder(named: Sequence[tuple[ArchiveEntry, str]]) -> list[tuple[ArchiveEntry, str]]:
    tops = {name.split("/", 1)[0] for _, name in named}
    is_folder = all("/" in name or entry.type is EntryType.FOLDER for entry, name in named)
    if len(tops) != 1 or not is_folder:
        return list(named)
    return [(entry, name.partition("/")[2]) for entry, name in named]


def _empty_folders(folders: Sequence[str], files: Sequence[PlannedFile]) -> tuple[str, ...]:
    used: set[str] = set()
    for path in [*(file.path for file in files), *folders]:
        above = path.rpartition("/")[0]
        while above and above not in used:
            used.add(above)
            above = above.rpartition("/")[0]
    return tuple(sorted(set(folders) - used))


def _check_sizes(files: Sequence[PlannedFile], packed_bytes: int) -> None:
    for file in files:
        if file.size > FILE_MAX_BYTES:
            raise ArchiveError(
                "too_large", f"{file.path!a} has {file.size} bytes, {FILE_MAX_BYTES} are allowed in one file"
            )
    Allowance(packed_bytes=packed_bytes).spend(sum(file.size for file in files))
