"""Version 2: one hierarchy. A group hands controllers down only while no process stands in it (packaging.md §4)."""

import os
from contextlib import suppress
from pathlib import Path

HOME = "daemon"
"""The group that the daemon moves into, so that its own may hand controllers down."""
PERIOD_US = 100_000
_WANTED = ("memory", "pids", "cpu")


def take_over(own: Path) -> tuple[Path, frozenset[str]]:
    """Return the folder below which groups are made, and the controllers that they have.

    Tried only where the group was handed to us; a group that others stand in too stays as it was.
    """
    if own.name == HOME and _handed_down(own.parent):
        # A daemon that follows one in the same unit, started from its place.
        return own.parent, _handed_down(own.parent)
    there = set(_words(own / "cgroup.controllers"))
    wanted = [name for name in _WANTED if name in there]
    if not wanted or not os.access(own / "cgroup.subtree_control", os.W_OK):
        return own, frozenset()
    if not _handed_down(own) and not _move_and_enable(own, wanted):
        return own, frozenset()
    return own, _handed_down(own)


def limit_files(controller: str, value: float | None) -> list[tuple[str, str, bool]]:
    """Return (file, text, whether it must succeed) in the order of writing; None takes a limit away."""
    match controller:
        case "memory":
            most = "max" if value is None else str(int(value))
            # Without swap the limit means what it says; killed as one, as half a bot is worth nothing.
            return [
                ("memory.swap.max", "max" if value is None else "0", False),
                ("memory.oom.group", "1", False),
                ("memory.max", most, True),
            ]
        case "pids":
            return [("pids.max", "max" if value is None else str(int(value)), True)]
        case _:
            quota = "max" if value is None else str(max(1000, int(value * PERIOD_US)))
            return [("cpu.max", f"{quota} {PERIOD_US}", True)]


def _handed_down(group: Path) -> frozenset[str]:
    return frozenset(_words(group / "cgroup.subtree_control")) & frozenset(_WANTED)


def _move_and_enable(own: Path, wanted: list[str]) -> bool:
    home = own / HOME
    pid = str(os.getpid())
    try:
        home.mkdir(exist_ok=True)
        (home / "cgroup.procs").write_text(pid)
        (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))
    except OSError:
        # Somebody else stands here (a shell, a desktop): take nothing over, and go back.
        with suppress(OSError):
            (own / "cgroup.procs").write_text(pid)
        with suppress(OSError):
            home.rmdir()
        return False
    return True


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
