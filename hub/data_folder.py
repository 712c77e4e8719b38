"""The hub's data folder: one hub at a time, its address for others on this machine, the first admin's key."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.ports import Disk
from agent.ports.files import sweep_drafts

LOCK_FILE = "hub.lock"
ADDRESS_FILE = "hub.json"
ADMIN_TOKEN_FILE = "admin-token"  # noqa: S105 - a file's name
RESTORING = "restoring"
"""A folder that is there while a backup is put back, and for as long as that was cut off."""


class DataInUse(Exception):  # noqa: N818 - a state of the folder
    """Another hub holds this folder."""

    def __init__(self, data: Path) -> None:
        super().__init__(f"another hub runs on {data}; stop it, or give this one --data of its own")


class HalfRestored(Exception):  # noqa: N818 - a state of the folder
    """Somebody began to put a backup back here, and did not end."""

    def __init__(self, data: Path) -> None:
        super().__init__(f"a restore into {data} was cut off: empty the folder and run botyard hub restore again")


def check_whole(data: Path) -> None:
    """Raise HalfRestored for a folder into which a backup was put only in part (R20)."""
    if (data / RESTORING).exists():
        raise HalfRestored(data)


@contextmanager
def held(data: Path, disk: Disk) -> Iterator[None]:
    """Hold the folder while the block runs; it is made (0700) when it is not there. Raises DataInUse, OSError."""
    disk.make_folder(data)
    file = os.open(data / LOCK_FILE, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        _lock(file, data)
        sweep_drafts(disk, data)
        yield
    finally:
        os.close(file)  # the system gives the lock back with the descriptor, also after a crash


def admin_secret(data: Path, disk: Disk, fresh: str) -> str:
    """The first admin's key: what a start that died before its commit has left, else `fresh`, durable from now on."""
    path = data / ADMIN_TOKEN_FILE
    left = disk.read(path)
    if left is not None:
        return left.decode().strip()
    disk.write_durable(path, f"{fresh}\n".encode(), 0o600)
    return fresh


def write_address(data: Path, disk: Disk, url: str, hub_id: str) -> None:
    """Say where the hub listens: for `botyard up`, tests, and whoever asked for port 0."""
    body = {"url": url, "pid": os.getpid(), "hub_id": hub_id}
    disk.write_durable(data / ADDRESS_FILE, json.dumps(body).encode(), 0o600)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, data: Path) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise DataInUse(data) from None

else:
    import fcntl

    def _lock(file: int, data: Path) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataInUse(data) from None
