"""What the file system says of a watched folder. Everything here may block: it runs beside the loop.

No link is followed below the folder: neither one that is a file nor one that is a folder, so nothing outside of it is
ever told. The folder itself may be a link.
"""

import fnmatch
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.watching.settling import Identity, oldest_first
from agent.wire.watching import WatchedFolder

FILES_MAX = 100_000
"""Of one folder; what is more is not looked at, and told as a trouble."""
FOLDERS_MAX = 20_000
UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp")
"""How programs call what they still write; a pattern may name them."""
_HIDDEN = (".", "~$")
_JUNCTION = 0xA0000003
"""IO_REPARSE_TAG_MOUNT_POINT."""
_TIME_MAX = 2**63 - 1
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "vboxsf", "vmhgfs", "ceph", "afs"})
"""File systems that tell nothing of what other machines do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A folder at one moment."""

    files: Mapping[str, Identity] = field(default_factory=dict)
    folders: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The folder and, where it is watched with them, those below it: device and inode."""
    device: int | None = None
    """Of the folder; None where it could not be looked through."""
    trouble: str = ""
    is_remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What is at one path."""

    path: str
    identity: Identity | None = None
    """None where no file lies that is wanted."""
    unreadable: str = ""
    is_folder: bool = False


def look_through(wanted: WatchedFolder) -> Look:
    """All files that are wanted, and what is in the way of seeing them."""
    root = os.path.normpath(wanted.folder)
    try:
        status = Path(root).stat()
    except OSError as error:
        return Look(trouble=_why_not(root, error))
    if not stat.S_ISDIR(status.st_mode):
        return Look(trouble=f"{root} is no folder")
    files: dict[str, Identity] = {}
    folders = {root: (status.st_dev, status.st_ino)}
    troubles: list[str] = []
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            found, below = _read(folder, wanted.pattern)
        except OSError as error:
            if folder == root:
                return Look(trouble=_why_not(root, error))
            troubles.append(_why_not(folder, error))
            continue
        files |= found
        if wanted.recursive and len(folders) + len(below) <= FOLDERS_MAX:
            folders |= below
            waiting += below
        if len(files) > FILES_MAX:
            files = dict(list(files.items())[:FILES_MAX])
            troubles = [f"{root} holds more than {FILES_MAX} files, and no more are looked at: move worked ones away"]
            break
    trouble = troubles[0] + (f", and {len(troubles) - 1} more folders" if len(troubles) > 1 else "") if troubles else ""
    files = oldest_first(files)
    return Look(files=files, folders=folders, device=_device(status), trouble=trouble, is_remote=_is_remote(root))


def look_at(paths: Iterable[str], wanted: WatchedFolder, folders: Mapping[str, object]) -> list[Glance]:
    """What is at these paths; one that lies in none of `folders`, as the last look found them, is nothing.

    What is there comes first: of a renamed file the new name is known before the old one is gone.
    """
    glances = [
        _glance(path, wanted) if path in folders or parent_of(path) in folders else Glance(path=path) for path in paths
    ]
    return sorted(glances, key=lambda glance: glance.identity is None)


def parent_of(path: str) -> str:
    """The folder that a path lies in."""
    return os.path.dirname(path)  # noqa: PTH120 - a Path for each of thousands is too slow


def is_wanted(name: str, pattern: str) -> bool:
    """Whether a file of this name is meant: hidden and unfinished ones only where the pattern says so."""
    for start in _HIDDEN:
        if name.startswith(start) and not pattern.startswith(start):
            return False
    if name.lower().endswith(UNFINISHED) and not pattern.lower().endswith(UNFINISHED):
        return False
    return fnmatch.fnmatch(name, pattern)


def _read(folder: str, pattern: str) -> tuple[dict[str, Identity], dict[str, tuple[int, int]]]:
    """(Wanted files, folders) right in a folder."""
    files: dict[str, Identity] = {}
    below: dict[str, tuple[int, int]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False) and not is_wanted(entry.name, pattern):
                continue
            try:
                # Not the entry's own: on Windows that one has neither inode nor device.
                status = os.lstat(entry.path)
            except OSError:
                continue  # gone since
            if stat.S_ISDIR(status.st_mode) and not _is_junction(status):
                below[entry.path] = (status.st_dev, status.st_ino)
            elif stat.S_ISREG(status.st_mode):
                files[entry.path] = _identity(status)
    return files, below


def _glance(path: str, wanted: WatchedFolder) -> Glance:
    try:
        status = os.lstat(path)
    except OSError:
        return Glance(path=path)
    if stat.S_ISDIR(status.st_mode):
        return Glance(path=path, is_folder=True)
    if not stat.S_ISREG(status.st_mode) or not is_wanted(Path(path).name, wanted.pattern):
        return Glance(path=path)
    return Glance(path=path, identity=_identity(status), unreadable=_why_unreadable(path))


def _is_junction(status: os.stat_result) -> bool:
    """Windows' other kind of link, which looks like a folder."""
    return getattr(status, "st_reparse_tag", 0) == _JUNCTION


def _identity(status: os.stat_result) -> Identity:
    # A time that no message holds, such as one after 2262, is the nearest that does.
    mtime_ns = max(-_TIME_MAX, min(status.st_mtime_ns, _TIME_MAX))
    return Identity(_device(status), status.st_ino, mtime_ns, status.st_size)


def _device(status: os.stat_result) -> int:
    """Some systems give it a sign."""
    return status.st_dev % 2**64


def _why_unreadable(path: str) -> str:
    """Why it can't be opened; empty when it can. On Windows that is so while another program writes it."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _why_not(folder: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{folder} does not exist"
    return f"{folder} can't be looked through: {error.strerror or type(error).__name__}"


def _is_remote(folder: str) -> bool:
    """Whether it lies on a file system that does not tell what others change. Linux only: Windows' shares do tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return False
    real = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts:
        fields = line.split(" ")
        where = fields[1].replace("\\040", " ")
        if len(where) >= len(best) and (real == where or real.startswith(where.rstrip("/") + "/")):
            best, kind = where, fields[2]
    return kind in _REMOTE
