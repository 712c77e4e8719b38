"""What is made once and shared by many runs: who makes it, when it is ready, whether it is still what was made.

A folder is ready when its `.ready` says so, which is written last, after every file is synced; without it the folder is
thrown away and made again: a crash or a power cut never leaves half of one.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from agent.builds.errors import PreparationError
from agent.ports.files import Disk

LOCK_WAIT_S = 1800.0
"""How long one preparation waits for another that makes the same."""

READY = ".ready"
FORMAT = 2
_LOCK_POLL_S = 0.2
_SYNCS_AT_ONCE = 8


def seal(root: Path, disk: Disk) -> None:
    """Sync everything below `root`, then say that it is ready. Blocks. Raises OSError."""
    walked = [(Path(folder), names) for folder, _, names in os.walk(root)]
    files = [folder / name for folder, names in walked for name in names if not (folder / name).is_symlink()]

    def sync(path: Path) -> None:
        file = disk.open_append(path)
        try:
            file.sync()
        finally:
            file.close()

    # Side by side, many syncs share one commit of the file system's journal: 0.1 s instead of 1 for 300 files.
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        list(pool.map(sync, files))
    for folder, _ in walked:
        disk.sync_folder(folder)
    size = sum(path.lstat().st_size for path in files)
    body = {"format": FORMAT, "files": inventory(root), "bytes": size}
    disk.write_durable(root / READY, json.dumps(body).encode())
    disk.sync_folder(root.parent)


def inventory(root: Path) -> str:
    """A digest over names, lengths, times of change and link targets below `root`: tells a changed or a torn one.

    No content is read: the bots of a shared folder would wait for that.
    """
    seen = hashlib.sha256()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.parent == root and name == READY:
                continue
            seen_now = path.lstat()
            is_link = stat.S_ISLNK(seen_now.st_mode)
            what = str(path.readlink()) if is_link else f"{seen_now.st_size} {seen_now.st_mtime_ns}"
            seen.update(f"{path.relative_to(root).as_posix()}\0{what}\n".encode(errors="surrogateescape"))
    return seen.hexdigest()


def read_ready(said: bytes) -> str | None:
    """The inventory that a `.ready` was written with; None for what is no such file."""
    try:
        body = json.loads(said)
        return str(body["files"]) if body["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError):
        return None


def bytes_sealed(said: bytes) -> int | None:
    """How large a folder was when its `.ready` was written; None for what is no such file."""
    try:
        return int(json.loads(said)["bytes"])
    except (ValueError, KeyError, TypeError):
        return None


def mark_used(root: Path) -> None:
    """Remember that it is used now: cleaning begins with what was used longest ago. One call of the kernel."""
    with contextlib.suppress(OSError):
        os.utime(root / READY)


@asynccontextmanager
async def only_one(path: Path) -> AsyncIterator[None]:
    """Hold this lock file, against other processes of this machine that share the folder. Raises PreparationError."""
    with path.open("ab") as file:
        try:
            async with asyncio.timeout(LOCK_WAIT_S):
                await _take_lock(file.fileno())
        except TimeoutError:
            raise PreparationError("another preparation of the same environment hangs", is_permanent=False) from None
        yield


async def _take_lock(fd: int) -> None:
    # Nothing tells when another process gives a file lock back.
    while not _try_lock(fd):  # noqa: ASYNC110
        await asyncio.sleep(_LOCK_POLL_S)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
