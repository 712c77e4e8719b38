"""Files that a bot left behind, opened without following it anywhere (S38).

A bot may put a link, a pipe or a device where a file is looked for, or a link in place of a folder on the way: what is
opened here is a regular file below the folder that was named, reached through real folders only, and the open never
waits.
"""

import errno
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

NOT_REGULAR = "not a regular file"


def open_inside(root: Path, path: Path) -> BinaryIO:
    """Open `path`, which lies below `root`, for reading. Raises OSError, also for a link and for no regular file."""
    fd = _open(root, path.relative_to(root).parts)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
    return os.fdopen(fd, "rb")


def new_file(path: Path) -> BinaryIO:
    """Make a file (0600) which was not there: no link that stands there is followed. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def is_folder_inside(root: Path, path: Path) -> bool:
    """Whether `path` is a folder below `root`, with no link on the way."""
    step = root
    for part in path.relative_to(root).parts:
        step /= part
        try:
            if not stat.S_ISDIR(step.lstat().st_mode):
                return False
        except OSError:
            return False
    return True


if sys.platform == "win32":

    def _open(root: Path, parts: tuple[str, ...]) -> int:
        path = root.joinpath(*parts)
        if not is_folder_inside(root, path.parent) or not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
        return os.open(path, os.O_RDONLY | os.O_BINARY)

else:

    def _open(root: Path, parts: tuple[str, ...]) -> int:
        """Go down folder by folder, each held while the next is opened: no name on the way can be swapped."""
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                os.close(folder)
                folder = below
            # Without O_NONBLOCK the open of a pipe waits for its writer, for ever.
            return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
