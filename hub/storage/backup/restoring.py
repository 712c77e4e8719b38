"""Putting a backup back: verified first, unpacked aside, marked as restored, then moved into its place (R20).

    DATA/restoring/…     all of it, until it is marked          a hub does not start on a folder that has this
    DATA/…               moved there, the database last         then `restoring` goes

Whatever dies on the way leaves `restoring`: the folder is emptied, and the restore done again.
"""

from collections.abc import Callable
from pathlib import Path

from agent.ports import Disk
from hub.data_folder import LOCK_FILE, RESTORING
from hub.storage.backup import archive, contents
from hub.storage.backup.archive import Manifest


class NotEmpty(Exception):  # noqa: N818 - a state of the folder, told to a person
    """A restore never mixes two hubs."""


def check_empty(data: Path) -> None:
    """Raise NotEmpty unless there is nothing in the folder, or no folder."""
    found = sorted(path.name for path in data.iterdir() if path.name != LOCK_FILE) if data.is_dir() else []
    if RESTORING in found:
        raise NotEmpty(f"a restore into {data} was cut off: empty the folder and restore again")
    if found:
        raise NotEmpty(f"{data} is not empty (it has {', '.join(found[:3])}): restore into a new folder")


def verify(file: Path, told: Callable[[str, float], None]) -> Manifest:
    """Read all of a backup against its digests; nothing is written. Raises BadBackup, OSError."""
    return archive.verify(file, _counting("verified", max(1, file.stat().st_size), told))


def unpack(file: Path, data: Path, disk: Disk, told: Callable[[str, float], None]) -> Path:
    """Write a verified backup into ``DATA/restoring``, which is returned. Raises OSError."""
    aside = data / RESTORING
    disk.make_folder(aside)
    archive.unpack(file, aside, disk, _counting("unpacked", max(1, file.stat().st_size), told))
    return aside


def place(data: Path, disk: Disk) -> None:
    """Move what was unpacked and marked into the folder; the hub can start when this returns."""
    aside = data / RESTORING
    names = sorted(disk.names(aside), key=lambda name: name.startswith(contents.DATABASE))
    for name in names:
        disk.rename(aside / name, data / name)
    disk.sync_folder(data)
    aside.rmdir()
    disk.sync_folder(data)


def _counting(step: str, size: int, told: Callable[[str, float], None]) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        told(step, min(1.0, done / size))

    return count
