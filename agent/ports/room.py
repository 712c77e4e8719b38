"""Room on a disk: taken before it is needed, looked at, and told from other failures.

A file whose blocks are allocated can be written however full the disk gets; one that is removed gives its room to
whoever writes next.
"""

import errno
import os
import shutil
import sys
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a system says where there is no room: on the disk, or in somebody's share of it."""
_PIECE_BYTES = 1024 * 1024
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def is_full(error: BaseException | None) -> bool:
    """Whether this error says that a disk is full."""
    return isinstance(error, OSError) and error.errno in FULL


def free_bytes(path: Path) -> int:
    """What an ordinary user may still write to the disk of `path`. Raises OSError."""
    return shutil.disk_usage(path).free


def total_bytes(path: Path) -> int:
    """How large the disk of `path` is. Raises OSError."""
    return shutil.disk_usage(path).total


def make_reserve(path: Path, size: int, *, beyond: int = 0) -> None:
    """Give `path` exactly `size` allocated bytes; raises OSError, and leaves nothing there, where they do not fit.

    `beyond`: only where so many more would fit as well. That is asked of the disk by taking them for a moment, since
    what it calls free may be beyond a quota.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | _FLAGS, 0o600)
    try:
        allocate(fd, size + beyond)
        os.ftruncate(fd, size)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


if sys.platform == "linux":

    def allocate(fd: int, size: int) -> None:
        """Have the system keep room for the first `size` bytes of a file, which grows to them. Raises OSError."""
        os.posix_fallocate(fd, 0, size)

else:

    def allocate(fd: int, size: int) -> None:
        """Have the system keep room for the first `size` bytes of a file, which grows to them. Raises OSError."""
        # No such call here; written blocks are allocated blocks.
        for start in range(0, size, _PIECE_BYTES):
            os.write(fd, bytes(min(_PIECE_BYTES, size - start)))
