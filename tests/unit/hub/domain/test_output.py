"""Is an output whole? (core.md §3)"""

import pytest

from agent.wire.facts import FinalFact, Gap
from agent.wire.words import GapReason, OutputState
from hub.domain.output import StoredOutput, judge
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
