"""Tasks that wait for others: what every combination of ends means, and every fault of what is asked."""

from itertools import combinations_with_replacement, permutations

import pytest

from agent.wire.words import Outcome, TaskState
from hub.domain.prerequisite import (
    PREREQUISITES_MAX,
    After,
    Prerequisite,
    Standing,
    When,
    faults_of,
    standing,
)

ENDS = (None, *Outcome)
OF = {
    # (one is open, one succeeded, one ended otherwise): all succeeded, all finished, any
    (True, False, False): ("open", "open", "open"),
    (True, True, False): ("open", "open", "met"),
    (True, False, True): ("impossible", "open", "open"),
    (True, True, True): ("impossible", "open", "met"),
    (False, True, False): ("met", "met", "met"),
    (False, False, True): ("impossible", "met", "impossible"),
    (False, True, True): ("impossible", "met", "met"),
}


@pytest.mark.parametrize("several", [one for n in (1, 2, 3) for one in combinations_with_replacement(ENDS, n)])
def test_every_combination_of_ends(several: tuple[Outcome | None, ...]) -> None:
    """All succeeded | all finished | any one succeeded; `partial` is an end and no success. The order is all one."""
    kind = (
        None in several,
        Outcome.SUCCEEDED in several,
        any(one is not None and one is not Outcome.SUCCEEDED for one in several),
    )
    for ordered in permutations(several):
        assert OF[kind] == tuple(standing(when, ordered) for when in (When.SUCCEEDED, When.FINISHED, When.ANY))


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("several", list(combinations_with_replacement(ENDS, 3)))
def test_what_is_decided_stays_whatever_ends_later(when: When, several: tuple[Outcome | None, ...]) -> None:
    """Met and impossible are for ever: a task may be queued or canceled at once."""
    found = standing(when, several)
    if found is Standing.OPEN or None not in several:
        return
    later = [[end] if end is not None else list(Outcome) for end in several]
    assert {found} == {standing(when, (a, b, c)) for a in later[0] for b in later[1] for c in later[2]}


def test_every_fault_is_told_at_once() -> None:
    """Unknown, twice named (by another of its names too), itself: each with its field and what to do."""
    known = {"12": "tsk_a", "tsk_a": "tsk_a", "13": "tsk_b"}
    faults = faults_of(After(tasks=("12", "99", "tsk_a", "14", "13", "14.1", "13")), known, own_number=14)
    assert ["after.tasks.1", "after.tasks.2", "after.tasks.3", "after.tasks.5", "after.tasks.6"] == [
        one.field for one in faults
    ]
    assert ["no task '99'", "the one at 0", "itself", "itself", "the one at 4"] == [
        next(word for word in ("no task '99'", "the one at 0", "the one at 4", "itself") if word in one.message)
        for one in faults
    ]
    assert all(one.remedy for one in faults)


def test_none_and_too_many() -> None:
    (none,) = faults_of(After(tasks=()), {}, own_number=1)
    assert "names no task" in none.message
    names = tuple(f"tsk_{number}" for number in range(PREREQUISITES_MAX + 1))
    (many,) = faults_of(After(tasks=names), {name: name for name in names}, own_number=1)
    assert (f"{PREREQUISITES_MAX + 1} tasks, at most {PREREQUISITES_MAX}", "after.tasks") == (many.message, many.field)


def test_the_first_round_is_named_by_its_number_alone() -> None:
    def named(nth: int) -> str:
        one = Prerequisite(id="tsk_1", number=12, round=nth, automation="a", state=TaskState.QUEUED, outcome=None)
        return one.name

    assert ("12", "12.3") == (named(1), named(3))
