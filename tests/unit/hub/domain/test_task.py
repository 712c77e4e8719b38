"""The states of a task, and the retry policy."""

import itertools

import pytest

from agent.wire.words import Outcome, TaskState
from hub.domain.retry import RetryPolicy
from hub.domain.task import TRANSITIONS, IllegalMove, TaskEvent, move


@pytest.mark.parametrize(("state", "event"), list(itertools.product(TaskState, TaskEvent)))
def test_every_state_meets_every_event(state: TaskState, event: TaskEvent) -> None:
    """A move is in the table or raises; finished is final (core.md §4)."""
    if (state, event) in TRANSITIONS:
        assert state is not TaskState.FINISHED
        assert move("tsk_1", state, event) is TRANSITIONS[state, event]
        return
    with pytest.raises(IllegalMove, match=f"tsk_1 in state {state} has no move for {event}"):
        move("tsk_1", state, event)


def test_retry_is_off_unless_the_automation_says_otherwise() -> None:
    policy = RetryPolicy.read(None)
    assert not any(policy.tries_again(outcome, 1) for outcome in Outcome)


def test_retry_counts_all_executions_and_only_its_outcomes() -> None:
    policy = RetryPolicy.read({"attempts": 3, "on": ["failed"]})
    assert [True, True, False] == [policy.tries_again(Outcome.FAILED, made) for made in (1, 2, 3)]
    assert not policy.tries_again(Outcome.LOST, 1)
