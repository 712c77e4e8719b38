"""When a machine is at fault: the whole table of ends, and rows of failures (issue 5; not D8's copies)."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.words import Outcome, Reason
from hub.domain.quarantine import KEPT, Failed, Row, Sign, longer, sign_of, verdict
from tests.support.clock import START

_BAD = {Reason.ENVIRONMENT, Reason.SUPERVISOR_LOST, Reason.HOST_RESTARTED}
FAILED = Outcome.FAILED


@pytest.mark.parametrize(("outcome", "reason"), list(itertools.product(Outcome, [*Reason, None])))
def test_every_end_says_something_of_the_machine_or_nothing(outcome: Outcome, reason: Reason | None) -> None:
    """A bot's own failure is neither good nor bad news of its machine."""
    if outcome in {Outcome.SUCCEEDED, Outcome.PARTIAL}:
        expected = Sign.GOOD
    elif outcome is Outcome.LOST or (outcome is FAILED and reason in _BAD):
        expected = Sign.BAD
    else:
        expected = Sign.NONE
    assert expected is sign_of(outcome, reason)


def row(*ends: tuple[str, str, Reason]) -> Row:
    """One after the other, a minute each."""
    found = Row()
    for number, (task, automation, reason) in enumerate(ends):
        found = longer(found, failure(task, automation, reason, begin_min=number, end_min=number + 0.5))
    return found


def failure(task: str, automation: str, reason: Reason, *, begin_min: float, end_min: float) -> Failed:
    begin, end = (START + timedelta(minutes=minutes) for minutes in (begin_min, end_min))
    ids = {"task_id": task, "automation_id": automation}
    return Failed(**ids, outcome=FAILED, reason=reason, granted_at=begin, ended_at=end)


def test_one_incident_counts_once_however_many_bots_it_took() -> None:
    """A machine with eight slots that restarts failed once, not eight times."""
    together = [failure(f"tsk_{n}", f"aut_{n}", Reason.HOST_RESTARTED, begin_min=n, end_min=60 + n) for n in range(8)]
    found = Row()
    for one in together:
        found = longer(found, one)
    assert 1 == found.count
    assert verdict(found, 2) is None
    again = longer(found, failure("tsk_9", "aut_9", Reason.HOST_RESTARTED, begin_min=70, end_min=71))
    assert 2 == again.count


def test_so_many_in_a_row_of_different_tasks_are_too_many() -> None:
    lost = [(f"tsk_{number}", "aut_1", Reason.SUPERVISOR_LOST) for number in range(5)]
    assert verdict(row(*lost[:4]), 5) is None
    assert "5 executions in a row failed" in str(verdict(row(*lost), 5))
    assert "failed: supervisor_lost" in str(verdict(row(*lost), 5))


def test_one_task_alone_never_condemns_a_machine() -> None:
    assert verdict(row(*[("tsk_1", "aut_1", Reason.SUPERVISOR_LOST)] * 50), 5) is None


def test_one_broken_package_never_takes_every_machine() -> None:
    """What cannot be started may be broken itself: then two different automations have to fail."""
    same = [(f"tsk_{number}", "aut_1", Reason.ENVIRONMENT) for number in range(9)]
    assert verdict(row(*same), 5) is None
    assert verdict(row(*same, ("tsk_x", "aut_2", Reason.ENVIRONMENT)), 5) is not None


def test_a_row_is_kept_and_read_again_and_stays_small() -> None:
    many = row(*[(f"tsk_{number}", f"aut_{number}", Reason.HOST_RESTARTED) for number in range(20)])
    assert (20, KEPT, KEPT) == (many.count, len(many.tasks), len(many.automations))
    kept = Row.read(20, many.stored())
    assert (kept.count, list(kept.tasks), kept.last) == (20, list(many.tasks), many.last)
    assert Row() == Row.read(0, None)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from(sorted(_BAD))), max_size=12))
def test_the_order_of_failures_does_not_matter(ends: list[tuple[str, str, Reason]]) -> None:
    def is_condemned(said: list[tuple[str, str, Reason]]) -> bool:
        return verdict(row(*said), 5) is not None

    assert is_condemned(ends) == is_condemned(ends[::-1])
    assert not is_condemned(ends) or len(ends) >= 5
