"""What the kernel counts in a group. Every function takes any folder, of either version; what is not counted is 0."""

from pathlib import Path

_NS = 1_000_000_000


def oom_kills(group: Path) -> int:
    """Return how many processes of the group the kernel killed for want of memory."""
    return _named(group / "memory.events", "oom_kill") or _named(group / "memory.oom_control", "oom_kill")


def machine_oom_kills() -> int:
    """Return how many processes the kernel killed for want of memory since the machine was booted."""
    return _named(Path("/proc/vmstat"), "oom_kill")


def refused_forks(group: Path) -> int:
    """Return how often the kernel refused a process or thread because of the group's limit."""
    return _named(group / "pids.events", "max")


def peak_memory_bytes(group: Path) -> int:
    """Return the most memory that the group ever held (v2 since Linux 5.19)."""
    return _number(group / "memory.peak") or _number(group / "memory.max_usage_in_bytes")


def cpu_seconds(group: Path) -> float | None:
    """Return the CPU time of everything that was ever in the group; None where it is not counted."""
    used = _named(group / "cpu.stat", "usage_usec")
    if used:
        return used / 1e6
    ns = _number(group / "cpuacct.usage")
    return ns / _NS if ns else None


def _named(file: Path, wanted: str) -> int:
    try:
        lines = file.read_text().split("\n")
    except OSError:
        return 0
    for line in lines:
        word, _, number = line.partition(" ")
        if word == wanted:
            return int(number)
    return 0


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0
