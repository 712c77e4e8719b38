"""How many tasks a queue trigger makes: examples, and what holds whatever the numbers are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.queue_trigger import QueueRule, faults_of, pause_s, tasks_to_make

COUNTS = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("pending", "processing", "unfinished", "made"),
    [
        (0, 0, 0, 0),
        (4, 0, 0, 0),
        (5, 0, 0, 1),
        (25, 0, 0, 3),
        (95, 5, 0, 4),
        (25, 0, 2, 1),
        (5, 20, 3, 0),
        (50, 4, 4, 0),
    ],
)
def test_examples(pending: int, processing: int, unfinished: int, made: int) -> None:
    """Five items before any, one task for ten, four at most."""
    rule = QueueRule(queue="q", threshold=5, items_per_task=10, max_tasks=4)
    assert tasks_to_make(rule, pending=pending, processing=processing, unfinished=unfinished) == made


@given(COUNTS, COUNTS, st.integers(0, 1000), st.integers(1, 100), st.integers(1, 100), st.integers(1, 50))
def test_it_never_makes_too_many_or_none_for_ever(
    pending: int, processing: int, unfinished: int, threshold: int, per_task: int, most: int
) -> None:
    """Never above the maximum; and while enough waits and no task is there, at least one."""
    rule = QueueRule(queue="q", threshold=threshold, items_per_task=per_task, max_tasks=most)
    made = tasks_to_make(rule, pending=pending, processing=processing, unfinished=unfinished)
    assert made >= 0
    assert made == 0 or made + unfinished <= most
    if pending >= threshold and unfinished == 0:
        assert made >= 1


def test_pauses_grow_to_an_hour() -> None:
    """30 s, then twice as long each time (R60's bounds)."""
    assert [pause_s(failed) for failed in (0, 1, 2, 3, 50)] == [0, 30, 60, 120, 3600]


def test_all_faults_come_at_once() -> None:
    """Each with its field."""
    said = {"threshold": 0, "items_per_task": "x", "max_tasks": 5000, "overlap": "skip"}
    assert [fault.field for fault in faults_of(said)] == [
        "queue",
        "threshold",
        "items_per_task",
        "max_tasks",
        "overlap",
    ]
