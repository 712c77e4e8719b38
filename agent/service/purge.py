"""Which folder a purge may remove: a runner's own, with nothing in it that no runner made (pure).

Somebody types `--home /`, or enrolled their own home folder: both hold names of a runner's, and all else that is dear.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath

from agent.home import NAMES, is_runners_folder
from agent.service.spec import SERVICE_HOME, Spec, System

_SHOWN = 3


def why_not_purged(spec: Spec, names: Iterable[str]) -> str:
    """A sentence why the home, which holds `names`, is not removed; empty where it may be."""
    known = set(names)
    if _is_top(spec):
        return f"{spec.home} is no runner's folder: give the --home of the runner"
    if not known or spec.home == SERVICE_HOME:
        return ""
    if not is_runners_folder(known):
        return f"{spec.home} is no runner's folder: remove it by hand, if it may go"
    if others := sorted(name for name in known if not is_a_runners(name)):
        shown = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
        return f"{spec.home} holds what no runner made ({shown}): move that elsewhere, or remove the folder by hand"
    return ""


def is_a_runners(name: str) -> bool:
    """One of its names, or beside it what SQLite and a write that was cut off leave."""
    if name.startswith(".") and name.endswith(".tmp"):
        return True
    return name in NAMES or name in {f"spool.db-{kind}" for kind in ("wal", "shm", "journal")}


def _is_top(spec: Spec) -> bool:
    """Whether the home is a root, or right below one: never a runner's alone, whatever lies in it."""
    kind = PureWindowsPath if spec.system is System.WINDOWS else PurePosixPath
    return ".." in kind(spec.home).parts or len(kind(spec.home).parts) < 3
