"""What `--fix` does, and says that it did. Each deed looks again first: the world may have changed meanwhile."""

import stat
from collections.abc import Iterable
from pathlib import Path

from agent.doctor.finding import Deed, Finding, Mend
from agent.home import is_held
from agent.ports.files import Disk


def fix(findings: Iterable[Finding], home: Path, disk: Disk) -> list[str]:
    """Do what the findings name; one sentence for each deed that was done, or could not be."""
    return [said for finding in findings for mend in finding.mends if (said := _do(mend, home, disk))]


def _do(mend: Mend, home: Path, disk: Disk) -> str:
    try:
        match mend.deed:
            case Deed.MAKE_FOLDER:
                disk.make_folder(mend.path)
                return f"made {mend.path} (0700)"
            case Deed.SET_MODE:
                return _set_mode(mend)
            case Deed.REMOVE_FILE:
                return _remove(mend, home, disk)
    except OSError as error:
        return f"could not {mend.deed} of {mend.path}: {(error.strerror or str(error)).lower()}"


def _set_mode(mend: Mend) -> str:
    seen = mend.path.lstat()
    if stat.S_ISLNK(seen.st_mode):
        return f"left {mend.path} alone: it is a link"
    before = stat.S_IMODE(seen.st_mode)
    mend.path.chmod(mend.mode)
    return f"set the mode of {mend.path} to {mend.mode:04o} (was {before:04o})"


def _remove(mend: Mend, home: Path, disk: Disk) -> str:
    if is_held(home):
        return f"left {mend.path} alone: a daemon has started meanwhile"
    disk.remove(mend.path)
    return f"removed {mend.path}"
