"""Does the home's disk keep what is written, and is there room?"""

from dataclasses import dataclass

from agent.doctor.finding import Finding, fine, unknown, warning, wrong

CHECK = "disk"
SLOW_S = 0.5
"""A start of a bot syncs several files: slower ones are felt."""
CACHE_PART = 20
"""Builds and environments give way below this part of the disk (`agent/builds/room.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFacts:
    """A file was written, synced and read back; another was linked twice."""

    why_unknown: str = ""
    refused: str = ""
    """What the system said instead of writing."""
    reads_back: bool = True
    links_exclude: bool = True
    """Of two exclusive links only the first counts, which verdicts need (`core.md` D1)."""
    took_s: float = 0.0
    free_bytes: int = 0
    total_bytes: int = 0
    keep_free_bytes: int = 0
    """The setting `keep_free`, as far as this disk's size goes."""


def judge(facts: DiskFacts) -> Finding:
    """What does not last is wrong; so is less room than new work needs."""
    if facts.why_unknown:
        return unknown(CHECK, facts.why_unknown)
    if facts.refused:
        return wrong(
            CHECK, f"the home takes no writes: {facts.refused}", "run as the home's owner, or give another --home"
        )
    if not facts.reads_back:
        return wrong(CHECK, "what was written and synced reads back as something else", "replace the disk")
    if not facts.links_exclude:
        return wrong(CHECK, "an exclusive link does not exclude on this file system", "put the home on a local disk")
    room = f"{_size(facts.free_bytes)} of {_size(facts.total_bytes)} free"
    if facts.free_bytes < facts.keep_free_bytes:
        return wrong(CHECK, f"{room}: no new work is taken below {_size(facts.keep_free_bytes)}", "free some space")
    if facts.free_bytes < facts.total_bytes // CACHE_PART:
        return warning(CHECK, f"{room}: builds and environments are removed to make room", "free some space")
    if facts.took_s > SLOW_S:
        slow = f"written, synced and read back in {facts.took_s:.1f} s, which is slow; {room}"
        return warning(CHECK, slow, "put the home on a faster disk")
    return fine(CHECK, f"written, synced and read back in {facts.took_s * 1000:.0f} ms; {room}")


def _size(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
