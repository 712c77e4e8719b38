"""Is an output whole? (core.md §3)"""

import pytest

from agent.wire.facts import FinalFact, Gap
from agent.wire.words import GapReason, OutputState
from hub.domain.output import StoredOutput, judge, lost, words
from tests.support.clock import START

SHA, OTHER = "a" * 64, "b" * 64
GAP = Gap(start=0, bytes=4, reason=GapReason.DISK)


def final(**changes: object) -> FinalFact:
    values: dict[str, object] = {"at": START, "output_bytes": 9, "output_sha256": SHA}
    return FinalFact.model_validate({**values, **changes})


def stored(size: int = 9, sha256: str = SHA, *gaps: Gap) -> StoredOutput:
    return StoredOutput(bytes=size, lines=1, sha256=sha256, gaps=gaps)


@pytest.mark.parametrize(
    ("said", "has", "state"),
    [
        (final(), stored(), OutputState.COMPLETE),
        (final(gaps=(GAP,)), stored(), OutputState.INCOMPLETE),
        (final(), stored(9, SHA, GAP), OutputState.INCOMPLETE),
        (final(streams_ended=False), stored(), OutputState.INCOMPLETE),
        (final(output_sha256=None), stored(), OutputState.INCOMPLETE),
        (final(), stored(8, OTHER), OutputState.INCOMPLETE),
        (final(), stored(12, OTHER), OutputState.INCOMPLETE),
        (final(), stored(9, OTHER), OutputState.DAMAGED),
        (None, stored(), OutputState.INCOMPLETE),
    ],
)
def test_complete_is_end_of_every_stream_no_gap_and_sha_equal(
    said: FinalFact | None, has: StoredOutput, state: OutputState
) -> None:
    """A hub ahead of the file after a reboot is normal; a sha mismatch marks the output damaged."""
    assert state is judge(said, has)


@pytest.mark.parametrize(
    ("state", "have", "gaps", "said"),
    [
        (OutputState.NONE, 0, (), "none yet"),
        (OutputState.NONE, 5, (), "arriving, 5 bytes so far"),
        (OutputState.ARRIVING, 1_234_567, (), "arriving, 1,234,567 bytes so far"),
        (OutputState.COMPLETE, 5, (), "complete, verified"),
        (OutputState.INCOMPLETE, 5, (), "incomplete: its end is not known"),
        (OutputState.INCOMPLETE, 5, (GAP,), "incomplete; 4 bytes missing at offset 0 (disk)"),
        (OutputState.DAMAGED, 5, (), "damaged: what is stored here differs from what the runner wrote"),
    ],
)
def test_every_state_has_its_words_and_a_loss_its_place(
    state: OutputState, have: int, gaps: tuple[Gap, ...], said: str
) -> None:
    """G5: no silent loss; `complete` is said of a verified whole only."""
    assert said == words(state, have, gaps)


def test_many_gaps_are_counted() -> None:
    gaps = [Gap(start=start, bytes=1, reason=GapReason.CAP) for start in range(9)]
    assert words(OutputState.INCOMPLETE, 9, gaps).endswith("; 6 more gaps")


def test_what_was_deleted_is_a_gap_and_no_damage() -> None:
    """core.md §3, G5: asked for an offset that is gone: an exact gap; the rest has another sha256, as it must."""
    hole = Gap(start=4, bytes=3, reason=GapReason.DELETED, resumed_at=7)
    assert judge(final(), stored(9, OTHER, hole)) is OutputState.INCOMPLETE
    assert judge(final(), stored(9, OTHER)) is OutputState.DAMAGED


@pytest.mark.parametrize("reason", [GapReason.DELETED, GapReason.TAIL_UNKNOWN])
@pytest.mark.parametrize(
    ("have", "size", "start", "left"), [(3, 20, 5, 20), (9, 20, 9, 16), (9, None, 9, None), (25, 20, None, 0)]
)
def test_a_lost_end_begins_where_the_hub_ends(
    reason: GapReason, have: int, size: int | None, start: int | None, left: int | None
) -> None:
    """core.md §3: "gap {from: max(hub, file), bytes}": what the hub has is not missing."""
    gap = Gap(start=5, bytes=size, reason=reason)
    said = final(output_bytes=5, output_sha256=None, streams_ended=False, gaps=(gap,))
    assert [(one.start, one.bytes) for one in lost(said, stored(have))] == ([] if start is None else [(start, left)])
