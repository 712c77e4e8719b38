"""A process that takes a backup, or puts one back, and kills itself at a chosen step (R20).

``python -m tests.storage.dying_backup take|restore DATA FILE STEP``: SIGKILL right before that step of the disk port;
``whole`` on standard output where it came to its end first.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from agent.ports import SystemClock, SystemDisk
from hub.storage.address import Address
from hub.storage.backup import restoring
from hub.storage.backup.taking import Source, take

STEPS = ("make_folder", "open_new", "rename", "sync_folder", "remove")


class DyingDisk(SystemDisk):
    """Kills its process before a step."""

    left: int

    def __getattribute__(self, name: str) -> Any:
        if name in STEPS:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__getattribute__(name)


def main(way: str, data: Path, file: Path, step: int) -> None:
    """Do it, or die."""
    disk = DyingDisk()
    disk.left = step
    if way == "take":
        take(
            Source(data=data, address=Address.parse(f"sqlite:///{data / 'hub.db'}"), version="1"),
            file,
            disk,
            SystemClock(),
        )
    else:
        restoring.unpack(file, data, disk, lambda _name, _share: None)
        restoring.place(data, disk)
    print("whole")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
