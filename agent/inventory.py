"""What an execution's folder and the spool say after a restart, as a `LocalExecution`, and what an end was, as facts.

Everything here can be worked out again from what is durable, so a fact that was lost between folder and spool is made
again, and one that is there is not made twice (`core.md` §3, G9). Pure.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from agent.execution import LocalExecution, Phase, row_size
from agent.output import wire_gap
from agent.shim.exit_file import ExitRecord
from agent.wire.facts import (
    ExitFact,
    Fact,
    FinalFact,
    Gap,
    ReportFact,
    RowFact,
    SaidFact,
    StartedFact,
    StopFact,
    Survivor,
    VoidFact,
)
from agent.wire.messages import StopOrder
from agent.wire.words import ExitKind, GapReason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(wall_ns: int) -> datetime:
    """The aware time of nanoseconds since 1970."""
    return _EPOCH + timedelta(microseconds=wall_ns // 1000)


def recover(fresh: LocalExecution, facts: Iterable[Fact]) -> LocalExecution:
    """The execution as its spooled facts tell it; `fresh` names it and its slot."""
    phase, last, reaped, reports = Phase.ORDERED, 0, False, 0
    rows, row_bytes, has_spoken = 0, 0, False
    output_bytes: int | None = None
    stop: StopOrder | None = None
    report: ReportFact | None = None
    for fact in facts:
        last = fact.seq
        match fact.body:
            case StartedFact():
                phase = Phase.STARTED
            case VoidFact():
                phase = Phase.VOID
            case ExitFact():
                phase, reaped = Phase.EXITED, True
            case FinalFact() as said:
                phase, output_bytes = Phase.FINAL, said.output_bytes
            case StopFact() as said:
                stop = stop or StopOrder(cause=said.cause, by=said.by)
            case ReportFact() as said:
                reports += 1
                report = report if said.late else said
            case RowFact() as row:
                rows, row_bytes = rows + 1, row_bytes + row_size(row)
            case SaidFact():
                has_spoken = True
            case _:
                pass
    return LocalExecution(
        execution_id=fresh.execution_id,
        task_id=fresh.task_id,
        fence=fresh.fence,
        slot=fresh.slot,
        phase=phase,
        last_fact=last,
        stop=stop,
        report=report,
        reports=reports,
        rows=rows,
        row_bytes=row_bytes,
        said=has_spoken,
        reaped=reaped,
        output_bytes=output_bytes,
    )


def exit_fact(record: ExitRecord) -> ExitFact:
    """How the bot ended, as its shim wrote it."""
    return ExitFact(
        at=moment_of(record.ended_wall_ns or record.started_wall_ns),
        how=record.how,
        code=record.code,
        signal=record.signal,
        error=record.error,
        last_errors=record.last_errors,
        signaled_by_stop=record.signaled_by_stop,
        peak_memory_bytes=record.peak_memory_bytes or None,
        survivors=tuple(Survivor(pid=pid, command=command) for pid, command in record.survivors),
    )


def lost_exit(
    record: ExitRecord | None, *, rebooted: bool, survivors: Sequence[tuple[int, str]], at: datetime
) -> ExitFact:
    """The exit of a bot whose shim is gone: what the shim had written of it, else that nobody saw it (`core.md` §2)."""
    left = tuple(Survivor(pid=pid, command=command) for pid, command in survivors)
    if record is not None:
        return exit_fact(record).model_copy(update={"survivors": left})
    how = ExitKind.HOST_RESTARTED if rebooted else ExitKind.SUPERVISOR_LOST
    return ExitFact(at=at, how=how, survivors=left)


def final_fact(
    record: ExitRecord | None,
    length: int,
    left_out: Sequence[str],
    at: datetime,
    lost: GapReason = GapReason.TAIL_UNKNOWN,
) -> FinalFact:
    """The last fact. Without a finished exit file the end of the output is unknown (`core.md` §3).

    `length` is how far the output can be read: what the shim wrote behind it is gone for the reason `lost`, and nobody
    may wait for it.
    """
    if record is not None and record.final and length >= record.output_bytes:
        return FinalFact(
            at=at,
            output_bytes=record.output_bytes,
            output_sha256=record.output_sha256,
            streams_ended=all(end.ended for end in record.streams.values()),
            gaps=tuple(wire_gap(gap) for gap in record.gaps),
            left_out=tuple(left_out),
        )
    gaps = tuple(wire_gap(gap) for gap in record.gaps) if record else ()
    missing = record.output_bytes - length if record is not None and record.final else None
    tail = Gap(start=length, bytes=missing, reason=GapReason.TAIL_UNKNOWN if missing is None else lost)
    return FinalFact(
        at=at,
        output_bytes=length,
        streams_ended=False,
        gaps=(*gaps, tail),
        left_out=tuple(left_out),
    )
