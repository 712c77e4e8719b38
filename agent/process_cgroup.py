"""The bot's cgroup: made by the daemon, entered by the bot's child, never by its shim (core.md §2). v2, v1 or none.

    group = make_cgroup("exe_…")          None where this user may make none: the tree is then ended by descent alone
    procs = open_procs(group)             handed to the shim with the order (role `cgroup`)
    kill_cgroup(group); remove_cgroup(group)

v2: a folder below the daemon's own group, killed by `cgroup.kill` (Linux 5.14). v1: the same below the `pids` or the
named systemd hierarchy, killed by signals until it is empty. It sets no limits: those are another matter.
"""

import os
import sys
from pathlib import Path

from agent.process import KILL, signal_all

_KILL_ROUNDS = 50
_MOUNTS = Path("/proc/self/mountinfo")
_OWN = Path("/proc/self/cgroup")
_FOLDER = "botyard"


def make_cgroup(execution_id: str) -> Path | None:
    """Make the group of an execution; None where there are no cgroups or this user may not."""
    parent = own_cgroup()
    if parent is None:
        return None
    group = parent / f"{_FOLDER}-{execution_id}"
    try:
        group.mkdir(exist_ok=True)
    except OSError:
        return None
    # A group that nobody can enter is worse than none.
    if os.access(group / "cgroup.procs", os.W_OK):
        return group
    remove_cgroup(group)
    return None


def open_procs(group: Path) -> int:
    """Open `cgroup.procs` for writing; who writes "0" enters the group. The caller closes it."""
    return os.open(group / "cgroup.procs", os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))


def kill_cgroup(group: Path) -> None:
    """SIGKILL for every member; returns when none is left that can be killed, or after a bounded number of rounds."""
    try:
        (group / "cgroup.kill").write_text("1")
    except OSError:
        _kill_members(group)


def members(group: Path) -> list[int]:
    """Return the pids in the group; none when it is gone."""
    try:
        return [int(line) for line in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def remove_cgroup(group: Path) -> bool:
    """Remove an empty group; False while it has members."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def oom_kills(group: Path) -> int:
    """Return how many processes of the group the kernel killed for want of memory; 0 where it does not count."""
    for name in ("memory.events", "memory.oom_control"):
        try:
            lines = (group / name).read_text().split("\n")
        except OSError:
            continue
        for line in lines:
            word, _, number = line.partition(" ")
            if word == "oom_kill":
                return int(number)
    return 0


def own_cgroup() -> Path | None:
    """Return the folder of the group that this process stands in, in the hierarchy that can kill best."""
    if sys.platform != "linux":
        return None
    try:
        mounts = _mounts(_MOUNTS.read_text())
        return _own_folder(mounts, _OWN.read_text())
    except OSError:
        return None


def _own_folder(mounts: dict[str, Path], own: str) -> Path | None:
    """Choose among the lines `id:controllers:path` of /proc/self/cgroup."""
    places = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            places[name] = path
    for name in ("", "pids", "name=systemd"):
        if name in places and name in mounts:
            return mounts[name] / places[name].lstrip("/")
    return None


def _mounts(mountinfo: str) -> dict[str, Path]:
    """Return mount points by controller; "" is version 2."""
    found: dict[str, Path] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4])
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            found[""] = point
        elif kind == "cgroup":
            found.update(dict.fromkeys(options.split(","), point))
    return found


def _kill_members(group: Path) -> None:
    for _ in range(_KILL_ROUNDS):
        found = members(group)
        if not found:
            return
        signal_all(found, KILL)
