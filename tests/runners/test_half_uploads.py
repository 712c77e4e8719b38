"""What uploads leave behind at the hub: half files are gone on with for a day, then swept; the rest goes at a start."""

import errno
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.ports import SystemDisk
from agent.ports.files import AppendFile, SystemAppendFile
from hub.errors import Unavailable
from hub.runners.uploads import ORPHAN_S, SWEEP_EVERY_S, Part, Uploads
from hub.storage.blobs import FolderBlobs
from tests.support.clock import FakeClock

WORKSPACE = "wsp_" + "1" * 32
NEW, OLD = "a" * 64, "b" * 64


def uploads(folder: Path, clock: FakeClock) -> Uploads:
    """The uploads of a hub that starts."""
    return Uploads(folder / "uploads", SystemDisk(), clock, FolderBlobs(folder / "blobs", SystemDisk()))


class FullDisk(SystemDisk):
    """A disk on which nothing more can be written."""

    def open_append(self, path: Path) -> AppendFile:
        """As the machine's, until something is written."""
        file = super().open_append(path)
        self.opened = path

        def write(data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        return cast(
            "AppendFile", SimpleNamespace(write=write, size=file.size, truncate=file.truncate, close=file.close)
        )


class FailsOnce(SystemDisk):
    """A disk whose first sync of a file finds no room."""

    def open_append(self, path: Path) -> AppendFile:
        """As the machine's, but for that sync."""
        return _FailsOnceFile(path, self)

    has_failed = False


class _FailsOnceFile(SystemAppendFile):
    def __init__(self, path: Path, disk: FailsOnce) -> None:
        super().__init__(path)
        self._disk = disk

    def sync(self) -> None:
        """Fail the first time."""
        if not self._disk.has_failed:
            self._disk.has_failed = True
            raise OSError(errno.ENOSPC, "No space left on device")
        super().sync()


class CountsSyncs(SystemDisk):
    """A disk that remembers which folders were synced."""

    def __init__(self) -> None:
        self.synced: list[Path] = []

    def sync_folder(self, path: Path) -> None:
        """As the machine's."""
        super().sync_folder(path)
        self.synced.append(path)


class Body:
    """A request that brings some bytes."""

    def __init__(self, data: bytes) -> None:
        self.content = self
        self.data = data

    async def read(self, count: int) -> bytes:
        """The next ones."""
        piece, self.data = self.data[:count], self.data[count:]
        return piece


def draft(folder: Path, name: str, clock: FakeClock, age_s: float) -> Path:
    """Half a file that was last written to so long ago."""
    path = folder / "uploads" / WORKSPACE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    then = clock.now().timestamp() - age_s
    os.utime(path, (then, then))
    return path


def test_a_start_sweeps_what_nobody_goes_on_with(tmp_path: Path, clock: FakeClock) -> None:
    """R56: an upload may go on after a restart; R53: a package that was on its way is sent anew."""
    # given
    new, old = draft(tmp_path, NEW, clock, ORPHAN_S / 2), draft(tmp_path, OLD, clock, ORPHAN_S + 60)
    package = tmp_path / "uploads" / "tmpabc" / "package"
    package.parent.mkdir()
    package.write_bytes(b"half a package")
    # when
    made = uploads(tmp_path, clock)
    # then
    assert (True, False, False) == (new.exists(), old.exists(), package.parent.exists())
    assert (4, 0) == (made.offset(WORKSPACE, NEW), made.offset(WORKSPACE, OLD))


def test_orphans_are_swept_while_the_hub_runs(tmp_path: Path, clock: FakeClock) -> None:
    made = uploads(tmp_path, clock)
    orphan = draft(tmp_path, OLD, clock, ORPHAN_S + 60)
    made.offset(WORKSPACE, NEW)
    assert orphan.exists()
    clock.advance(SWEEP_EVERY_S + 1)
    made.offset(WORKSPACE, NEW)
    assert not orphan.exists()


async def test_a_full_disk_is_told_and_what_came_is_gone_on_with(tmp_path: Path, clock: FakeClock) -> None:
    """R27: a sentence and another try, never a lost file or a traceback."""
    # given half a file, and a disk that takes no more
    draft(tmp_path, NEW, clock, 0)
    blobs = FolderBlobs(tmp_path / "blobs", SystemDisk())
    mended = uploads(tmp_path, clock)
    full = Uploads(tmp_path / "uploads", FullDisk(), clock, blobs)
    # when the rest comes
    rest = cast("Any", Body(b"and more"))
    with pytest.raises(Unavailable, match="disk is full"):
        await full.take(WORKSPACE, NEW, Part(start=4, total=12), rest)
    # then the half is still there, and free for the next try
    assert 4 == full.offset(WORKSPACE, NEW)
    whole = hashlib.sha256(b"halfand more").hexdigest()
    (tmp_path / "uploads" / WORKSPACE / NEW).rename(tmp_path / "uploads" / WORKSPACE / whole)
    rest = cast("Any", Body(b"and more"))
    blob = await mended.take(WORKSPACE, whole, Part(start=4, total=12), rest)
    assert blob is not None
    assert b"halfand more" == b"".join(blobs.read(blob.sha256))


def test_of_what_could_not_be_synced_nothing_counts(tmp_path: Path) -> None:
    """R16, R53, G1: a second sync would say yes of bytes that the first has lost, so the runner begins anew."""
    blobs = FolderBlobs(tmp_path / "blobs", FailsOnce())
    file = tmp_path / "whole"
    file.write_bytes(b"all of it")
    digest = hashlib.sha256(b"all of it").hexdigest()
    with pytest.raises(OSError, match="No space"):
        blobs.take(file, digest)
    assert b"" == file.read_bytes()
    assert blobs.take(file, digest) is None
    assert blobs.size(digest) is None


def test_a_blob_that_is_there_is_made_durable_by_who_brings_it_again(tmp_path: Path) -> None:
    """R53, G1: who put it there may have died before the folder's sync; as with a verdict that another wrote (D1)."""
    disk = CountsSyncs()
    blobs = FolderBlobs(tmp_path / "blobs", disk)
    first = blobs.add([b"same"])
    disk.synced.clear()
    assert first == blobs.add([b"same"])
    assert tmp_path / "blobs" / first.sha256[:2] in disk.synced
