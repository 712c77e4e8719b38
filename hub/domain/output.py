"""Is an output whole? Told apart from the outcome: neither waits for the other to be good (G4, core.md §3)."""

from dataclasses import dataclass

from agent.wire.facts import FinalFact, Gap
from agent.wire.words import OutputState


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutput:
    """What the hub has of an output that will not grow any more."""

    bytes: int
    lines: int
    sha256: str
    gaps: tuple[Gap, ...] = ()


def judge(final: FinalFact | None, stored: StoredOutput) -> OutputState:
    """Complete = end of every stream, no gap, sha256 equal (core.md §3).

    A hub that has more than the runner's file kept after a power cut is normal, not damage; but nobody can say then
    that it is all.
    """
    if final is None:
        return OutputState.INCOMPLETE
    if final.output_sha256 is not None and stored.bytes == final.output_bytes and stored.sha256 != final.output_sha256:
        return OutputState.DAMAGED
    is_whole = final.streams_ended and not final.gaps and not stored.gaps
    is_same = final.output_sha256 is not None and stored.bytes == final.output_bytes
    return OutputState.COMPLETE if is_whole and is_same else OutputState.INCOMPLETE
