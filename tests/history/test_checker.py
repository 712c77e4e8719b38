"""The checker is judged itself: every rule passes a good history and names what is wrong with a bad one (T2)."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.history.checker import RULES, check
from tests.history.events import (
    Acked,
    Bound,
    CancelAsked,
    Closed,
    Ended,
    Event,
    Fault,
    FaultKind,
    FinishAsked,
    Fired,
    Gap,
    Gone,
    Granted,
    ItemDone,
    Left,
    Output,
    Released,
    Reported,
    Searched,
    SecretFound,
    Seen,
    Settled,
    Started,
    Stopped,
    Stored,
    Voided,
    Wrote,
)
from tests.history.story import Rule

TEXT = b"0123456789" * 10


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wrote(data: bytes, *, with_data: bool = True, stream: str = "stdout") -> Wrote:
    kept = data if with_data else None
    return Wrote(at=3, execution="e1", stream=stream, length=len(data), sha256=digest(data), data=kept)


def stored(data: bytes, stream: str = "stdout") -> Stored:
    return Stored(at=7, execution="e1", stream=stream, length=len(data), sha256=digest(data), data=data)


ACKED = Acked(at=0, task="t1")
GRANTED = Granted(at=1, task="t1", execution="e1", fence=1, runner="r1")
STARTED = Started(at=2, task="t1", execution="e1", fence=1, runner="r1")
ENDED = Ended(at=4, execution="e1", exit_code=0)
WHOLE = Output(state="complete", bytes=len(TEXT), sha256=digest(TEXT), complete=True)
RUNNING = Seen(at=3, task="t1", state="running", execution="e1")
DONE = Seen(at=6, task="t1", state="finished", execution="e1", outcome="succeeded", exit_code=0, output=WHOLE)
SETTLED = Settled(at=5, task="t1", outcome="succeeded")
LOOKED = Searched(at=8, rule="C11", what="processes")
CLOSED = Closed(at=9)
GOOD: tuple[Event, ...] = (
    ACKED, GRANTED, STARTED, RUNNING, wrote(TEXT), ENDED, SETTLED, DONE, stored(TEXT), LOOKED, CLOSED,
)  # fmt: skip


def without(*gone: Event) -> tuple[Event, ...]:
    return tuple(event for event in GOOD if event not in gone)


def instead(event: Event, *others: Event) -> tuple[Event, ...]:
    """The good history with other events in the place of one."""
    return tuple(new for old in GOOD for new in (others if old is event else (old,)))


def cut(length: int, *gaps: Gap, state: str = "incomplete", **more: Event) -> tuple[Event, ...]:
    """The good history with only `length` bytes stored and these gaps told."""
    part = TEXT[:length]
    shown = replace(DONE, output=Output(state=state, bytes=length, sha256=digest(part), gaps=gaps))
    return (*instead(DONE, shown)[:-3], stored(part), *more.values(), LOOKED, CLOSED)


SHIM_KILLED = Fault(at=3, what=FaultKind.SHIM_KILLED, execution="e1")
DISK_FULL = Fault(at=3, what=FaultKind.DISK_FULL, runner="r1")
TAIL = Gap(start=40, bytes=None, reason="tail_unknown")
LOST_SHIM = replace(DONE, outcome="failed", reason="supervisor_lost", exit_code=None)
SECOND = (
    Granted(at=5, task="t1", execution="e2", fence=2, runner="r2"),
    Started(at=6, task="t1", execution="e2", fence=2, runner="r2"),
)
TWICE_ASKED = (replace(ACKED, attempts=2), GRANTED, STARTED, ENDED, *SECOND)
BLIND = (*instead(GOOD[4], wrote(TEXT, with_data=False))[:-3], stored(TEXT[:40]))
OTHER_SHIM = replace(SHIM_KILLED, execution="e9")
ARRIVING = replace(DONE, output=replace(WHOLE, state="arriving"))
FIRED = Fired(at=1, trigger="g", scheduled_for="8:00", task="t1")
BOTH = replace(DONE, output=replace(WHOLE, bytes=130, sha256="of both as the shim read them"))
ERRORS = (wrote(TEXT[:30], stream="stderr"), stored(TEXT[:30], "stderr"))
HOLE = (TEXT[:40] + TEXT[55:], Gap(start=40, bytes=15, reason="disk"))
HOLED = replace(DONE, output=Output(state="incomplete", bytes=85, sha256=digest(HOLE[0]), gaps=(HOLE[1],)))
FILLED = replace(
    HOLED, output=replace(HOLED.output, bytes=100, gaps=(Gap(start=40, bytes=15, reason="disk", filled=15),))
)
FINISHED = replace(DONE, outcome="failed", exit_code=None)
MIXED = replace(DONE, output=Output(state="incomplete", bytes=95, sha256="x", gaps=(replace(HOLE[1], start=50),)))
BOTH_WROTE = (STARTED, DISK_FULL, wrote(TEXT), wrote(TEXT[:30], stream="stderr"), MIXED)
UNSURE = replace(HOLED, output=replace(HOLED.output, gaps=(replace(HOLE[1], bytes=None),)))


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(GOOD, id="a plain run"),
        pytest.param(without(DONE, SETTLED, CLOSED), id="C1: one that is not over yet"),
        pytest.param((ACKED, Fault(at=1, what=FaultKind.HUB_RESTORED), Gone(at=2, task="t1")), id="C1: restored"),
        pytest.param((ACKED, GRANTED, Voided(at=2, execution="e1"), *SECOND), id="C2: void, then granted again"),
        pytest.param(TWICE_ASKED, id="C3: a retry after the end"),
        pytest.param(
            (
                ACKED,
                replace(DONE, at=1, outcome="canceled", reason="unconfirmed", execution=None),
                STARTED,
                Fault(at=0, what=FaultKind.LINK_CUT),
            ),
            id="C3: a forced cancel leaves open whether it starts",
        ),
        pytest.param(cut(40, TAIL, fault=SHIM_KILLED), id="C4: a tail that is told unknown"),
        pytest.param(cut(40, Gap(start=40, bytes=60, reason="cap")), id="C4: cut at its cap, counted"),
        pytest.param((ACKED, STARTED, DISK_FULL, wrote(TEXT), HOLED, stored(HOLE[0])), id="C4: a hole of known size"),
        pytest.param(
            (ACKED, STARTED, DISK_FULL, wrote(TEXT), FILLED, stored(TEXT[:40] + bytes(15) + TEXT[55:])),
            id="C4: a hole in whose place NULs stand",
        ),
        pytest.param(
            (*BOTH_WROTE, stored(TEXT[:80]), stored(TEXT[15:30], "stderr")),
            id="C4: a hole of both streams, behind the length of one of them",
        ),
        pytest.param((ACKED, STARTED, DISK_FULL, wrote(TEXT), UNSURE, stored(HOLE[0])), id="C4: a hole of any size"),
        pytest.param(
            (*instead(DONE, BOTH), *ERRORS),
            id="C4: two streams",
        ),
        pytest.param((ACKED, STARTED, ENDED, SHIM_KILLED, LOST_SHIM), id="C5: nobody saw the end, and why"),
        pytest.param(
            (
                *GOOD[:-2],
                Acked(at=0, task="t2"),
                replace(SHIM_KILLED, execution="e2"),
                replace(LOST_SHIM, task="t2", execution="e2", output=Output()),
                *GOOD[-2:],
            ),
            id="C5: struck between its verdict and exec",
        ),
        pytest.param(
            (
                ACKED,
                STARTED,
                Stopped(at=3, execution="e1", cause="timeout"),
                replace(ENDED, exit_code=1),
                replace(DONE, exit_code=1),
            ),
            id="C5: an exit code that our stop caused",
        ),
        pytest.param(
            (
                ACKED,
                STARTED,
                Reported(at=3, execution="e1", status="succeeded"),
                Stopped(at=3, execution="e1", cause="timeout"),
                ENDED,
                replace(DONE, exit_code=None, report="succeeded"),
            ),
            id="C5: as reported before our stop, whose exit code is ignored",
        ),
        pytest.param(
            (
                replace(ACKED, report_decides=True),
                STARTED,
                Reported(at=3, execution="e1", status="succeeded"),
                replace(ENDED, exit_code=1),
                replace(DONE, exit_code=1, report="succeeded"),
            ),
            id="C5: a BotCity report is the outcome",
        ),
        pytest.param(
            (
                ACKED,
                STARTED,
                FinishAsked(at=1, task="t2", status="x"),
                Acked(at=1, task="t2"),
                Seen(at=2, task="t2", state="finished", outcome="succeeded"),
            ),
            id="C5: finished by a person while queued",
        ),
        pytest.param(
            (*cut(40, Gap(start=40, bytes=90, reason="cap")), wrote(TEXT[:30], stream="stderr")),
            id="C4: a gap at the end counts the bytes of both streams",
        ),
        pytest.param(
            (ACKED, STARTED, ENDED, FinishAsked(at=5, task="t1", status="failed"), FINISHED),
            id="C5: finished by a person between two attempts",
        ),
        pytest.param((*GOOD, replace(DONE, at=20)), id="C6: looked at twice"),
        pytest.param((*GOOD, ItemDone(at=1, item="i1", execution="e1")), id="C7: one completion"),
        pytest.param(
            (
                Acked(at=0, task="t1", key="k"),
                Acked(at=1, task="t1", key="k"),
                Fired(at=1, trigger="g", scheduled_for="8:00", task="t2"),
                Fired(at=1, trigger="g", scheduled_for="9:00", task="t3"),
            ),
            id="C8: a key twice, two moments",
        ),
        pytest.param((Searched(at=1, rule="C10", what="database"),), id="C10: searched"),
        pytest.param((Bound(at=1, name="spool", value=5, limit=5),), id="C12: at its limit"),
        pytest.param(
            (ACKED, GRANTED, Fault(at=1, what=FaultKind.LINK_CUT), replace(DONE, at=90_000, outcome="lost")),
            id="D9: lost after a day",
        ),
        pytest.param(
            (ACKED, GRANTED, Released(at=3, task="t1"), replace(DONE, at=5, outcome="lost")),
            id="D9: lost by a person's word",
        ),
    ],
)
def test_a_good_history_is_good(events: Sequence[Event]) -> None:
    """T2: what the papers allow is no violation."""
    assert "good" == check(events).text()


BAD: list[tuple[Rule, str, Sequence[Event]]] = [
    (Rule.ENDS, "never finished: running", without(DONE)),
    (Rule.ENDS, "nobody saw it", (ACKED, LOOKED, CLOSED)),
    (Rule.ENDS, "acknowledged, then gone", (*GOOD, Gone(at=10, task="t1"))),
    (Rule.ENDS, "acknowledged, then gone", (Fault(at=0, what=FaultKind.HUB_RESTORED), replace(ACKED, at=1),
                                            Gone(at=10, task="t1"))),
    (Rule.ONE_START, "2 starts under fence 1", (*GOOD, replace(STARTED, execution="e2"))),
    (Rule.ONE_START, "started 2 times", (*GOOD, replace(STARTED, fence=2))),
    (Rule.ONE_START, "though void", (*GOOD, Voided(at=10, execution="e1"))),
    (Rule.ONE_START, "without a permit", (*GOOD, SECOND[1])),
    (Rule.ONE_START, "permit of fence 1 started as 2", instead(STARTED, replace(STARTED, fence=2))),
    (Rule.ONE_START, "fence 1 granted after 1", (*GOOD, replace(SECOND[0], fence=1))),
    (Rule.NO_OVERLAP, "e2 started while e1 ran", (*TWICE_ASKED[:3], replace(ENDED, at=8), *SECOND)),
    (Rule.NO_OVERLAP, "e2 started while e1 ran", (*TWICE_ASKED[:3], *SECOND)),
    (Rule.NO_OVERLAP, "2 attempts, 1 asked for", (ACKED, GRANTED, STARTED, ENDED, *SECOND)),
    (Rule.NO_OVERLAP, "started after it was shown canceled", (ACKED, replace(DONE, at=1, outcome="canceled"), STARTED)),
    (Rule.OUTPUT, "60 of 100 bytes are missing, and no gap", cut(40)),
    (Rule.OUTPUT, "others than were written", instead(GOOD[8], stored(TEXT[::-1]))),
    (Rule.OUTPUT, "others than were written", instead(GOOD[8], replace(stored(TEXT[::-1]), data=None))),
    (Rule.OUTPUT, "10 bytes more", instead(GOOD[8], stored(TEXT + TEXT[:10]))),
    (Rule.OUTPUT, "of a bot that wrote none", without(GOOD[4])),
    (Rule.OUTPUT, "nobody knows the first 40", BLIND),
    (Rule.OUTPUT, "60 bytes are missing, 59 are told", cut(40, Gap(start=40, bytes=59, reason="cap"))),
    (Rule.OUTPUT, "90 bytes are missing, 60 are told", (*cut(40, Gap(start=40, bytes=60, reason="cap")),
                                                       wrote(TEXT[:30], stream="stderr"))),
    (Rule.OUTPUT, "not what was written less its gaps", (STARTED, DISK_FULL, wrote(TEXT), HOLED,
                                                        stored(TEXT[:40] + TEXT[56:] + b"x"))),
    (Rule.OUTPUT, "not what was written less its gaps", (STARTED, DISK_FULL, wrote(TEXT), UNSURE,
                                                        stored(TEXT[:40] + TEXT[55:99] + b"x"))),
    (Rule.OUTPUT, "not what was written less its gaps", (STARTED, DISK_FULL, wrote(TEXT), wrote(b"x", stream="stderr"),
                                                        HOLED, stored(HOLE[0][:84] + b"x"))),
    (Rule.OUTPUT, "its gap at 40 should be 15 NULs", (STARTED, DISK_FULL, wrote(TEXT), FILLED, stored(TEXT))),
    (Rule.OUTPUT, "not what was written less its gaps", (STARTED, DISK_FULL, wrote(TEXT), FILLED,
                                                        stored(TEXT[:40] + bytes(15) + TEXT[55:99] + b"x"))),
    (Rule.OUTPUT, "not what was written less its gaps", (*BOTH_WROTE, stored(TEXT[:80]),
                                                        stored(TEXT[15:29] + b"x", "stderr"))),
    (Rule.OUTPUT, "nothing happened that could be the cause", cut(40, TAIL)),
    (Rule.OUTPUT, "nothing happened that could be the cause", cut(40, TAIL, fault=OTHER_SHIM)),
    (Rule.OUTPUT, "unknown reason: moth", cut(40, Gap(start=40, bytes=60, reason="moth"))),
    (Rule.OUTPUT, "nothing damaged it", cut(100, state="damaged")),
    (Rule.OUTPUT, "called complete, with gaps", instead(DONE, replace(DONE, output=replace(WHOLE, gaps=(TAIL,))))),
    (Rule.OUTPUT, "state arriving, complete True", instead(DONE, ARRIVING)),
    (Rule.OUTPUT, "100 bytes stored, 99 shown", instead(DONE, replace(DONE, output=replace(WHOLE, bytes=99)))),
    (Rule.OUTPUT, "another sha256", instead(DONE, replace(DONE, output=replace(WHOLE, sha256="0")))),
    (Rule.OUTPUT, "still arriving at the end", cut(100, state="arriving")),
    (Rule.OUTPUT, "incomplete, and no gap is told", cut(100)),
    (Rule.TRUE_END, "without an exit and without a reason", (ACKED, STARTED, CancelAsked(at=3, task="t1"),
        Reported(at=3, execution="e1", status="succeeded"), ENDED, replace(DONE, exit_code=None, report="succeeded"))),
    (Rule.TRUE_END, "without an exit and without a reason", (ACKED, STARTED,
        FinishAsked(at=3, task="t1", status="failed"), ENDED, FINISHED)),
    (Rule.TRUE_END, "though it ended with 1", (ACKED, STARTED, CancelAsked(at=3, task="t1"),
        replace(ENDED, exit_code=1), replace(DONE, exit_code=1))),
    (Rule.TRUE_END, "ended with (exit code, signal) (7, None), shown as (0, None)",
     instead(ENDED, replace(ENDED, exit_code=7))),
    (Rule.TRUE_END, "shown without an exit", instead(DONE, replace(DONE, exit_code=None))),
    (Rule.TRUE_END, "succeeded, though it ended with 7",
     (*instead(ENDED, replace(ENDED, exit_code=7))[:7], replace(DONE, exit_code=7))),
    (Rule.TRUE_END, "supervisor_lost, but nothing happened", (ACKED, STARTED, ENDED, LOST_SHIM)),
    (Rule.TRUE_END, "supervisor_lost, but nothing happened",
     (ACKED, STARTED, Fault(at=3, what=FaultKind.HOST_CRASHED, runner="r2"), LOST_SHIM)),
    (Rule.TRUE_END, "it never started", (*GOOD, Acked(at=0, task="t2"), replace(DONE, task="t2", execution=None))),
    (Rule.TRUE_END, "reported partial, which nobody shows", (*GOOD, Reported(at=3, execution="e1", status="partial"))),
    (Rule.FROZEN, "settled 2 times", (*GOOD, replace(SETTLED, at=20))),
    (Rule.FROZEN, "settled failed, shown succeeded", instead(SETTLED, replace(SETTLED, outcome="failed"))),
    (Rule.FROZEN, "state went from finished to running", (*GOOD, replace(RUNNING, at=20))),
    (Rule.FROZEN, "outcome went from succeeded to failed", (*GOOD, replace(DONE, at=20, outcome="failed"))),
    (Rule.FROZEN, "exit_code went from 0 to None", (*GOOD, replace(DONE, at=20, exit_code=None))),
    (Rule.FROZEN, "report went from None to failed", (*GOOD, replace(DONE, at=20, report="failed"))),
    (Rule.FROZEN, "running, then waiting", (RUNNING, replace(RUNNING, state="waiting"))),
    (Rule.FROZEN, "complete, then another", (*GOOD, replace(DONE, at=20, output=replace(WHOLE, sha256="0")))),
    (Rule.FROZEN, "complete, then another", (*GOOD, replace(DONE, at=20, output=Output(state="damaged")))),
    (Rule.ONE_COMPLETION, "completed 2 times", [ItemDone(at=1, item="i1", execution=one) for one in ("e1", "e2")]),
    (Rule.ONE_TASK, "2 tasks of g 8:00", [FIRED, replace(FIRED, task="t2")]),
    (Rule.ONE_TASK, "2 tasks of key k", [Acked(at=1, task=t, key="k") for t in ("t1", "t2")]),
    (Rule.NO_SECRET, "password stands in the database", [SecretFound(at=1, name="password", where="the database")]),
    (Rule.NOTHING_LEFT, "left behind", (*GOOD, Left(at=10, what="process 7"))),
    (Rule.NOTHING_LEFT, "nobody looked", without(LOOKED)),
    (Rule.BOUNDED, "6, the limit is 5", [Bound(at=1, name="spool", value=6, limit=5)]),
    (Rule.NOT_LOST_EARLY, "lost after 5 s, under keep",
     (ACKED, GRANTED, Fault(at=1, what=FaultKind.LINK_CUT), replace(DONE, outcome="lost"))),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "problem", "events"), BAD, ids=[f"{rule}: {text}" for rule, text, _ in BAD])
def test_a_bad_history_is_told_with_rule_and_ids(rule: Rule, problem: str, events: Sequence[Event]) -> None:
    """T2: each violation names rule, ids and the events that show it."""
    verdict = check(events)

    found = [one for one in verdict.violations if one.rule is rule and problem in one.problem]
    assert found, verdict.text()
    assert not verdict.is_good
    assert f"{rule} " in verdict.text()
    assert found[0].events or "nobody looked" in problem


def test_every_rule_has_a_bad_history_and_judges_a_good_one() -> None:
    """T2: a rule that cannot fail, or that never looks, is worth nothing."""
    assert set(Rule) == set(RULES) == {rule for rule, _, _ in BAD}
    extra = (
        ItemDone(at=1, item="i1", execution="e1"),
        Acked(at=1, task="t1", key="k"),
        Searched(at=1, rule="C10", what="database"),
        Bound(at=1, name="spool", value=5, limit=5),
        CancelAsked(at=1, task="t2"),
        replace(DONE, task="t2", execution=None, outcome="lost", at=90_000),
        Acked(at=0, task="t3"),
        replace(DONE, task="t3", execution=None, outcome="lost", exit_code=None, at=90_000, output=Output()),
    )
    assert set(Rule) == set(check((*GOOD, *extra)).judged)


def test_one_rule_may_be_asked_alone() -> None:
    """T3: the state machine judges C2-C7 after each step, before there is an end."""
    assert check(without(LOOKED, DONE), [Rule.ONE_START]).is_good
