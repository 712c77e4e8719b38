"""How much of an output the hub has, as clients see it: told apart from the outcome (reliability.md G4, core.md §3)."""

from collections.abc import Sequence

from pydantic import ConfigDict, Field

from agent.wire.facts import Gap
from agent.wire.words import GapReason, OutputState
from hub.api.call import View
from hub.domain.output import words
from hub.storage.execution_pages import ExecutionView


class OutputGap(View):
    """Bytes that the bot wrote and nobody has."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, validate_by_name=True)

    start: int = Field(alias="from", description="Offset in the stored output at which they are missing.")
    end: int | None = Field(
        alias="to", description="Offset at which the stored output goes on; null where nobody knows."
    )
    bytes: int | None = Field(description="How many; null where nobody knows.")
    reason: GapReason


class Output(View):
    """How much of the newest execution's output the hub has."""

    state: OutputState
    complete: bool = Field(description="Every byte that the bot wrote is here, proven by its sha256.")
    says: str = Field(description="The same in words.", examples=["complete, verified"])
    lines: int
    bytes: int
    sha256: str | None
    gaps: list[OutputGap] = Field(description="What is missing, and where.")


def output(state: OutputState, size: int, lines: int, sha256: str | None, gaps: Sequence[Gap]) -> Output:
    """What is known of an output."""
    return Output(
        state=state,
        complete=state is OutputState.COMPLETE,
        says=words(state, size, gaps),
        lines=lines,
        bytes=size,
        sha256=sha256,
        gaps=gap_views(gaps),
    )


def output_of(one: ExecutionView) -> Output:
    """How much of an execution's output the hub has, as its row says."""
    return output(
        OutputState(one.output_state), one.output_bytes, one.output_lines, one.output_sha256, gaps_of(one.gaps)
    )


def counted(shown: Output, have: int, lines: int) -> Output:
    """The same, with what has arrived by now: rows are written when an output is whole or given up."""
    if shown.sha256 is not None or have == 0:
        return shown
    state = OutputState.ARRIVING if shown.state is OutputState.NONE else shown.state
    gaps = [Gap(start=gap.start, resumed_at=gap.end, bytes=gap.bytes, reason=gap.reason) for gap in shown.gaps]
    return shown.model_copy(update={"state": state, "bytes": have, "lines": lines, "says": words(state, have, gaps)})


def gaps_of(stored: Sequence[object] | None) -> tuple[Gap, ...]:
    """The gaps of an execution's row."""
    return tuple(Gap.model_validate(one) for one in stored or ())


def gap_views(gaps: Sequence[Gap]) -> list[OutputGap]:
    """Gaps as clients see them. One that took no offset ends where it begins."""
    return [OutputGap(start=gap.start, end=_end(gap), bytes=gap.bytes, reason=gap.reason) for gap in gaps]


def _end(gap: Gap) -> int | None:
    if gap.resumed_at is not None:
        return gap.resumed_at
    return None if gap.bytes is None else gap.start
