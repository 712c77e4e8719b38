"""What becomes of an item when an attempt ends: the whole table (R57, R58, R60)."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.item import (
    CRASHES_MAX,
    AttemptOutcome,
    Counters,
    Ending,
    ErrorClass,
    ItemState,
    Next,
    after,
    unique_key,
)
from hub.domain.queue import ItemRetry

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
RETRY = ItemRetry(attempts=3, base_s=10, cap_s=60)


def became(outcome: AttemptOutcome, error_class: ErrorClass | None = None, *, is_machines_fault: bool = False) -> Next:
    """After the first attempt."""
    ending = Ending(outcome=outcome, error_class=error_class, is_machines_fault=is_machines_fault)
    return after(ending, Counters(tries=0, crashes=0), RETRY, NOW, 0.5)


@pytest.mark.parametrize(
    ("outcome", "error_class", "state", "counted", "elsewhere"),
    [
        (AttemptOutcome.DONE, None, ItemState.DONE, True, False),
        (AttemptOutcome.IN_REVIEW, None, ItemState.IN_REVIEW, True, False),
        (AttemptOutcome.CANCELED, None, ItemState.CANCELED, False, False),
        (AttemptOutcome.RETURNED, None, ItemState.PENDING, False, False),
        (AttemptOutcome.FAILED, ErrorClass.BUSINESS, ItemState.FAILED, True, False),
        (AttemptOutcome.FAILED, ErrorClass.APPLICATION, ItemState.POSTPONED, True, False),
        (AttemptOutcome.FAILED, ErrorClass.SYSTEM, ItemState.POSTPONED, True, True),
        (AttemptOutcome.FAILED, None, ItemState.POSTPONED, True, False),
        (AttemptOutcome.TIMED_OUT, None, ItemState.POSTPONED, True, True),
        (AttemptOutcome.CRASHED, None, ItemState.POSTPONED, True, True),
    ],
)
def test_the_first_attempt(
    outcome: AttemptOutcome, error_class: ErrorClass | None, state: ItemState, counted: bool, elsewhere: bool
) -> None:
    """Each outcome and class once."""
    found = became(outcome, error_class)
    assert (found.state, found.is_counted, found.is_elsewhere) == (state, counted, elsewhere)


def test_the_machines_fault_never_counts() -> None:
    """Whatever the outcome, the item goes back unspent, elsewhere."""
    for outcome, error_class in itertools.product(AttemptOutcome, [None, *ErrorClass]):
        found = became(outcome, error_class, is_machines_fault=True)
        assert (found.state, found.tries, found.crashes, found.is_elsewhere) == (ItemState.PENDING, 0, 0, True)


def test_two_crashes_are_a_loop() -> None:
    """R57: the second execution that ended without a word of it makes it dead, with tries left."""
    crashed = Ending(outcome=AttemptOutcome.CRASHED)
    first = after(crashed, Counters(tries=0, crashes=0), RETRY, NOW, 0)
    second = after(crashed, Counters(tries=first.tries, crashes=first.crashes), RETRY, NOW, 0)
    assert (first.crashes, second.crashes, second.state) == (1, CRASHES_MAX, ItemState.DEAD)


@pytest.mark.parametrize(
    ("outcome", "last"),
    [(AttemptOutcome.FAILED, ItemState.FAILED), (AttemptOutcome.TIMED_OUT, ItemState.TIMED_OUT)],
)
def test_the_last_try_is_final(outcome: AttemptOutcome, last: ItemState) -> None:
    """The item ends in the word of its last attempt."""
    found = after(Ending(outcome=outcome), Counters(tries=2, crashes=0), RETRY, NOW, 0.5)
    assert (found.state, found.not_before, found.tries) == (last, None, 3)


@given(tries=st.integers(0, 60), share=st.floats(0, 1), base=st.integers(0, 3600), cap=st.integers(0, 86400))
def test_back_off_has_full_jitter_under_its_cap(tries: int, share: float, base: int, cap: int) -> None:
    """R60: anything from nothing to the doubled bound, and never more than the cap."""
    retry = ItemRetry(attempts=100, base_s=base, cap_s=cap)
    found = after(Ending(outcome=AttemptOutcome.FAILED), Counters(tries=tries, crashes=0), retry, NOW, share)
    waits = (found.not_before or NOW) - NOW
    assert timedelta() <= waits <= timedelta(seconds=min(cap, base * 2**tries))
    assert (found.state is ItemState.POSTPONED) == (found.not_before is not None)


def test_what_makes_an_item_unique() -> None:
    """The reference, or the values of the unique fields; nothing where there is nothing to compare."""
    assert unique_key({}, (), "4711", by_reference=True) == "reference 4711"
    assert unique_key({}, (), None, by_reference=True) is None
    assert unique_key({"a": 1}, (), "4711", by_reference=False) is None
    assert unique_key({"b": 1}, ("a",), None, by_reference=False) is None
    keys = {unique_key({"a": value}, ("a", "b"), None, by_reference=False) for value in (1, "1", True, [1])}
    assert len(keys) == 4
