"""Facts: what a runner knows of an execution for certain, numbered from 1 without holes (`reliability.md` P3).

A fact is durable in the runner's spool before it is sent, and is never changed. The hub accepts each once, by
(execution, seq), and acknowledges after its COMMIT (`core.md` §3).
"""

import zlib
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from agent.wire.ids import Sha256Hex, WireExecutionId
from agent.wire.task import BotText, JsonScalar, Totals, WireModel
from agent.wire.words import AnnotationLevel, ExitKind, GapReason, ReportStatus, StopCause, VoidReason


class StartedFact(WireModel):
    """The verdict ``started`` is linked: the bot runs, or ran (`core.md` D1)."""

    kind: Literal["started"] = "started"
    at: AwareDatetime
    pid: int = 0


class VoidFact(WireModel):
    """The verdict ``void`` is durable: this order never started and never will."""

    kind: Literal["void"] = "void"
    at: AwareDatetime
    reason: VoidReason
    message: BotText = ""


class ReportFact(WireModel):
    """What the bot said of itself; the last report wins (`core.md` §4)."""

    kind: Literal["report"] = "report"
    at: AwareDatetime
    status: ReportStatus
    message: BotText | None = None
    totals: Totals | None = None
    late: bool = False
    """True when it came after the main process had been reaped."""


class StopFact(WireModel):
    """A stop was decided here, before its first signal."""

    kind: Literal["stop"] = "stop"
    at: AwareDatetime
    cause: StopCause
    by: str = ""


class ArtifactFact(WireModel):
    """A file of the execution is stored at the hub under its digest."""

    kind: Literal["artifact"] = "artifact"
    at: AwareDatetime
    name: BotText
    sha256: Sha256Hex
    size_bytes: int = Field(ge=0)
    content_type: str = "application/octet-stream"


class Survivor(WireModel):
    """A process that could not be killed."""

    pid: int
    command: BotText


class ExitFact(WireModel):
    """The main process has ended and its tree is empty, or its survivors are named. Frees slot and locks."""

    kind: Literal["exit"] = "exit"
    at: AwareDatetime
    how: ExitKind
    code: int | None = None
    signal: int | None = None
    error: BotText = ""
    """Why it could not be started, or the limit that it exceeded: what was allowed, what was seen."""
    last_errors: Annotated[BotText, Field(exclude_if=lambda text: not text)] = ""
    """The end of a failed bot's stderr, masked, at most 2 KiB. Left out where empty: so old facts keep their crc."""
    signaled_by_stop: bool = False
    """True when a stop had sent at least one signal before the end."""
    peak_memory_bytes: int | None = None
    survivors: tuple[Survivor, ...] = ()


class Gap(WireModel):
    """Bytes that were written by the bot and are not stored; ``bytes`` None = unknown."""

    start: int = Field(ge=0)
    bytes: int | None = None
    reason: GapReason
    resumed_at: int | None = None
    """Offset at which the stored output goes on, where a stored range was deleted."""


class RowFact(WireModel):
    """One row of a record log, as the bot wrote it (`bot-packages.md` §7); its place is its number."""

    kind: Literal["row"] = "row"
    at: AwareDatetime
    log: BotText
    columns: dict[BotText, JsonScalar]


class Annotation(WireModel):
    """A line that the bot, or the runner for it, singled out for people."""

    level: AnnotationLevel
    title: BotText = ""
    text: BotText


class AnnotationCounts(WireModel):
    """How many there were, those that were not kept included."""

    error: int = Field(default=0, ge=0)
    warning: int = Field(default=0, ge=0)
    notice: int = Field(default=0, ge=0)


class SaidFact(WireModel):
    """What the bot said of its work beside a report, once, at its end; never made where it said nothing.

    Bounded by `OUTPUTS_MAX_BYTES`, `SUMMARY_MAX_BYTES` and `ANNOTATIONS_MAX_BYTES`, so that it fits a frame.
    """

    kind: Literal["said"] = "said"
    at: AwareDatetime
    outputs: dict[BotText, BotText] = Field(default_factory=dict)
    summary: BotText = ""
    summary_cut: bool = False
    """True when the bot wrote more than is kept."""
    annotations: tuple[Annotation, ...] = ()
    counts: AnnotationCounts = AnnotationCounts()


class FinalFact(WireModel):
    """The last fact: what the whole output is. Nothing follows it."""

    kind: Literal["final"] = "final"
    at: AwareDatetime
    output_bytes: int = Field(ge=0)
    output_sha256: Sha256Hex | None = None
    streams_ended: bool = True
    gaps: tuple[Gap, ...] = ()
    left_out: tuple[str, ...] = ()
    """Artifacts that were not uploaded, with the reason."""


FactBody = Annotated[
    StartedFact | VoidFact | ReportFact | StopFact | ArtifactFact | RowFact | SaidFact | ExitFact | FinalFact,
    Field(discriminator="kind"),
]


class Fact(WireModel):
    """One numbered fact on the wire. ``crc`` guards it from the moment it entered the spool."""

    type: Literal["fact"] = "fact"
    execution_id: WireExecutionId
    fence: int = Field(ge=1)
    seq: int = Field(ge=1)
    crc: int = Field(ge=0, lt=2**32)
    body: FactBody

    def is_intact(self) -> bool:
        """False when the content is not what was spooled."""
        return self.crc == fact_crc(self.execution_id, self.fence, self.seq, self.body)


def fact_crc(execution_id: str, fence: int, seq: int, body: FactBody) -> int:
    """zlib.crc32 over the identity and the canonical JSON of a fact's body."""
    text = f"{execution_id}|{fence}|{seq}|{body.model_dump_json()}"
    return zlib.crc32(text.encode())


def make_fact(execution_id: str, fence: int, seq: int, body: FactBody) -> Fact:
    """A fact ready for spool and wire."""
    crc = fact_crc(execution_id, fence, seq, body)
    return Fact(execution_id=execution_id, fence=fence, seq=seq, crc=crc, body=body)
