"""Every phase meets every event: what comes out, or that it cannot happen (`core.md` D1, §3, §4)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from agent.execution import ENDED, IllegalEventError, LocalExecution, Phase, apply
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
from agent.wire.facts import ArtifactFact, ExitFact, FinalFact, ReportFact, RowFact, SaidFact, Survivor
from agent.wire.messages import StopOrder
from agent.wire.words import ExitKind, ReportStatus, StopCause, VoidReason

AT = datetime(2030, 1, 1, tzinfo=UTC)
CANCEL = StopOrder(cause=StopCause.CANCEL, by="ana")
KILL = StopOrder(cause=StopCause.KILL)
REPORT = ReportFact(at=AT, status=ReportStatus.SUCCEEDED)
EXIT = ExitFact(at=AT, how=ExitKind.NORMAL, code=0)
EVENTS: dict[str, Event] = {
    "HandedOver": HandedOver(),
    "CannotStart": CannotStart(reason=VoidReason.UNFIT, message="no disk"),
    "Started": Started(at=AT, pid=4),
    "Voided": Voided(at=AT, reason=VoidReason.STALE, message="31 s"),
    "StopAsked": StopAsked(order=CANCEL, at=AT),
    "ShimStopped": ShimStopped(cause=StopCause.TIMEOUT, at=AT),
    "Reaped": Reaped(),
    "ShimLost": ShimLost(),
    "Reported": Reported(report=REPORT),
    "ArtifactStored": ArtifactStored(artifact=ArtifactFact(at=AT, name="a", sha256="0" * 64, size_bytes=1)),
    "RowWritten": RowWritten(row=RowFact(at=AT, log="l", columns={"n": 1})),
    "Spoken": Spoken(said=SaidFact(at=AT, outputs={"a": "1"})),
    "Exited": Exited(exit=EXIT),
    "Concluded": Concluded(final=FinalFact(at=AT, output_bytes=3)),
    "ForgetAsked": ForgetAsked(),
}
NEVER = "cannot happen"
SAME = ""

# phase -> event -> "next phase: effects" (facts by their kind), SAME for nothing at all, or NEVER.
TABLE: dict[Phase, dict[str, str]] = {
    Phase.ORDERED: {
        "HandedOver": "handed_over:",
        "CannotStart": "ordered: LinkVoid(unfit)",
        "Started": "started: started Watch",
        "Voided": "void: void FreeSlot",
        "StopAsked": "ordered: LinkVoid(canceled)",
        "ShimStopped": NEVER,
        "Reaped": NEVER,
        "ShimLost": "ordered: LinkVoid(shim_gone)",
        "Reported": NEVER,
        "ArtifactStored": NEVER,
        "RowWritten": NEVER,
        "Spoken": NEVER,
        "Exited": NEVER,
        "Concluded": NEVER,
        "ForgetAsked": SAME,
    },
    Phase.HANDED_OVER: {
        "HandedOver": SAME,
        "CannotStart": "handed_over: LinkVoid(unfit)",
        "Started": "started: started Watch",
        "Voided": "void: void FreeSlot",
        "StopAsked": "handed_over: LinkVoid(canceled)",
        "ShimStopped": NEVER,
        "Reaped": NEVER,
        "ShimLost": "handed_over: LinkVoid(shim_gone)",
        "Reported": NEVER,
        "ArtifactStored": NEVER,
        "RowWritten": NEVER,
        "Spoken": NEVER,
        "Exited": NEVER,
        "Concluded": NEVER,
        "ForgetAsked": SAME,
    },
    Phase.STARTED: {
        "HandedOver": SAME,
        "CannotStart": SAME,
        "Started": SAME,
        "Voided": NEVER,
        "StopAsked": "started: stop StopShim(cancel)",
        "ShimStopped": "started: stop",
        "Reaped": "started:",
        "ShimLost": "started: FindExit",
        "Reported": "started: report",
        "ArtifactStored": "started: artifact",
        "RowWritten": "started: row",
        "Spoken": "started: said",
        "Exited": "exited: exit FreeSlot Conclude",
        "Concluded": NEVER,
        "ForgetAsked": SAME,
    },
    Phase.EXITED: {
        "HandedOver": NEVER,
        "CannotStart": SAME,
        "Started": SAME,
        "Voided": NEVER,
        "StopAsked": SAME,
        "ShimStopped": SAME,
        "Reaped": SAME,
        "ShimLost": SAME,
        "Reported": "exited: report",
        "ArtifactStored": "exited: artifact",
        "RowWritten": "exited: row",
        "Spoken": "exited: said",
        "Exited": SAME,
        "Concluded": "final: final",
        "ForgetAsked": SAME,
    },
    Phase.FINAL: {
        "HandedOver": NEVER,
        "CannotStart": SAME,
        "Started": SAME,
        "Voided": NEVER,
        "StopAsked": SAME,
        "ShimStopped": SAME,
        "Reaped": SAME,
        "ShimLost": SAME,
        "Reported": NEVER,
        "ArtifactStored": NEVER,
        "RowWritten": NEVER,
        "Spoken": SAME,
        "Exited": SAME,
        "Concluded": SAME,
        "ForgetAsked": "forgotten: Erase(final)",
    },
    Phase.VOID: {
        "HandedOver": SAME,
        "CannotStart": SAME,
        "Started": NEVER,
        "Voided": SAME,
        "StopAsked": SAME,
        "ShimStopped": NEVER,
        "Reaped": NEVER,
        "ShimLost": SAME,
        "Reported": NEVER,
        "ArtifactStored": NEVER,
        "RowWritten": NEVER,
        "Spoken": NEVER,
        "Exited": NEVER,
        "Concluded": NEVER,
        "ForgetAsked": "forgotten: Erase(void)",
    },
    Phase.FORGOTTEN: {
        "HandedOver": NEVER,
        "CannotStart": SAME,
        "Started": NEVER,
        "Voided": SAME,
        "StopAsked": SAME,
        "ShimStopped": SAME,
        "Reaped": SAME,
        "ShimLost": SAME,
        "Reported": NEVER,
        "ArtifactStored": NEVER,
        "RowWritten": NEVER,
        "Spoken": NEVER,
        "Exited": SAME,
        "Concluded": SAME,
        "ForgetAsked": SAME,
    },
}


def at(phase: Phase) -> LocalExecution:
    """An execution in this phase, with two facts."""
    return LocalExecution(
        execution_id="exe_" + "1" * 32,
        task_id="tsk_" + "1" * 32,
        fence=3,
        slot=0,
        phase=phase,
        last_fact=2,
        reaped=phase in {Phase.EXITED, Phase.FINAL, Phase.FORGOTTEN},
    )


def shown(effect: Effect) -> str:
    """An effect as the table writes it."""
    match effect:
        case Spool(fact=fact):
            return fact.body.kind
        case LinkVoid(reason=reason):
            return f"LinkVoid({reason})"
        case StopShim(order=order):
            return f"StopShim({order.cause})"
        case Erase(outcome=outcome):
            return f"Erase({outcome})"
        case _:
            return type(effect).__name__


def test_the_table_is_whole() -> None:
    """Each phase names each event that there is."""
    assert {event.__name__ for event in get_args(Event)} == set(EVENTS)
    assert list(TABLE) == list(Phase)
    assert all(list(row) == list(EVENTS) for row in TABLE.values())


@pytest.mark.parametrize(("phase", "event"), [(phase, event) for phase in Phase for event in EVENTS])
def test_each_phase_meets_each_event(phase: Phase, event: str) -> None:
    """What is durable is never contradicted, what is known already changes nothing."""
    # given
    before, expected = at(phase), TABLE[phase][event]

    # when, then
    if expected == NEVER:
        with pytest.raises(IllegalEventError, match=f"is {phase}: {event} cannot happen"):
            apply(before, EVENTS[event])
        return
    after, effects = apply(before, EVENTS[event])
    if expected == SAME:
        assert (after, effects) == (before, [])
        return
    assert f"{after.phase}: {' '.join(map(shown, effects))}".rstrip() == expected
    facts = [effect.fact for effect in effects if isinstance(effect, Spool)]
    assert [fact.seq for fact in facts] == list(range(3, 3 + len(facts)))
    assert after.last_fact == 2 + len(facts)
    assert all(fact.is_intact() and fact.fence == 3 for fact in facts)


def test_a_stop_before_the_verdict_is_carried_out_when_the_bot_started() -> None:
    """D6: with a permit out a cancel is a request until the runner's facts come; then the stop fact is first."""
    # given
    asked, effects = apply(at(Phase.HANDED_OVER), StopAsked(order=CANCEL, at=AT))
    assert effects == [LinkVoid(reason=VoidReason.CANCELED, message="ana")]

    # when
    started, effects = apply(asked, Started(at=AT, pid=1))

    # then
    assert [shown(effect) for effect in effects] == ["started", "Watch", "stop", "StopShim(cancel)"]
    assert started.stop == CANCEL


@pytest.mark.parametrize(
    ("second", "told"), [(KILL, True), (CANCEL, True), (StopOrder(cause=StopCause.SUPERSEDED), False)]
)
def test_the_first_cause_counts_and_only_kill_and_cancel_shorten(second: StopOrder, told: bool) -> None:
    """§4: two stop causes: the first durable one counts; kill or cancel only shortens the ladder."""
    # given
    stopping, _ = apply(at(Phase.STARTED), StopAsked(order=StopOrder(cause=StopCause.TIMEOUT), at=AT))

    # when
    again, effects = apply(stopping, StopAsked(order=second, at=AT))

    # then
    assert again.stop == StopOrder(cause=StopCause.TIMEOUT)
    assert effects == ([StopShim(order=second)] if told else [])


def test_a_stop_by_the_shim_after_ours_adds_nothing() -> None:
    """§4: the first durable cause counts."""
    stopping, _ = apply(at(Phase.STARTED), StopAsked(order=CANCEL, at=AT))
    assert apply(stopping, ShimStopped(cause=StopCause.TIMEOUT, at=AT)) == (stopping, [])


@pytest.mark.parametrize(
    ("make", "from_file", "late"),
    [
        (lambda: at(Phase.STARTED), False, False),
        (lambda: replace(at(Phase.STARTED), reaped=True), False, True),
        (lambda: replace(at(Phase.STARTED), reaped=True), True, False),
        (lambda: at(Phase.EXITED), True, True),
    ],
)
def test_a_report_is_late_when_the_main_process_was_reaped(
    make: Callable[[], LocalExecution], from_file: bool, late: bool
) -> None:
    """§4: refused as late once the shim has reaped; a result file was written before the end."""
    # when
    after, effects = apply(make(), Reported(report=REPORT, from_file=from_file))

    # then
    assert isinstance(effects[0], Spool)
    assert effects[0].fact.body == REPORT.model_copy(update={"late": late})
    assert after.report == (None if late else effects[0].fact.body)
    assert after.reports == 1


def test_what_a_bot_said_is_one_fact_however_often_its_files_are_read() -> None:
    """`bot-packages.md` §7: a daemon that was restarted before the exit reads them again; rows are counted."""
    # given
    once, effects = apply(at(Phase.STARTED), EVENTS["Spoken"])
    assert ["said"] == [shown(effect) for effect in effects]

    # when, then
    assert (once, []) == apply(once, EVENTS["Spoken"])
    two, _ = apply(apply(once, EVENTS["RowWritten"])[0], EVENTS["RowWritten"])
    assert (2, 5) == (two.rows, two.last_fact)
    assert two.row_bytes > 0


def test_survivors_keep_the_slot() -> None:
    """§2: a slot gives a credit when its last tree is empty."""
    exit_ = EXIT.model_copy(update={"survivors": (Survivor(pid=9, command="x"),)})
    _, effects = apply(at(Phase.STARTED), Exited(exit=exit_))
    assert FreeSlot(tree_empty=False) in effects


@pytest.mark.parametrize(
    ("phase", "verdict"),
    [
        (Phase.ORDERED, "none"),
        (Phase.HANDED_OVER, "none"),
        (Phase.STARTED, "started"),
        (Phase.EXITED, "started"),
        (Phase.FINAL, "started"),
        (Phase.VOID, "void"),
    ],
)
def test_a_resume_names_verdict_facts_and_output(phase: Phase, verdict: str) -> None:
    """P2: held is what folder and memory say."""
    held = at(phase).held(77)
    assert (held.verdict, held.last_fact, held.output_bytes, held.ended) == (verdict, 2, 77, phase in ENDED)


def test_effects_that_carry_nothing() -> None:
    """Equal by value, so that tables can be compared."""
    assert (Watch(), FindExit(), Conclude()) == (Watch(), FindExit(), Conclude())


def test_an_exit_with_its_last_fact_is_one_step() -> None:
    """Where nothing is to be brought: both facts numbered in order, then the slot, and nothing is left to conclude."""
    exit_ = ExitFact(at=AT, how=ExitKind.NORMAL, code=0)
    moved, effects = apply(at(Phase.STARTED), Exited(exit=exit_, final=FinalFact(at=AT, output_bytes=0)))
    assert moved.phase is Phase.FINAL
    assert moved.last_fact == 4
    assert [shown(effect) for effect in effects] == ["exit", "final", "FreeSlot"]
