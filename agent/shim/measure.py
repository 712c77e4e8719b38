"""What a bot's tree uses now: from its control groups where they count it, else from /proc; and its folder's disk.

One look costs what the tree is large; a walk over a folder is done in slices, so that the bot's output never waits.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cgroups import readings
from agent.process import Usage, memory_share_of, usage_of
from agent.shim.bounds import MEMORY, PIDS, Bounds, Seen

if TYPE_CHECKING:
    from agent.shim.body import Tree

SLICE_ENTRIES = 500
_SLICES_A_LOOK = 20
_OURS = frozenset({"output"})


class Meter:
    """Measures one tree and its folder."""

    def __init__(self, tree: "Tree", folder: Path, groups: Mapping[str, Path], disk_before: int) -> None:
        self._tree = tree
        self._groups = groups
        self._folder = folder
        self._disk_before = disk_before
        self._disk = 0
        self._slices = 0
        self._rest = Seen()
        self._walk: Iterator[tuple[int, bool]] | None = None

    @property
    def is_walking(self) -> bool:
        """True while a walk over the folder goes on: look again soon."""
        return self._walk is not None

    def read(self, bounds: Bounds) -> Seen:
        """Measure what is bounded; while a walk goes on, the folder at each call and the rest at some of them."""
        if self._slices % _SLICES_A_LOOK == 0:
            self._rest = self._read_rest(bounds)
        disk = self._disk_bytes() if bounds.disk_bytes is not None else 0
        return replace(self._rest, disk_bytes=disk)

    def _read_rest(self, bounds: Bounds) -> Seen:
        """What the kernel does not keep is measured; of what it keeps, its counters are read."""
        wants_memory = bounds.memory_bytes is not None and MEMORY not in bounds.kept
        wants_processes = bounds.processes is not None and PIDS not in bounds.kept
        usages = self._usages() if wants_memory or wants_processes or bounds.cpu_seconds is not None else {}
        return Seen(
            memory_bytes=self._memory(usages, bounds.memory_bytes or 0) if wants_memory else 0,
            processes=sum(usage.threads for usage in usages.values()) if wants_processes else 0,
            cpu_seconds=self._cpu_s(usages) if bounds.cpu_seconds is not None else 0.0,
            oom_kills=self._count(MEMORY, bounds, readings.oom_kills),
            refused_forks=self._count(PIDS, bounds, readings.refused_forks),
        )

    def _usages(self) -> dict[int, Usage]:
        found = ((pid, usage_of(pid)) for pid in self._tree.pids())
        return {pid: usage for pid, usage in found if usage is not None}

    def _memory(self, usages: Mapping[int, Usage], allowed: int) -> int:
        """Resident memory of all; where that is too much, what is shared is counted once, which costs more."""
        resident = sum(usage.resident_bytes for usage in usages.values())
        if resident <= allowed:
            return resident
        return sum(memory_share_of(pid) or usage.resident_bytes for pid, usage in usages.items())

    def _cpu_s(self, usages: Mapping[int, Usage]) -> float:
        counted = [readings.cpu_seconds(group) for group in (self._tree.cgroup,) if group is not None]
        if counted and counted[0] is not None:
            return counted[0]
        return _reaped_cpu_s() + sum(usage.cpu_seconds for usage in usages.values())

    def _disk_bytes(self) -> int:
        """The last whole sum, or what a walk that goes on has found so far, if that is more."""
        self._walk = self._walk or walk(self._folder)
        total, is_whole = next(self._walk)
        self._slices += 1
        added = max(0, total - self._disk_before)
        if is_whole:
            self._walk, self._slices = None, 0
            self._disk = added
        return max(self._disk, added)

    def _count(self, controller: str, bounds: Bounds, count: Callable[[Path], int]) -> int:
        return count(self._groups[controller]) if controller in bounds.kept and controller in self._groups else 0


def disk_used(folder: Path) -> int:
    """Return the bytes that stand below an execution's folder, our own files left out."""
    return max(total for total, _ in walk(folder))


def walk(folder: Path) -> Iterator[tuple[int, bool]]:
    """Yield the sum so far after each slice of entries, and at the end the whole one, as (sum, True).

    Allocated blocks count, so a sparse file is what it takes up; one file with many names counts once; links are not
    followed.
    """
    total, entries = 0, 0
    known: set[tuple[int, int]] = set()
    waiting = [each for each in _folders(folder) if each.name not in _OURS]
    while waiting:
        for size, below in _entries(waiting.pop(), known):
            total += size
            entries += 1
            if below is not None:
                waiting.append(below)
            if entries % SLICE_ENTRIES == 0:
                yield total, False
    yield total, True


def _entries(folder: Path, known: set[tuple[int, int]]) -> Iterator[tuple[int, Path | None]]:
    """Yield (bytes it takes up, itself where it is a folder) of each entry; what goes while we look is left out."""
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        while True:
            try:
                entry = next(entries, None)
                found = None if entry is None else entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry is None or found is None:
                return
            if entry.is_dir(follow_symlinks=False):
                yield _allocated(found), Path(entry.path)
            elif _is_new(found, known):
                yield _allocated(found), None


def _is_new(found: os.stat_result, known: set[tuple[int, int]]) -> bool:
    """False for a file that was counted under another name."""
    if found.st_nlink <= 1:
        return True
    identity = (found.st_dev, found.st_ino)
    is_new = identity not in known
    known.add(identity)
    return is_new


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


if sys.platform == "win32":

    def _allocated(found: os.stat_result) -> int:
        return found.st_size

    def _reaped_cpu_s() -> float:
        return 0.0

else:
    import resource

    def _allocated(found: os.stat_result) -> int:
        return found.st_blocks * 512

    def _reaped_cpu_s() -> float:
        """CPU time of what this shim has reaped: the bot's ended processes, those that they waited for included."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
