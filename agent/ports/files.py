"""The one port for files that must outlive a crash; only it (`durable.py`) calls fsync, fdatasync and link.

What each operation leaves behind when the machine loses power on the next line:

| operation | after it returned | when power goes in its middle |
|---|---|---|
| `make_folder` | folder and its name are there | there or not |
| `write_durable` | the new content | the old content or the new, never a mixture |
| `link_exclusive` | the winner's content, for ever | nothing or one finished content |
| `AppendFile.sync` | every byte written before it | any prefix of what was written since the last `sync` |
| `rewrite` | the new bytes | any of them, over the old ones |
| the rest of what writes | nothing until `sync_folder` | there or not |

How, per platform: Linux `fsync`, `fdatasync`, `link(2)`; macOS `F_FULLFSYNC`, because its `fsync` stops at the drive's
cache; Windows `FlushFileBuffers` and `MoveFileExW` with WRITE_THROUGH, without REPLACE where one of several must win
(core.md D1), and no folder sync, since NTFS journals names.

All calls block. On an event loop, what may be large belongs into `asyncio.to_thread`.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Protocol

from agent.ports import durable
from agent.ports.durable import FLAGS
from agent.ports.room import free_bytes, total_bytes


class AppendFile(Protocol):
    """A file that only grows, but for `truncate` when a torn end is cut after a crash."""

    @property
    def size(self) -> int:
        """Bytes in the file, those not yet synced included."""
        ...

    def write(self, data: bytes) -> None:
        """Append all of `data`; raises OSError when the disk is full, and the file may then hold a part of it."""
        ...

    def sync(self) -> None:
        """Make everything written so far durable."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes; the next write goes there."""
        ...

    def close(self) -> None:
        """Close without syncing; closing twice is harmless."""
        ...


class ReadFile(Protocol):
    """A file open for reading, which its writer may still make longer."""

    @property
    def size(self) -> int:
        """Bytes in the file now."""
        ...

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position` on; fewer at the end of the file."""
        ...

    def close(self) -> None:
        """Close; twice is harmless."""
        ...


class Disk(Protocol):
    """Durable files. Paths are absolute; parents exist unless said otherwise."""

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        """Make `path` and what it lacks of parents, durably; one that is there already is left as it is."""
        ...

    def write_durable(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Replace the content of `path` in one step; readers see the old or the new one, whole."""
        ...

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """Give `path` the content `data` unless it exists, durably; return what `path` holds: the winner's content.

        The caller tells by the content (which carries a nonce) whether it won, never by an error code (core.md D1).
        """
        ...

    def sync_folder(self, path: Path) -> None:
        """Make the names in the folder `path` durable, whoever put them there."""
        ...

    def read(self, path: Path) -> bytes | None:
        """Return the whole content, or None when there is no such file.

        Raises IsADirectoryError for whatever is no file, at once: a pipe that a bot put there is not waited for.
        """
        ...

    def open_append(self, path: Path) -> AppendFile:
        """Open `path` for appending, making it (0600, its name durable) when it is not there."""
        ...

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and all below it, read-only entries included; nothing there is fine. Not durable."""
        ...

    # --- without waiting for the disk; `sync_folder` makes the names durable -----------------------------------------

    def exists(self, path: Path) -> bool:
        """Whether there is a file or folder of this name."""
        ...

    def names(self, path: Path) -> list[str]:
        """Names in a folder, in no order; none where there is no such folder."""
        ...

    def make_new_folder(self, path: Path) -> None:
        """Make a folder (0700); raises FileExistsError where something of this name is there."""
        ...

    def open_new(self, path: Path) -> AppendFile:
        """Open `path` (0600) for appending, empty, whatever it held before."""
        ...

    def open_regular(self, path: Path) -> ReadFile:
        """Open for reading, never waiting. Raises OSError; FileNotFoundError also for what is no regular file (S38)."""
        ...

    def append(self, path: Path, data: bytes) -> None:
        """Add `data` to a file, which is made (0600) where it is not there. Raises OSError."""
        ...

    def reserve(self, path: Path, size: int) -> None:
        """Make `path` (0600) with so many bytes of room on the disk. Raises OSError when there is none."""
        ...

    def rewrite(self, path: Path, data: bytes) -> None:
        """Put `data` over the beginning of a file and sync it; within its room no disk is too full for that."""
        ...

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another name, in place of what has it."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file; none there is fine."""
        ...

    def free_bytes(self, path: Path) -> int:
        """What may still be written to the disk of `path`. Raises OSError."""
        ...

    def total_bytes(self, path: Path) -> int:
        """How large the disk of `path` is. Raises OSError."""
        ...


class SystemDisk:
    """The disk of the machine."""

    def make_folder(self, path: Path, mode: int = 0o700) -> None:
        """Make `path` and what it lacks of parents, durably; one that is there already is left as it is."""
        if path.is_dir():
            return
        if not path.parent.is_dir():
            self.make_folder(path.parent, mode)
        path.mkdir(mode=mode, exist_ok=True)
        self.sync_folder(path.parent)

    def write_durable(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Replace the content of `path` in one step; readers see the old or the new one, whole."""
        draft = durable.write_draft(path, data, mode)
        try:
            durable.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self.sync_folder(path.parent)

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """Give `path` the content `data` unless it exists, durably; return what `path` holds: the winner's content."""
        draft = durable.write_draft(path, data, 0o600)
        try:
            durable.place_if_absent(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        # Also when another won: who acts on a verdict that another wrote makes it durable first.
        self.sync_folder(path.parent)
        return _read_regular(path)

    def sync_folder(self, path: Path) -> None:
        """Make the names in the folder `path` durable, whoever put them there."""
        durable.sync_folder(path)

    def read(self, path: Path) -> bytes | None:
        """Return the whole content, or None when there is no such file."""
        try:
            return _read_regular(path)
        except FileNotFoundError:
            return None

    def open_append(self, path: Path) -> AppendFile:
        """Open `path` for appending, making it (0600, its name durable) when it is not there."""
        is_new = not path.exists()
        file = SystemAppendFile(path)
        if is_new:
            self.sync_folder(path.parent)
        return file

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and all below it, read-only entries included; nothing there is fine. Not durable.

        What somebody else removes at the same time (a shim its socket) is gone, as was wanted.
        """
        durable.remove_tree(path)

    def exists(self, path: Path) -> bool:
        """Whether there is a file or folder of this name."""
        return path.exists()

    def names(self, path: Path) -> list[str]:
        """Names in a folder, in no order; none where there is no such folder."""
        try:
            return [entry.name for entry in os.scandir(path)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def make_new_folder(self, path: Path) -> None:
        """Make a folder (0700); raises FileExistsError where something of this name is there."""
        path.mkdir(mode=0o700)

    def open_new(self, path: Path) -> AppendFile:
        """Open `path` (0600) for appending, empty, whatever it held before."""
        return SystemAppendFile(path, os.O_TRUNC)

    def open_regular(self, path: Path) -> ReadFile:
        """Open for reading, never waiting. Raises OSError; FileNotFoundError also for what is no regular file (S38)."""
        return SystemReadFile(path)

    def append(self, path: Path, data: bytes) -> None:
        """Add `data` to a file, which is made (0600) where it is not there. Raises OSError."""
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | FLAGS | _NO_WAIT, 0o600)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)

    def reserve(self, path: Path, size: int) -> None:
        """Make `path` (0600) with so many bytes of room on the disk. Raises OSError when there is none."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | FLAGS, 0o600)
        try:
            durable.allocate(fd, size)
        finally:
            os.close(fd)

    def rewrite(self, path: Path, data: bytes) -> None:
        """Put `data` over the beginning of a file and sync it; within its room no disk is too full for that."""
        fd = os.open(path, os.O_RDWR | FLAGS)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            durable.sync_data(fd)
        finally:
            os.close(fd)

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another name, in place of what has it."""
        path.replace(to)

    def remove(self, path: Path) -> None:
        """Remove a file; none there is fine."""
        path.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        """What may still be written to the disk of `path`. Raises OSError."""
        return free_bytes(path)

    def total_bytes(self, path: Path) -> int:
        """How large the disk of `path` is. Raises OSError."""
        return total_bytes(path)


def sweep_drafts(disk: Disk, folder: Path) -> None:
    """Remove what a process that died in `write_durable` has left in a folder which nobody else writes to now."""
    for name in disk.names(folder):
        if name.startswith(".") and name.endswith(".tmp"):
            disk.remove(folder / name)


# A pipe that a bot put in a file's place must not be waited for, a link not followed.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_CAREFUL = _NO_WAIT | getattr(os, "O_NOFOLLOW", 0)


def _read_regular(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | FLAGS | _NO_WAIT), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a regular file", str(path))
        return file.read()


class SystemReadFile:
    """A `ReadFile` on the machine's disk."""

    def __init__(self, path: Path) -> None:
        none = FileNotFoundError(errno.ENOENT, "not a regular file", str(path))
        try:
            self._fd = os.open(path, os.O_RDONLY | FLAGS | _CAREFUL)
        except OSError as error:
            raise none if error.errno == errno.ELOOP else error from None
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            self.close()
            raise none

    @property
    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._fd).st_size

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position` on; fewer at the end of the file."""
        os.lseek(self._fd, position, os.SEEK_SET)
        return os.read(self._fd, size)

    def close(self) -> None:
        """Close; twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class SystemAppendFile:
    """An `AppendFile` on the machine's disk; writes go straight to the kernel, so that other processes see them."""

    def __init__(self, path: Path, how: int = 0) -> None:
        flags = os.O_RDWR | os.O_CREAT | FLAGS | how
        self._file: BinaryIO = os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0)
        self._size = self._file.seek(0, os.SEEK_END)

    @property
    def size(self) -> int:
        """Bytes in the file, those not yet synced included."""
        return self._size

    def write(self, data: bytes) -> None:
        """Append all of `data`; raises OSError when the disk is full, and the file may then hold a part of it."""
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self._size += written
            rest = rest[written:]

    def sync(self) -> None:
        """Make everything written so far durable."""
        durable.sync_data(self._file.fileno())

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes; the next write goes there."""
        self._file.truncate(size)
        self._size = self._file.seek(size)

    def close(self) -> None:
        """Close without syncing; closing twice is harmless."""
        self._file.close()
