"""Which control groups this daemon may use, found once: v2, v1, both (hybrid), or none."""

import functools
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from agent.cgroups import v2

log = logging.getLogger(__name__)
MEMORY, PIDS, CPU = "memory", "pids", "cpu"
CONTROLLERS = (MEMORY, PIDS, CPU)
_MOUNTS = Path("/proc/self/mountinfo")
_OWN = Path("/proc/self/cgroup")


class LimitMode(StrEnum):
    """How a machine keeps limits, as its runner tells: by the kernel's groups, else by rlimits and the shim's watch.

    `watch`: by the shim's watch alone (Windows): neither CPU cores nor open files nor file sizes are limited there.
    """

    CGROUP2 = "cgroup2"
    CGROUP1 = "cgroup1"
    RLIMIT = "rlimit"
    WATCH = "watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchies:
    """Folders below which groups are made. `kill` is where a tree is ended, `limits` where each controller is."""

    kill: Path | None = None
    limits: Mapping[str, Path] = field(default_factory=dict)
    mode: LimitMode = LimitMode.RLIMIT


@functools.cache
def chosen() -> Hierarchies:
    """Find them, and take them over where that is needed; call it before the first child process is started.

    On v2 the daemon moves into a group of its own: a group that hands controllers down holds no process.
    """
    if sys.platform != "linux":
        return Hierarchies(mode=LimitMode.WATCH if sys.platform == "win32" else LimitMode.RLIMIT)
    try:
        found = find(_MOUNTS.read_text(), _OWN.read_text())
    except OSError:
        return Hierarchies()
    log.info("limits are kept by %s", found.mode)
    return found


def find(mountinfo: str, own: str) -> Hierarchies:
    """Choose by the texts of /proc/self/mountinfo and /proc/self/cgroup."""
    places = own_folders(mountinfo, own)
    unified = places.get("")
    # On hybrid machines the mount point of v1 is a tmpfs, where writes make plain files and nothing dies.
    if unified is not None and not (unified / "cgroup.controllers").exists():
        unified = None
    base, handed_down = (None, frozenset[str]()) if unified is None else v2.take_over(unified)
    old = {name: places[name] for name in CONTROLLERS if name in places and os.access(places[name], os.W_OK)}
    limits = old | {name: base for name in handed_down if base is not None}
    mode = LimitMode.CGROUP1 if old else LimitMode.RLIMIT
    kill = base or places.get(PIDS) or places.get("name=systemd")
    return Hierarchies(kill=kill, limits=limits, mode=LimitMode.CGROUP2 if handed_down else mode)


def own_folders(mountinfo: str, own: str) -> dict[str, Path]:
    """Return the folder of our own group by controller; "" is version 2."""
    mounts = _mounts(mountinfo)
    found = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            if name in mounts:
                root, point = mounts[name]
                found[name] = point / path.removeprefix(root.rstrip("/")).lstrip("/")
    return found


def _mounts(mountinfo: str) -> dict[str, tuple[str, Path]]:
    """Return (which group stands there, mount point) by controller; "" is version 2."""
    found: dict[str, tuple[str, Path]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            found[""] = (root, Path(point))
        elif kind == "cgroup":
            found.update(dict.fromkeys(options.split(","), (root, Path(point))))
    return found
