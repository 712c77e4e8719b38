"""The one port for files that must outlive a crash: the only place that calls fsync, fdatasync and link.

What each operation leaves behind when the machine loses power on the next line:

| operation | after it returned | when power goes in its middle |
|---|---|---|
| `make_folder` | folder and its name are there | there or not |
| `write_durable` | the new content | the old content or the new, never a mixture |
| `link_exclusive` | the winner's content, for ever | nothing or one finished content |
| `AppendFile.sync` | every byte written before it | any prefix of what was written since the last `sync` |

How, per platform: Linux `fsync`, `fdatasync`, `link(2)`; macOS `F_FULLFSYNC`, because its `fsync` stops at the drive's
cache; Windows `FlushFileBuffers` and `MoveFileExW` with WRITE_THROUGH, without REPLACE where one of several must win
(core.md D1), and no folder sync, since NTFS journals names.

All calls block. On an event loop, what may be large belongs into `asyncio.to_thread`.
"""

import contextlib
import os
import secrets
import sys
from pathlib import Path
from typing import BinaryIO, Protocol


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
        """Return the whole content, or None when there is no such file."""
        ...

    def open_append(self, path: Path) -> AppendFile:
        """Open `path` for appending, making it (0600, its name durable) when it is not there."""
        ...

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and all below it, read-only entries included; nothing there is fine. Not durable."""
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
        draft = _write_draft(path, data, mode)
        try:
            _replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self.sync_folder(path.parent)

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """Give `path` the content `data` unless it exists, durably; return what `path` holds: the winner's content."""
        draft = _write_draft(path, data, 0o600)
        try:
            _place_if_absent(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        # Also when another won: who acts on a verdict that another wrote makes it durable first.
        self.sync_folder(path.parent)
        return path.read_bytes()

    def sync_folder(self, path: Path) -> None:
        """Make the names in the folder `path` durable, whoever put them there."""
        _sync_folder(path)

    def read(self, path: Path) -> bytes | None:
        """Return the whole content, or None when there is no such file."""
        try:
            return path.read_bytes()
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
        _remove_tree(path)


class SystemAppendFile:
    """An `AppendFile` on the machine's disk; writes go straight to the kernel, so that other processes see them."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
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
        _sync_data(self._file.fileno())

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes; the next write goes there."""
        self._file.truncate(size)
        self._size = self._file.seek(size)

    def close(self) -> None:
        """Close without syncing; closing twice is harmless."""
        self._file.close()


if sys.platform == "win32":
    import shutil

    def _remove_tree(path: Path) -> None:
        for folder, _, files in os.walk(path):
            # Read-only folders cannot be emptied, read-only files not be removed.
            for name in (folder, *(str(Path(folder, file)) for file in files)):
                with contextlib.suppress(FileNotFoundError):
                    Path(name).chmod(0o700)
        # What another one removed first is no failure.
        shutil.rmtree(path, onerror=lambda _act, _name, found: _raise_unless_gone(found[1]))

    def _raise_unless_gone(error: BaseException) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

else:
    from agent.ports.removing import remove_tree as _remove_tree


def _write_draft(path: Path, data: bytes, mode: int) -> Path:
    """Write `data` to a finished, synced file beside `path`, under a name that nobody else uses."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(draft, flags, mode), "wb") as file:
            file.write(data)
            file.flush()
            _sync_file(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


if sys.platform == "win32":
    import ctypes

    _REPLACE_EXISTING = 0x1
    _WRITE_THROUGH = 0x8
    _ALREADY_THERE = frozenset({80, 183})  # ERROR_FILE_EXISTS, ERROR_ALREADY_EXISTS
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.MoveFileExW.argtypes = (ctypes.c_wchar_p, ctypes.c_wchar_p, ctypes.c_ulong)
    _kernel32.MoveFileExW.restype = ctypes.c_int

    def _move(source: Path, target: Path, flags: int) -> None:
        if not _kernel32.MoveFileExW(str(source), str(target), flags):
            raise ctypes.WinError(ctypes.get_last_error())

    def _replace(draft: Path, path: Path) -> None:
        _move(draft, path, _REPLACE_EXISTING | _WRITE_THROUGH)

    def _place_if_absent(draft: Path, path: Path) -> None:
        try:
            _move(draft, path, _WRITE_THROUGH)
        except OSError as error:
            if error.winerror not in _ALREADY_THERE:
                raise

    def _sync_file(fd: int) -> None:
        os.fsync(fd)

    _sync_data = _sync_file

    def _sync_folder(path: Path) -> None:
        """Do nothing: NTFS journals names, and WRITE_THROUGH waits for the move."""

else:

    def _replace(draft: Path, path: Path) -> None:
        draft.replace(path)

    def _place_if_absent(draft: Path, path: Path) -> None:
        try:
            os.link(draft, path)
        except FileExistsError:
            return

    def _sync_folder(path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync_file(fd)
        finally:
            os.close(fd)

    if sys.platform == "darwin":
        import fcntl

        def _sync_file(fd: int) -> None:
            try:
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            except OSError:
                # Network volumes know no F_FULLFSYNC; fsync is the most they offer.
                os.fsync(fd)

        _sync_data = _sync_file

    else:

        def _sync_file(fd: int) -> None:
            os.fsync(fd)

        def _sync_data(fd: int) -> None:
            os.fdatasync(fd)
