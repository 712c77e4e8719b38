"""A disk whose power can be cut: ext4 in a file, shut down as it runs (`reliability.md` T6); root and loop devices.

A cut is the ioctl EXT4_IOC_SHUTDOWN without a flush of the log: from then on nothing reaches the file, and every call
fails. What was synced before is there after the next mount, which replays the log; what was only written may not be.

A sync that the cut meets on its way may return without an error, and milliseconds after the ioctl, though nothing of
it is on the disk: of 31 such syncs of 4 KiB 13 lied, of 4,619 that had returned before the ioctl was begun none [M]. So
only what was promised before `cut` is called counts, and nobody may act on a promise after it.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SHUTDOWN = 0x8004587D
"""_IOR('X', 125, __u32) of the kernel's ext4.h, and ..."""
_NO_LOG_FLUSH = 2
"""... its EXT4_GOING_FLAGS_NOLOGFLUSH."""


class NoPowerDiskError(Exception):
    """This machine can make none; the reason in words."""


@dataclass(slots=True)
class PowerDisk:
    """One disk; `cut`, `unmount` and `mount` it as often as wanted."""

    image: Path
    folder: Path
    """Where its files are while it is mounted."""
    is_mounted: bool = False

    def make(self, megabytes: int) -> None:
        """Make it, empty, and mount it. Raises NoPowerDiskError."""
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(megabytes * 1024 * 1024)
        # Without lazy work of the kernel's, each cut meets only what we write.
        lazy = "lazy_itable_init=0,lazy_journal_init=0"
        _do("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", lazy, str(self.image))
        self.mount()

    def mount(self) -> None:
        """Mount it; the log of a disk that was cut is replayed. Raises NoPowerDiskError."""
        _do("mount", "-o", "loop", str(self.image), str(self.folder))
        self.is_mounted = True

    def cut(self) -> None:
        """Cut the power: nothing that is not on the disk now will ever be."""
        root = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(root, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(root)

    def unmount(self) -> bool:
        """Take it away; False while a process still has a file open there."""
        if self.is_mounted:
            done = subprocess.run(["umount", str(self.folder)], capture_output=True, check=False)
            self.is_mounted = done.returncode != 0
        return not self.is_mounted

    def remove(self) -> None:
        """Unmount it, whoever still uses it."""
        if not self.unmount():
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
            self.is_mounted = False


@contextmanager
def power_disk(megabytes: int = 128) -> Iterator[PowerDisk]:
    """A disk for a while. Raises NoPowerDiskError."""
    # In memory where there is room: a sync costs nothing there, and more happens between two cuts.
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and shutil.disk_usage(memory).free > 4 * megabytes * 2**20 else None
    with tempfile.TemporaryDirectory(prefix="botyard-power-", dir=where) as below:
        disk = PowerDisk(Path(below) / "power.ext4", Path(below) / "power")
        try:
            disk.make(megabytes)
            yield disk
        finally:
            disk.remove()


def why_not() -> str | None:
    """Why this machine can cut no power; None where it can: one disk is made and cut."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "power cuts need Linux, root and loop devices"
    if shutil.which("mkfs.ext4") is None:
        return "power cuts need mkfs.ext4"
    try:
        with power_disk(16) as disk:
            disk.cut()
    except (NoPowerDiskError, OSError) as error:
        return f"power cuts need loop devices and ext4's shutdown: {error}"
    return None


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoPowerDiskError(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
