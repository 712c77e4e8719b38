"""The disk of a hub: an I/O error where something is made durable ends the process at once (`reliability.md` R15, G9).

A second sync of what a first one failed for says yes, though nothing of it is on the disk: the kernel has called its
pages clean. So no caller may try again, and start-up is recovery. A full disk is no such error (R14).
"""

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.ports.files import AppendFile, SystemAppendFile, SystemDisk


class EndingDisk(SystemDisk):
    """The disk of the machine; `on_fatal` is called in the thread that met the error, and should not return."""

    def __init__(self, on_fatal: Callable[[BaseException], None]) -> None:
        self._on_fatal = on_fatal

    def write_durable(self, path: Path, data: bytes, mode: int = 0o600) -> None:
        """Replace the content of `path` in one step; readers see the old or the new one, whole."""
        with _ending(self._on_fatal):
            super().write_durable(path, data, mode)

    def link_exclusive(self, path: Path, data: bytes) -> bytes:
        """Give `path` the content `data` unless it exists, durably; return what `path` holds: the winner's content."""
        with _ending(self._on_fatal):
            return super().link_exclusive(path, data)

    def sync_folder(self, path: Path) -> None:
        """Make the names in the folder `path` durable, whoever put them there."""
        with _ending(self._on_fatal):
            super().sync_folder(path)

    def open_append(self, path: Path) -> AppendFile:
        """Open `path` for appending, making it (0600, its name durable) when it is not there."""
        is_new = not path.exists()
        file = _EndingFile(path, self._on_fatal)
        if is_new:
            self.sync_folder(path.parent)
        return file

    def rewrite(self, path: Path, data: bytes) -> None:
        """Put `data` over the beginning of a file and sync it; within its room no disk is too full for that."""
        with _ending(self._on_fatal):
            super().rewrite(path, data)


class _EndingFile(SystemAppendFile):
    def __init__(self, path: Path, on_fatal: Callable[[BaseException], None]) -> None:
        super().__init__(path)
        self._on_fatal = on_fatal

    def sync(self) -> None:
        """Make everything written so far durable."""
        with _ending(self._on_fatal):
            super().sync()


@contextlib.contextmanager
def _ending(on_fatal: Callable[[BaseException], None]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EIO:
            on_fatal(error)
        raise
