"""The bundle of this checkout, made once for all tests: a hub whose folder has it finds it there and makes none."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.rig import ROOT

KEPT = ROOT / "build" / "bundles"


def give_bundle(data: Path) -> Path:
    """Put the bundle into a hub's data folder; its file there."""
    made = subprocess.run(
        [sys.executable, "-m", "hub.install.building", str(KEPT)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    folder = data / "bundles"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / made.stdout.splitlines()[-1]
    # Not a link: a test may spoil its own.
    target.write_bytes((KEPT / target.name).read_bytes())
    os.utime(target)
    return target
