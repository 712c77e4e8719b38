"""What uploads leave behind at the hub: half files are gone on with for a day, then swept; the rest goes at a start."""

import os
from pathlib import Path

from agent.ports import SystemDisk
from hub.runners.uploads import ORPHAN_S, SWEEP_EVERY_S, Uploads
from hub.storage.blobs import FolderBlobs
from tests.support.clock import FakeClock

WORKSPACE = "wsp_" + "1" * 32
NEW, OLD = "a" * 64, "b" * 64


def uploads(folder: Path, clock: FakeClock) -> Uploads:
    """The uploads of a hub that starts."""
    return Uploads(folder / "uploads", SystemDisk(), clock, FolderBlobs(folder / "blobs", SystemDisk()))


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
