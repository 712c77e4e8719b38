"""What folders and spool say after a restart (`core.md` §2, §3, G9)."""

from dataclasses import replace

import pytest

from agent.execution import LocalExecution, Phase, apply
from agent.execution_events import (
    Concluded,
    Event,
    Exited,
    HandedOver,
    Reaped,
    Reported,
    RowWritten,
    Spoken,
    Spool,
    Started,
    StopAsked,
    Voided,
)
from agent.inventory import exit_fact, final_fact, lost_exit, moment_of, recover
from agent.segments import Gap as SegmentGap
from agent.shim.exit_file import ExitRecord, StreamEnd
from agent.wire.facts import ExitFact, Fact, FinalFact, Gap, ReportFact, RowFact, SaidFact, Survivor
from agent.wire.messages import StopOrder
from agent.wire.words import ExitKind, GapReason, ReportStatus, StopCause, VoidReason
from tests.support.session import AT, exe, tsk

FRESH = LocalExecution(execution_id=exe(1), task_id=tsk(1), fence=2, slot=0)
RECORD = ExitRecord(
    final=True,
    how=ExitKind.NORMAL,
    code=7,
    signal=None,
    error="",
    started_wall_ns=1_000_000_000,
    ended_wall_ns=2_500_000_000,
    cause=None,
    by="",
    last_step=None,
    signaled_by_stop=False,
    peak_memory_bytes=1024,
    output_bytes=10,
    output_sha256="0" * 64,
    streams={"stdout": StreamEnd(ended=True, read_bytes=10, dropped_bytes=0)},
    gaps=(),
    survivors=(),
)
LIFE: list[Event] = [
    HandedOver(),
    Started(at=AT, pid=1),
    Reported(report=ReportFact(at=AT, status=ReportStatus.PARTIAL)),
    StopAsked(order=StopOrder(cause=StopCause.TIMEOUT), at=AT),
    Reaped(),
    Reported(report=ReportFact(at=AT, status=ReportStatus.FAILED)),
    RowWritten(row=RowFact(at=AT, log="l", columns={"n": 1})),
    Spoken(said=SaidFact(at=AT, summary="x")),
    Exited(exit=ExitFact(at=AT, how=ExitKind.NORMAL, code=7)),
    Concluded(final=FinalFact(at=AT, output_bytes=10)),
]


@pytest.mark.parametrize("until", range(len(LIFE) + 1))
def test_an_execution_is_recovered_from_its_facts_at_every_point(until: int) -> None:
    """G9: start-up is recovery: what was durable is known again, and nothing else."""
    # given
    value, facts = FRESH, list[Fact]()
    for event in LIFE[:until]:
        value, effects = apply(value, event)
        facts += [effect.fact for effect in effects if isinstance(effect, Spool)]

    # when
    again = recover(FRESH, facts)

    # then
    expected = {Phase.HANDED_OVER: Phase.ORDERED}.get(value.phase, value.phase)
    assert again.phase is expected
    assert (again.last_fact, again.stop, again.report, again.reports) == (
        value.last_fact,
        value.stop,
        value.report,
        value.reports,
    )
    assert (again.said, again.rows, again.row_bytes) == (value.said, value.rows, value.row_bytes)


def test_a_void_is_recovered() -> None:
    """D1."""
    _, effects = apply(FRESH, Voided(at=AT, reason=VoidReason.STALE))
    facts = [effect.fact for effect in effects if isinstance(effect, Spool)]
    assert recover(FRESH, facts).phase is Phase.VOID


def test_an_exit_is_what_the_shim_wrote() -> None:
    """P5."""
    assert exit_fact(RECORD) == ExitFact(
        at=moment_of(2_500_000_000), how=ExitKind.NORMAL, code=7, peak_memory_bytes=1024
    )
    assert exit_fact(replace(RECORD, last_errors="no way")).last_errors == "no way"


@pytest.mark.parametrize(("rebooted", "how"), [(False, ExitKind.SUPERVISOR_LOST), (True, ExitKind.HOST_RESTARTED)])
def test_an_exit_that_nobody_saw_is_told_as_that(rebooted: bool, how: ExitKind) -> None:
    """§2, R22, R23."""
    survivors = [(9, "x")]
    told = lost_exit(None, rebooted=rebooted, survivors=survivors, at=AT)
    assert told == ExitFact(at=AT, how=how, survivors=(Survivor(pid=9, command="x"),))


def test_an_exit_that_the_shim_saw_before_it_was_lost_is_true() -> None:
    """§3: the exit file's first write."""
    told = lost_exit(RECORD, rebooted=False, survivors=[], at=AT)
    assert (told.how, told.code) == (ExitKind.NORMAL, 7)


def test_final_names_length_and_digest() -> None:
    """§3: complete = EOF on every stream, no gap, sha equal."""
    assert final_fact(RECORD, 99, ["a: too large"], AT) == FinalFact(
        at=AT, output_bytes=10, output_sha256="0" * 64, left_out=("a: too large",)
    )


def test_without_a_finished_exit_file_the_tail_is_unknown() -> None:
    """§3: gap {from: file, bytes: unknown}."""
    from dataclasses import replace

    missing = SegmentGap(offset=4, missing_bytes=6, reason=GapReason.DISK, resumed_at=4)
    half = replace(RECORD, final=False, gaps=(missing,))
    tail = Gap(start=8, bytes=None, reason=GapReason.TAIL_UNKNOWN)
    disk = Gap(start=4, bytes=6, reason=GapReason.DISK)
    assert final_fact(None, 8, [], AT) == FinalFact(at=AT, output_bytes=8, streams_ended=False, gaps=(tail,))
    assert final_fact(half, 8, [], AT).gaps == (disk, tail)
