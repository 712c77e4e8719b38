"""A breaker: its whole table, slow reopening, and that probes never flood an application (issue 5, R60)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.domain.breaker import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    admits,
    closed,
    failed,
    faults_of,
    opened_by_hand,
    returned,
    succeeded,
    ticked,
)
from tests.support.clock import START

POLICY = BreakerPolicy(threshold=3, probe_after_s=30, cap_s=100, close_after=7, patience_s=60)
CLOSED = Breaker(policy=POLICY)
OPEN = replace(
    CLOSED,
    state=BreakerState.OPEN,
    failed_in_a_row=3,
    openings=1,
    opened_at=START,
    probe_at=START + timedelta(seconds=30),
    why="no answer",
)
LATER = START + timedelta(seconds=31)
HALF, ADMITTED = admits(OPEN, 5, LATER)
SOONER = START - timedelta(seconds=5)


def fail(known: Breaker, now: datetime = LATER, taken_at: datetime | None = LATER) -> Breaker:
    return failed(known, taken_at, now, "no answer")


def succeed(known: Breaker, now: datetime = LATER, taken_at: datetime | None = LATER) -> Breaker:
    return succeeded(known, taken_at, now)


def test_so_many_failures_in_a_row_open_it() -> None:
    known = fail(fail(CLOSED))
    assert (BreakerState.CLOSED, 2) == (known.state, known.failed_in_a_row)
    known = fail(known)
    assert (BreakerState.OPEN, LATER, LATER + timedelta(seconds=30)) == (known.state, known.opened_at, known.probe_at)
    assert "no answer" == known.why


def test_a_success_breaks_the_row() -> None:
    assert fail(succeed(fail(fail(CLOSED)))) == fail(CLOSED)
    assert CLOSED is succeed(CLOSED), "nothing to write"


@pytest.mark.parametrize(
    ("known", "now", "following", "count"),
    [
        (CLOSED, LATER, BreakerState.CLOSED, 5),
        (OPEN, START, BreakerState.OPEN, 0),
        (OPEN, LATER, BreakerState.HALF_OPEN, 1),
        (HALF, LATER, BreakerState.HALF_OPEN, 0),
        (opened_by_hand(CLOSED, START, "by ana"), LATER + timedelta(days=9), BreakerState.OPEN, 0),
    ],
)
def test_what_each_state_lets_through(known: Breaker, now: datetime, following: BreakerState, count: int) -> None:
    """Closed all, open nothing before its moment, half open one; opened by hand: nothing until somebody closes it."""
    found, admitted = admits(known, 5, now)
    assert (following, count) == (found.state, admitted)


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_cap() -> None:
    known, waits = HALF, []
    for _ in range(4):
        known = fail(known)
        assert known.probe_at is not None
        waits.append((known.probe_at - LATER).total_seconds())
        known, count = admits(replace(known, probe_at=LATER), 1, LATER)
        assert 1 == count
    assert [60, 100, 100, 100] == waits


def test_it_closes_by_a_trickle_one_then_two_then_four() -> None:
    """Slow reopening: the application is not run over by all that waited."""
    known, batches = OPEN, []
    while known.state is not BreakerState.CLOSED:
        known, count = admits(known, 100, LATER)
        batches.append(count)
        for _ in range(count):
            known = succeed(known)
    assert [1, 2, 4] == batches
    assert CLOSED == known, "the next opening is a first one"


@pytest.mark.parametrize("known", [OPEN, HALF])
def test_what_was_taken_before_it_opened_says_nothing(known: Breaker) -> None:
    """Late words of the time before: the application is another one now."""
    for change in (succeed, fail):
        assert known is change(known, LATER, SOONER)
    assert known is returned(known, SOONER, 1, LATER)


@pytest.mark.parametrize("change", [succeed, fail])
def test_an_open_breaker_hears_nobody(change: object) -> None:
    assert OPEN is change(OPEN)  # type: ignore[operator]


def test_a_probe_that_came_back_untold_makes_room_for_another() -> None:
    known = returned(HALF, LATER, 1, LATER)
    assert (0, None) == (known.probes_out, known.probe_at)
    assert 1 == admits(known, 5, LATER)[1]
    assert CLOSED is returned(CLOSED, None, 3, LATER)


def test_a_probe_that_never_ends_is_given_up() -> None:
    """Nobody may lose it for ever: a bot that hangs with the probe would keep the queue shut."""
    soon, late = LATER + timedelta(seconds=59), LATER + timedelta(seconds=61)
    assert 0 == admits(HALF, 1, soon)[1]
    assert HALF is ticked(HALF, soon)
    assert 1 == admits(HALF, 1, late)[1]


def test_by_hand_it_stays_open_and_closes_at_once() -> None:
    known = opened_by_hand(HALF, LATER, "maintenance (ana)")
    assert (BreakerState.OPEN, None, 0) == (known.state, known.probe_at, known.probes_out)
    assert known is ticked(known, LATER + timedelta(days=30))
    assert CLOSED == closed(known)


def test_what_is_kept_is_read_again_and_faults_are_told_all_at_once() -> None:
    assert POLICY == BreakerPolicy.read(POLICY.stored())
    assert [] == faults_of(POLICY)
    wrong = BreakerPolicy(threshold=0, probe_after_s=0.5, cap_s=0.1, close_after=0, patience_s=0)
    names = [fault.field for fault in faults_of(wrong)]
    assert ["threshold", "probe_after_s", "cap_s", "close_after", "patience_s"] == names


class Probing(RuleBasedStateMachine):
    """An application's items, taken and ended in any order; the oracle counts who is out."""

    def __init__(self) -> None:
        super().__init__()
        self.known = CLOSED
        self.now = START
        self.out: list[datetime] = []
        """When each item that is out was taken."""
        self.probes = 0
        self.good_in_a_row = 0

    def _of_now(self, taken_at: datetime) -> bool:
        return self.known.opened_at is None or taken_at >= self.known.opened_at

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.known = ticked(self.known, self.now)

    @rule(wanted=st.integers(1, 10))
    def take(self, wanted: int) -> None:
        was = self.known.state
        self.known, count = admits(self.known, wanted, self.now)
        assert 0 <= count <= wanted
        if was is BreakerState.CLOSED:
            assert count == wanted
        self.out += [self.now] * count

    @precondition(lambda self: self.out)
    @rule(data=st.data(), how=st.sampled_from(["succeeded", "failed", "returned"]))
    def ends(self, data: st.DataObject, how: str) -> None:
        taken_at = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        was, is_probe = self.known, self._of_now(taken_at)
        match how:
            case "succeeded":
                self.known = succeeded(was, taken_at, self.now)
            case "failed":
                self.known = failed(was, taken_at, self.now, "no answer")
            case _:
                self.known = returned(was, taken_at, 1, self.now)
        if was.state is BreakerState.HALF_OPEN and is_probe:
            self._probed(was, how)

    def _probed(self, was: Breaker, how: str) -> None:
        if how == "failed":
            assert self.known.state is BreakerState.OPEN
        elif how == "succeeded":
            is_last = was.probes_passed + 1 >= POLICY.close_after
            assert (self.known.state is BreakerState.CLOSED) == is_last

    @invariant()
    def never_more_probes_than_passed_before(self) -> None:
        """One until one has passed; then at most as many as the trickle lets, of those taken since it opened."""
        if self.known.state is not BreakerState.HALF_OPEN:
            return
        assert self.known.probes_out <= self.known.width
        if not self.known.probes_passed:
            assert self.known.probes_out <= 1

    @invariant()
    def an_open_breaker_has_nobody_out(self) -> None:
        if self.known.state is BreakerState.OPEN:
            assert (0, 0) == (self.known.probes_out, self.known.probes_passed)
            assert self.known.opened_at is not None

    @invariant()
    def it_never_stays_shut_for_ever(self) -> None:
        """Whatever happened, a probe goes when the longest wait is over."""
        longest = timedelta(seconds=max(POLICY.cap_s, POLICY.patience_s))
        assert admits(self.known, 1, self.now + longest)[1] == 1


TestProbing = Probing.TestCase
TestProbing.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
