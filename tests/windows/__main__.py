"""The bundle of `packaging/windows/build` under Wine: `python -m tests.windows [ZIP]`, some three minutes, opt-in.

As a user of its own without rights, in a prefix and an X server of its own; from the zip, with a real hub beside it. It
shows: every module that Windows has is imported; a job object that ends grandchildren; DPAPI; service
install, start, status, stop, uninstall; a program in a session by CreateProcessAsUser; a bot from `botyard run` to its
outcome, run by the service.

Wine does not show: session 0, locked desktops, CTRL_BREAK without a console, junctions, the Task Scheduler, rights of
files, 260 characters, refused renames, restarts by the service manager, delayed starts: see
`packaging/windows/CHECKLIST.md`.
Needs root (another user), and of apt: wine64 wine xvfb gcc-mingw-w64-x86-64.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.windows.prefix import NEEDED, Prefix
from tests.windows.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run every step; 0 when all passed, 77 where it can't run here."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        print(f"not run: {'needs root' if not lacking else 'missing: ' + ', '.join(lacking)}")
        return 77
    with tempfile.TemporaryDirectory(prefix="botyard-wine-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        place.chmod(0o755)
        bundle = Path(sys.argv[1]) if len(sys.argv) > 1 else _built(place)
        with zipfile.ZipFile(bundle) as zipped:
            zipped.extractall(place / "bundle")
        (program,) = (path for path in (place / "bundle").iterdir() if path.is_dir())
        with Prefix(place, program) as prefix:
            failed = [name for name, step in STEPS.items() if not _passes(name, step, prefix)]
    print(f"{len(STEPS) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _passes(name: str, step: Callable[[Prefix], str], prefix: Prefix) -> bool:
    try:
        said = step(prefix)
    except (AssertionError, subprocess.SubprocessError, OSError) as error:
        print(f"{name:<24} FAILED: {error}", flush=True)
        return False
    print(f"{name:<24} {said}", flush=True)
    return True


def _built(place: Path) -> Path:
    subprocess.run([ROOT / "packaging/windows/build", place / "dist"], check=True, stdout=subprocess.DEVNULL)
    (found,) = (place / "dist").glob("*.zip")
    return found


if __name__ == "__main__":
    sys.exit(main())
