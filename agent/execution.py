"""One execution on this machine, as a pure machine: an event in, the next value and what must be done out.

    ordered --HandedOver--> handed_over --Started--> started --Exited--> exited --Concluded--> final --Forget-->
       |                         |                                                                     forgotten
       +-------- Voided ---------+--> void --Forget--> forgotten

| phase | what is certain (`core.md` D1) | what a crash of the daemon here leaves |
|---|---|---|
| ordered | no shim has the order | a folder without a verdict: the next daemon voids it |
| handed_over | a shim has it; whoever links `verdict` first decides | the same, or a started bot that is adopted |
| started | the verdict is `started` and durable | the shim's bot, adopted |
| exited | main process reaped, tree empty or its survivors named | the exit file; artifacts, tail are sent again |
|        | (where nothing is to be brought, exit and final are one step) | |
| final | the last fact is in the spool | facts and output until the hub says `forget` |
| void | the verdict is `void` and durable: never started, never will | the same |
| forgotten | a tombstone | nothing |

Rules that stand here and nowhere else: "never started" is said only after one's own void is durable (D1, so `VoidFact`
comes of `Voided` only, never of the wish); a stop is a fact before its first signal, and the first cause counts
(`core.md` §3, §4); a report after the main process was reaped is a late one (§4); nothing follows `final` (P3).

An event that says what is known already changes nothing; one that contradicts what is durable raises
`IllegalEventError`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias, assert_never

from agent.execution_events import (
    ArtifactStored,
    CannotStart,
    Conclude,
    Concluded,
    Effect,
    Erase,
    Event,
    Exited,
    FindExit,
    ForgetAsked,
    FreeSlot,
    HandedOver,
    LinkVoid,
    Reaped,
    Reported,
    RowWritten,
    ShimLost,
    ShimStopped,
    Spoken,
    Spool,
    Started,
    StopAsked,
    StopShim,
    Voided,
    Watch,
)
from agent.wire.facts import FactBody, FinalFact, ReportFact, RowFact, StartedFact, StopFact, VoidFact, make_fact
from agent.wire.messages import Held, StopOrder
from agent.wire.words import StopCause, VoidReason


class Phase(StrEnum):
    """Where an execution stands on this machine; drawn above."""

    ORDERED = "ordered"
    HANDED_OVER = "handed_over"
    STARTED = "started"
    EXITED = "exited"
    FINAL = "final"
    VOID = "void"
    FORGOTTEN = "forgotten"


UNDECIDED = frozenset({Phase.ORDERED, Phase.HANDED_OVER})
ENDED = frozenset({Phase.EXITED, Phase.FINAL, Phase.VOID, Phase.FORGOTTEN})
_HAS_STARTED = frozenset({Phase.STARTED, Phase.EXITED, Phase.FINAL})
_URGENT = frozenset({StopCause.CANCEL, StopCause.KILL})


class IllegalEventError(Exception):
    """An event that contradicts what is durable here: a bug, or a forged folder."""

    def __init__(self, execution: "LocalExecution", event: "Event") -> None:
        self.execution_id = execution.execution_id
        self.phase = execution.phase
        self.event = type(event).__name__
        super().__init__(f"{self.execution_id} is {self.phase}: {self.event} cannot happen")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalExecution:
    """What is known of one execution here. ``slot`` is None where no permit of it was ever seen."""

    execution_id: str
    task_id: str
    fence: int
    slot: int | None = None
    phase: Phase = Phase.ORDERED
    last_fact: int = 0
    stop: StopOrder | None = None
    """The first stop that was asked for here; a fact of it is in the spool once the bot has started."""
    report: ReportFact | None = None
    """The last report that was not late."""
    reports: int = 0
    rows: int = 0
    row_bytes: int = 0
    """Rows of record logs, and their size in the spool."""
    said: bool = False
    """The one fact of what it said beside reports is there."""
    reaped: bool = False
    output_bytes: int | None = None
    """How long the output is, once the last fact has said so: nobody may wait for more, or end with less."""

    def held(self, output_bytes: int) -> Held:
        """How a resume names it (P2); `output_bytes` are known to be in the segments."""
        verdict: Literal["none", "started", "void"] = "none"
        if self.phase in _HAS_STARTED:
            verdict = "started"
        elif self.phase is Phase.VOID:
            verdict = "void"
        return Held(
            execution_id=self.execution_id,
            fence=self.fence,
            verdict=verdict,
            last_fact=self.last_fact,
            output_bytes=output_bytes if self.output_bytes is None else self.output_bytes,
            ended=self.phase in ENDED,
            task_id=self.task_id or None,
        )


Step: TypeAlias = tuple[LocalExecution, list[Effect]]


# --- the machine ----------------------------------------------------------------------------------------------------


def apply(execution: LocalExecution, event: Event) -> Step:  # noqa: C901, PLR0911, PLR0912 - one line an event
    """The execution after `event`, and what the daemon must do, in this order, each step after the one before it."""
    match event:
        case HandedOver():
            return _handed_over(execution, event)
        case CannotStart():
            return _cannot_start(execution, event)
        case Started():
            return _started(execution, event)
        case Voided():
            return _voided(execution, event)
        case StopAsked():
            return _stop_asked(execution, event)
        case ShimStopped():
            return _shim_stopped(execution, event)
        case Reaped():
            return _reaped(execution, event)
        case ShimLost():
            return _shim_lost(execution)
        case Reported():
            return _reported(execution, event)
        case ArtifactStored():
            return _artifact_stored(execution, event)
        case RowWritten():
            return _row_written(execution, event)
        case Spoken():
            return _spoken(execution, event)
        case Exited():
            return _exited(execution, event)
        case Concluded():
            return _concluded(execution, event)
        case ForgetAsked():
            return _forget_asked(execution)
        case _:
            assert_never(event)


def _handed_over(execution: LocalExecution, event: Event) -> Step:
    match execution.phase:
        case Phase.ORDERED:
            return replace(execution, phase=Phase.HANDED_OVER), []
        case Phase.HANDED_OVER | Phase.STARTED | Phase.VOID:
            # The verdict may be read before the hand-over has returned to its caller.
            return execution, []
        case _:
            raise IllegalEventError(execution, event)


def _cannot_start(execution: LocalExecution, event: CannotStart) -> Step:
    if execution.phase in UNDECIDED:
        return execution, [LinkVoid(reason=event.reason, message=event.message)]
    return execution, []


def _started(execution: LocalExecution, event: Started) -> Step:
    if execution.phase in {Phase.VOID, Phase.FORGOTTEN}:
        raise IllegalEventError(execution, event)
    if execution.phase not in UNDECIDED:
        return execution, []
    moved = replace(execution, phase=Phase.STARTED)
    moved, effects = _spool(moved, StartedFact(at=event.at, pid=event.pid))
    effects.append(Watch())
    if execution.stop is not None:
        # Asked for while a permit was out: a request until the verdict was known (D6).
        moved, stopping = _begin_stop(moved, execution.stop, event.at)
        effects += stopping
    return moved, effects


def _voided(execution: LocalExecution, event: Voided) -> Step:
    if execution.phase in {Phase.VOID, Phase.FORGOTTEN}:
        return execution, []
    if execution.phase not in UNDECIDED:
        raise IllegalEventError(execution, event)
    fact = VoidFact(at=event.at, reason=event.reason, message=event.message)
    moved, effects = _spool(replace(execution, phase=Phase.VOID), fact)
    return moved, [*effects, FreeSlot(tree_empty=True)]


def _stop_asked(execution: LocalExecution, event: StopAsked) -> Step:
    if execution.phase in UNDECIDED:
        asked = execution if execution.stop is not None else replace(execution, stop=event.order)
        return asked, [LinkVoid(reason=VoidReason.CANCELED, message=event.order.by)]
    if execution.phase is not Phase.STARTED:
        return execution, []
    if execution.stop is None:
        return _begin_stop(replace(execution, stop=event.order), event.order, event.at)
    # The first durable cause counts; kill and cancel only shorten what is left of its ladder (core.md §4).
    return execution, [StopShim(order=event.order)] if event.order.cause in _URGENT else []


def _shim_stopped(execution: LocalExecution, event: ShimStopped) -> Step:
    if execution.phase in UNDECIDED or execution.phase is Phase.VOID:
        raise IllegalEventError(execution, event)
    if execution.phase is not Phase.STARTED or execution.stop is not None:
        return execution, []
    stopped = replace(execution, stop=StopOrder(cause=event.cause, by=event.by))
    return _spool(stopped, StopFact(at=event.at, cause=event.cause, by=event.by))


def _reaped(execution: LocalExecution, event: Reaped) -> Step:
    if execution.phase in UNDECIDED or execution.phase is Phase.VOID:
        raise IllegalEventError(execution, event)
    return replace(execution, reaped=True), []


def _shim_lost(execution: LocalExecution) -> Step:
    if execution.phase in UNDECIDED:
        return execution, [LinkVoid(reason=VoidReason.SHIM_GONE)]
    return execution, [FindExit()] if execution.phase is Phase.STARTED else []


def _reported(execution: LocalExecution, event: Reported) -> Step:
    if execution.phase not in {Phase.STARTED, Phase.EXITED}:
        raise IllegalEventError(execution, event)
    if event.to_hub:
        return replace(execution, report=event.report), []
    # A file was written before the end, whenever it is read.
    is_late = execution.phase is Phase.EXITED or (execution.reaped and not event.from_file)
    report = event.report.model_copy(update={"late": event.report.late or is_late})
    kept = replace(execution, reports=execution.reports + 1, report=execution.report if report.late else report)
    return _spool(kept, report)


def _artifact_stored(execution: LocalExecution, event: ArtifactStored) -> Step:
    if execution.phase not in {Phase.STARTED, Phase.EXITED}:
        raise IllegalEventError(execution, event)
    return _spool(execution, event.artifact)


def _row_written(execution: LocalExecution, event: RowWritten) -> Step:
    if execution.phase not in {Phase.STARTED, Phase.EXITED}:
        raise IllegalEventError(execution, event)
    size = row_size(event.row)
    counted = replace(execution, rows=execution.rows + 1, row_bytes=execution.row_bytes + size)
    return _spool(counted, event.row)


def _spoken(execution: LocalExecution, event: Spoken) -> Step:
    if execution.phase not in _HAS_STARTED:
        raise IllegalEventError(execution, event)
    if execution.said or execution.phase is Phase.FINAL:
        # A daemon that was restarted in between reads the files again.
        return execution, []
    return _spool(replace(execution, said=True), event.said)


def _exited(execution: LocalExecution, event: Exited) -> Step:
    if execution.phase in UNDECIDED or execution.phase is Phase.VOID:
        raise IllegalEventError(execution, event)
    if execution.phase is not Phase.STARTED:
        return execution, []
    moved, effects = _spool(replace(execution, phase=Phase.EXITED, reaped=True), event.exit)
    free = FreeSlot(tree_empty=not event.exit.survivors)
    if event.final is None:
        return moved, [*effects, free, Conclude()]
    moved, last = _finish(moved, event.final)
    return moved, [*effects, *last, free]


def _concluded(execution: LocalExecution, event: Concluded) -> Step:
    if execution.phase in {Phase.FINAL, Phase.FORGOTTEN}:
        return execution, []
    if execution.phase is not Phase.EXITED:
        raise IllegalEventError(execution, event)
    return _finish(execution, event.final)


def _finish(execution: LocalExecution, final: FinalFact) -> Step:
    return _spool(replace(execution, phase=Phase.FINAL, output_bytes=final.output_bytes), final)


def _forget_asked(execution: LocalExecution) -> Step:
    """Only what is complete here can be forgotten; of anything else the hub will ask again after its last fact."""
    if execution.phase not in {Phase.FINAL, Phase.VOID}:
        return execution, []
    return replace(execution, phase=Phase.FORGOTTEN), [Erase(outcome=execution.phase)]


def row_size(row: RowFact) -> int:
    """Bytes of a row as it is spooled."""
    return len(row.model_dump_json().encode())


def _begin_stop(execution: LocalExecution, order: StopOrder, at: datetime) -> Step:
    stopping, effects = _spool(execution, StopFact(at=at, cause=order.cause, by=order.by))
    return stopping, [*effects, StopShim(order=order)]


def _spool(execution: LocalExecution, body: FactBody) -> Step:
    seq = execution.last_fact + 1
    fact = make_fact(execution.execution_id, execution.fence, seq, body)
    return replace(execution, last_fact=seq), [Spool(fact=fact)]
