"""Ending everything that stands in a group."""

from pathlib import Path

from agent.process import KILL, signal_all

_KILL_ROUNDS = 50


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


def _kill_members(group: Path) -> None:
    for _ in range(_KILL_ROUNDS):
        found = members(group)
        if not found:
            return
        signal_all(found, KILL)
