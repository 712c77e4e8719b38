"""Is an output whole? Told apart from the outcome: neither waits for the other to be good (G4, core.md §3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.wire.facts import FinalFact, Gap
from agent.wire.words import GapReason, OutputState

_GAPS_SAID = 3
_OF_THE_END = frozenset({GapReason.TAIL_UNKNOWN, GapReason.DELETED})


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
    # What was deleted is told by its gap; that the rest has another sha256 says nothing more.
    is_cut = any(gap.reason is GapReason.DELETED and gap.resumed_at is not None for gap in stored.gaps)
    is_whole_length = final.output_sha256 is not None and stored.bytes == final.output_bytes
    if is_whole_length and stored.sha256 != final.output_sha256 and not is_cut:
        return OutputState.DAMAGED
    is_whole = final.streams_ended and not final.gaps and not stored.gaps
    return OutputState.COMPLETE if is_whole and is_whole_length else OutputState.INCOMPLETE


def lost(final: FinalFact | None, stored: StoredOutput) -> list[Gap]:
    """Every gap once. That of a lost end begins where the hub's bytes end, when it has more than the runner's file."""
    told = [_beyond(gap, final.output_bytes, stored.bytes) for gap in final.gaps] if final else []
    return [gap for gap in dict.fromkeys([*stored.gaps, *told]) if gap.bytes != 0]


def _beyond(gap: Gap, end: int, have: int) -> Gap:
    """core.md §3: "gap {from: max(hub, file), bytes}"."""
    if gap.reason not in _OF_THE_END or gap.start != end or gap.resumed_at is not None or have <= end:
        return gap
    left = None if gap.bytes is None else max(0, gap.bytes - (have - end))
    return gap.model_copy(update={"start": have, "bytes": left})


def words(state: OutputState, have: int, gaps: Sequence[Gap]) -> str:
    """How much of an output there is, for people: never a part called whole, never a loss without its place (G5).

    `have` is in bytes, as stored by now.
    """
    match state:
        case OutputState.NONE:
            return "none yet" if have == 0 else f"arriving, {have:,} bytes so far"
        case OutputState.ARRIVING:
            return "; ".join([f"arriving, {have:,} bytes so far", *_losses(gaps)])
        case OutputState.COMPLETE:
            return "complete, verified"
        case OutputState.DAMAGED:
            return "; ".join(["damaged: what is stored here differs from what the runner wrote", *_losses(gaps)])
        case OutputState.INCOMPLETE:
            return "; ".join(["incomplete", *_losses(gaps)] if gaps else ["incomplete: its end is not known"])


def _losses(gaps: Sequence[Gap]) -> list[str]:
    told = [_loss(gap) for gap in gaps[:_GAPS_SAID]]
    return [*told, f"{len(gaps) - _GAPS_SAID} more gaps"] if len(gaps) > _GAPS_SAID else told


def _loss(gap: Gap) -> str:
    amount = "an unknown number of bytes" if gap.bytes is None else f"{gap.bytes:,} bytes"
    return f"{amount} missing at offset {gap.start:,} ({gap.reason})"
