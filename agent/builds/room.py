"""What goes when the disk is to hold less: least recently used first, never what is in use, nor what that needs. Pure.

Things need each other: a build's tree needs its files (they are the same bytes, by hard link), so a file alone gives no
room while a tree of it stays; it goes after the last one.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

FREE_PART = 20
"""The twentieth part of a disk stays free, whatever the limit allows: bots and their output need room too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that could be made again, and what its removal would give."""

    name: str
    size_bytes: int
    used_at: float
    """Seconds since 1970."""
    needs: frozenset[str] = frozenset()
    """Names of entries without which it is worth nothing."""


def bound(limit_bytes: int, *, kept_bytes: int, free_bytes: int, disk_bytes: int) -> int:
    """How much may be kept: the limit, or less where the disk itself gets short."""
    return max(0, min(limit_bytes, kept_bytes + free_bytes - disk_bytes // FREE_PART))


def to_remove(entries: Iterable[Entry], in_use: frozenset[str], limit_bytes: int) -> list[Entry]:
    """What to remove, in this order, so that the rest fits the limit, or so that nothing more can go.

    After each step all that is left is whole: nothing is removed before what needs it.
    """
    known = {entry.name: entry for entry in entries}
    kept = _with_needs(known, in_use)
    needed_by = dict.fromkeys(known, 0)
    for entry in known.values():
        for name in entry.needs & known.keys():
            needed_by[name] += 1
    free = [
        (entry.used_at, entry.name) for entry in known.values() if not needed_by[entry.name] and entry.name not in kept
    ]
    heapq.heapify(free)
    total = sum(entry.size_bytes for entry in known.values())
    removed: list[Entry] = []
    while total > limit_bytes and free:
        entry = known[heapq.heappop(free)[1]]
        removed.append(entry)
        total -= entry.size_bytes
        for name in entry.needs & known.keys():
            needed_by[name] -= 1
            if not needed_by[name] and name not in kept:
                heapq.heappush(free, (known[name].used_at, name))
    return removed


def _with_needs(known: dict[str, Entry], in_use: frozenset[str]) -> set[str]:
    """What is in use, and all that it needs, however far away."""
    kept: set[str] = set()
    rest = [name for name in in_use if name in known]
    while rest:
        name = rest.pop()
        if name not in kept:
            kept.add(name)
            rest.extend(known[name].needs & known.keys())
    return kept
