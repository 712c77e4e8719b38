"""The kill ladder's times (core.md §4, clocks), pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.shim.ladder import Ladder, Step, at_once, shorten, start, take_due
from agent.shim.order import LadderTimes
from agent.wire.words import StopCause

TIMES = LadderTimes()
S = 1_000_000_000


def play(ladder: Ladder, until_s: float = 100.0) -> list[tuple[float, Step]]:
    """Let time pass; return when each step was taken."""
    taken = []
    while ladder.next_due_ns is not None and ladder.next_due_ns <= until_s * S:
        now = ladder.next_due_ns
        ladder, step = take_due(ladder, now, TIMES)
        assert step is not None
        taken.append((now / S, step))
    return taken


@pytest.mark.parametrize("cause", [cause for cause in StopCause if cause is not StopCause.CANCEL])
def test_every_cause_but_cancel_interrupts_at_once(cause: StopCause) -> None:
    """SIGINT at once, SIGTERM 10 s later, SIGKILL 5 s later, survivors 10 s after that."""
    assert play(start(cause, 0, TIMES)) == [
        (0, Step.INTERRUPT),
        (10, Step.TERMINATE),
        (15, Step.KILL),
        (25, Step.REPORT),
    ]


def test_a_cancel_waits_ten_seconds_first() -> None:
    """SIGINT after 10 s for cancel: the bot may end by its flag."""
    assert [at for at, _ in play(start(StopCause.CANCEL, 0, TIMES))] == [10, 20, 25, 35]


def test_what_is_left_behind_is_terminated_at_once() -> None:
    """The main process ended by itself: the rest gets SIGTERM, then SIGKILL."""
    assert play(start(None, 0, TIMES)) == [(0, Step.TERMINATE), (5, Step.KILL), (15, Step.REPORT)]


def test_a_kill_shortens_a_cancel() -> None:
    """A later kill only shortens."""
    cancel = start(StopCause.CANCEL, 0, TIMES)
    assert [at for at, _ in play(shorten(cancel, start(StopCause.KILL, 2 * S, TIMES)))] == [2, 12, 17, 27]


def test_a_late_kill_lengthens_nothing() -> None:
    """Each step keeps the earlier of both times."""
    cancel, step = take_due(start(StopCause.CANCEL, 0, TIMES), 10 * S, TIMES)
    assert step is Step.INTERRUPT
    assert [at for at, _ in play(shorten(cancel, start(StopCause.KILL, 19 * S, TIMES)))] == [20, 25, 35]


def test_a_machine_that_slept_still_leaves_time_between_steps() -> None:
    """No TERM is followed by KILL at once, however late it comes."""
    ladder, step = take_due(start(StopCause.KILL, 0, TIMES), 1000 * S, TIMES)
    assert step is Step.INTERRUPT
    assert take_due(ladder, 1000 * S, TIMES)[1] is None
    assert [at for at, _ in play(ladder, 2000)] == [1010, 1015, 1025]


@given(st.sampled_from([*StopCause, None]), st.sampled_from([*StopCause, None]), st.integers(0, 40 * S))
def test_a_second_cause_never_delays(first: StopCause | None, second: StopCause | None, at: int) -> None:
    """Whatever comes second, the kill is not later than it would have been."""
    alone = start(first, 0, TIMES)
    joined = shorten(alone, start(second, at, TIMES))
    assert all(new <= old for new, old in zip(joined.due_ns, alone.due_ns, strict=True))
    assert joined.next_step >= alone.next_step


def test_a_tree_that_endangers_the_machine_is_killed_at_once() -> None:
    """Nothing is waited for, also in the midst of another cause's ladder (S20, R32)."""
    ladder, step = take_due(at_once(1000, TIMES), 1000, TIMES)
    assert step is Step.KILL
    shortened = shorten(start(StopCause.CANCEL, 0, TIMES), at_once(1000, TIMES))
    assert (shortened.next_step, shortened.next_due_ns) == (Step.KILL, 1000)
    assert ladder.next_step is Step.REPORT
