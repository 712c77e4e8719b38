"""The system calls behind `SystemDisk` (`files.py`): what makes bytes and names durable on this platform."""

import contextlib
import os
import secrets
import sys
from pathlib import Path

__all__ = ["FLAGS", "allocate", "place_if_absent", "remove_tree", "replace", "sync_data", "sync_folder", "write_draft"]
FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


if sys.platform == "win32":
    import shutil
    import threading

    _TRIES = 10
    _BETWEEN_S = 0.2

    def remove_tree(path: Path) -> None:
        """Remove a folder and all below it; what somebody has open for a moment (5, 32) is tried again for 2 s."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(PermissionError):
                return _remove(path)
            threading.Event().wait(_BETWEEN_S)
        return _remove(path)

    def _remove(path: Path) -> None:
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
    from agent.ports.removing import remove_tree


def write_draft(path: Path, data: bytes, mode: int) -> Path:
    """Write `data` to a finished, synced file beside `path`, under a name that nobody else uses."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | FLAGS
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

    def replace(draft: Path, path: Path) -> None:
        """Let the draft be the file."""
        _move(draft, path, _REPLACE_EXISTING | _WRITE_THROUGH)

    def place_if_absent(draft: Path, path: Path) -> None:
        """Give the draft the name, unless something has it."""
        try:
            _move(draft, path, _WRITE_THROUGH)
        except OSError as error:
            if error.winerror not in _ALREADY_THERE:
                raise

    def _sync_file(fd: int) -> None:
        os.fsync(fd)

    sync_data = _sync_file

    def sync_folder(path: Path) -> None:
        """Do nothing: NTFS journals names, and WRITE_THROUGH waits for the move."""

else:

    def replace(draft: Path, path: Path) -> None:
        """Let the draft be the file."""
        draft.replace(path)

    def place_if_absent(draft: Path, path: Path) -> None:
        """Give the draft the name, unless something has it."""
        try:
            os.link(draft, path)
        except FileExistsError:
            return

    def sync_folder(path: Path) -> None:
        """Make the names in a folder durable."""
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

        sync_data = _sync_file

    else:

        def _sync_file(fd: int) -> None:
            os.fsync(fd)

        def sync_data(fd: int) -> None:
            """Make the bytes of a file durable."""
            os.fdatasync(fd)


if sys.platform == "linux":

    def allocate(fd: int, size: int) -> None:
        """Have the blocks for so many bytes. Raises OSError."""
        os.posix_fallocate(fd, 0, size)

else:

    def allocate(fd: int, size: int) -> None:
        """Have the blocks for so many bytes. Raises OSError."""
        # No such call here; written blocks are allocated blocks.
        os.write(fd, b" " * size)
