"""Why a task waits: every reason, and that each sentence names what to do or whom to ask."""

import dataclasses
from datetime import timedelta

import pytest

from agent.wire.words import Outcome, PreparationState, TaskState
from hub.domain.credits import Offer
from hub.domain.prerequisite import Prerequisite, When
from hub.domain.waiting import FitCandidate, Stopped, Waiting, WaitingCode, why
from tests.support.clock import START

B = "bld_1"
PREPARED = PreparationState.PREPARED
BASE = Waiting(
    state=TaskState.QUEUED,
    now=START,
    not_before=None,
    held=None,
    bot="invoices",
    build_id=B,
    needs={},
    runners=(),
    offers={},
)


def runner(name: str = "vm1", *, labels: dict[str, str] | None = None, **rest: object) -> FitCandidate:
    values: dict[str, object] = {"slots": 1, "is_connected": True, "is_draining": False, "preparation": PREPARED}
    return FitCandidate(id=f"rnr_{name}", name=name, labels=labels or {}, **{**values, **rest})  # type: ignore[arg-type]


def offer(name: str = "vm1", **rest: object) -> Offer:
    values: dict[str, object] = {
        "builds": frozenset({B}),
        "withheld": frozenset(),
        "free_slots": (),
        "is_draining": False,
    }
    values |= {"is_ready": True, "is_paused": False}
    return Offer(runner_id=f"rnr_{name}", **{**values, **rest})  # type: ignore[arg-type]


def told(**changes: object) -> list[tuple[WaitingCode, str]]:
    found = why(dataclasses.replace(BASE, **changes))  # type: ignore[arg-type]
    return [(reason.code, f"{reason.message} {reason.remedy}".strip()) for reason in found]


def only(**changes: object) -> tuple[WaitingCode, str]:
    reasons = told(**changes)
    assert 1 == len(reasons), reasons
    return reasons[0]


def test_a_moment_that_has_not_come() -> None:
    code, message = only(state=TaskState.WAITING, not_before=START + timedelta(hours=1))
    assert (WaitingCode.NOT_BEFORE, True) == (code, "2030-01-01 13:00:00 UTC" in message)


def test_tasks_that_it_waits_for_are_named_while_they_are_open() -> None:
    """With a moment to come both are told; a task that is held since a restored backup says that too."""
    one, two = [
        Prerequisite(id=f"tsk_{n}", number=n, round=1, automation="a", state=TaskState.RUNNING, outcome=None)
        for n in (12, 13)
    ]
    done = dataclasses.replace(two, state=TaskState.FINISHED, outcome=Outcome.SUCCEEDED)
    waits: dict[str, object] = {"state": TaskState.WAITING, "after": When.SUCCEEDED, "prerequisites": (one, done)}
    code, message = only(**waits)
    assert (WaitingCode.PREREQUISITE, True) == (code, "1 of its 2 prerequisites to succeed: 12 (a, running)" in message)
    assert "botyard task why 12" in message
    early = told(**waits, not_before=START + timedelta(hours=1), held="restored")
    assert [WaitingCode.PREREQUISITE, WaitingCode.NOT_BEFORE, WaitingCode.HELD] == [code for code, _ in early]
    met = {**waits, "prerequisites": (done,)}
    assert "decided in a moment" in only(**met)[1]
    assert WaitingCode.NOT_BEFORE == only(**met, not_before=START + timedelta(hours=1))[0]


def test_a_stop_is_told_first_and_with_what_else_it_waits_for() -> None:
    stop: dict[str, object] = {"automation": "invoices", "stopped": Stopped(at=START, why="task 7 failed")}
    (code, message), (second, _) = told(**stop)
    assert (WaitingCode.STOPPED, WaitingCode.NO_RUNNER) == (code, second)
    assert "invoices is stopped since 2030-01-01 12:00:00 UTC, by the hub: task 7 failed. None" in message
    assert "botyard automation edit invoices --unpause" in message
    later = told(**stop, state=TaskState.WAITING, not_before=START + timedelta(hours=1), held="restored")
    assert [WaitingCode.NOT_BEFORE, WaitingCode.HELD, WaitingCode.STOPPED] == [code for code, _ in later]


def test_no_runner_at_all_says_how_to_bring_one_in() -> None:
    code, message = only()
    assert (WaitingCode.NO_RUNNER, True) == (code, "botyard runner token" in message)


def test_no_runner_with_a_label_names_the_label_that_nobody_has() -> None:
    code, message = only(needs={"os": "windows", "sap": ""}, runners=[runner(labels={"os": "windows"})])
    assert WaitingCode.NO_RUNNER == code
    assert "label sap" in message
    assert "os=windows" not in message


def test_labels_that_no_single_runner_has_together() -> None:
    both = [runner("a", labels={"os": "linux"}), runner("b", labels={"site": "north"})]
    code, message = only(needs={"os": "linux", "site": "north"}, runners=both)
    assert (WaitingCode.NO_RUNNER, True) == (code, "all of os=linux, site=north" in message)


def test_fit_runners_that_are_offline_are_named() -> None:
    code, message = only(runners=[runner(is_connected=False)])
    assert (WaitingCode.RUNNERS_OFFLINE, True) == (code, "vm1" in message)


def test_fit_runners_that_drain() -> None:
    code, message = only(runners=[runner(is_draining=True)])
    assert (WaitingCode.RUNNERS_DRAINING, True) == (code, "botyard runner resume" in message)


def test_all_busy_counts_the_slots() -> None:
    two = [runner("a", slots=2), runner("b", slots=3)]
    code, message = only(runners=two, offers={"rnr_a": offer("a"), "rnr_b": offer("b")})
    assert WaitingCode.BUSY == code
    assert message.startswith("All 5 slots of runners that fit are busy: a, b. It starts when")


def test_free_slots_mean_that_it_is_next() -> None:
    code, message = only(runners=[runner(slots=2)], offers={"rnr_vm1": offer(free_slots=(0,))})
    assert (WaitingCode.NEXT, True) == (code, message.startswith("1 of 2 slots are free"))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (PreparationState.FETCHING, "fetching, 40%"),
        (PreparationState.INSTALLING, "installing, 40%"),
        (PreparationState.WANTED, "not begun"),
        (None, "not begun"),
    ],
)
def test_preparing_says_where_and_how_far(state: PreparationState | None, words: str) -> None:
    unprepared = offer(builds=frozenset())
    code, message = only(runners=[runner(preparation=state, progress=0.4)], offers={"rnr_vm1": unprepared})
    assert WaitingCode.PREPARING == code
    assert "on vm1" in message
    assert words in message


@pytest.mark.parametrize(("permanent", "again"), [(False, "tried again"), (True, "no such package.")])
def test_a_failed_preparation_tells_the_runners_own_words(*, permanent: bool, again: str) -> None:
    failed = runner(preparation=PreparationState.FAILED, message="no such package", permanent=permanent)
    code, message = only(runners=[failed], offers={"rnr_vm1": offer(builds=frozenset())})
    assert WaitingCode.PREPARE_FAILED == code
    assert message.rstrip(".").endswith(again.rstrip(".")) or again in message
    assert "no such package" in message


def test_each_runner_has_its_own_reason() -> None:
    three = [runner("a", preparation=PreparationState.FETCHING), runner("b"), runner("c")]
    offers = {"rnr_a": offer("a", builds=frozenset()), "rnr_b": offer("b", is_ready=False), "rnr_c": offer("c")}
    codes = [code for code, _ in told(runners=three, offers=offers)]
    assert [WaitingCode.PREPARING, WaitingCode.NOT_READY, WaitingCode.BUSY] == codes


@pytest.mark.parametrize("given", [offer(withheld=frozenset({B})), offer(is_paused=True)])
def test_a_withheld_credit_is_told(given: Offer) -> None:
    code, message = only(runners=[runner()], offers={"rnr_vm1": given})
    assert (WaitingCode.WITHHELD, True) == (code, "vm1" in message)


def test_no_released_build() -> None:
    code, message = only(build_id=None, runners=[runner()])
    assert (WaitingCode.NO_BUILD, True) == (code, "botyard deploy" in message)


def test_held_by_an_operator_or_a_restored_hub() -> None:
    code, message = only(held="restored: it ran on a")
    assert WaitingCode.HELD is code
    assert message.startswith(
        "It is held: restored: it ran on a. Look what it did there; then botyard task release-held"
    )


def test_a_permit_that_is_out_and_a_runner_that_is_gone() -> None:
    out = {"state": TaskState.RUNNING, "permit_runner": "vm1", "permit_age_s": 4.0}
    assert (WaitingCode.PERMIT_OUT, "vm1 got it 4 s ago and has not answered yet.") == only(**out)
    code, message = only(**out, unreachable_s=40.0)
    assert (WaitingCode.UNREACHABLE, True) == (code, "may be running there" in message)


@pytest.mark.parametrize("state", [TaskState.RUNNING, TaskState.FINISHED])
def test_what_does_not_wait_has_no_reason(state: TaskState) -> None:
    assert [] == told(state=state)


def test_long_lists_are_cut() -> None:
    many = [runner(f"vm{number}", is_connected=False) for number in range(8)]
    _, message = only(runners=many)
    assert "vm4 and 3 more" in message


def test_each_reason_says_since_when_it_holds_this_task() -> None:
    """Issue 3, part 6: a runner that went away before the task came has held it only since then."""
    before, queued, later = (START - timedelta(minutes=minutes) for minutes in (9, 5, 2))

    def since(**changes: object) -> object:
        return why(dataclasses.replace(BASE, queued_at=queued, **changes))[0].since  # type: ignore[arg-type]

    assert queued == since(runners=[runner(is_connected=False, gone_since=before)])
    assert later == since(runners=[runner(is_connected=False, gone_since=later)])
    assert later == since(runners=[runner(busy_since=later)], offers={"rnr_vm1": offer()})
    assert queued == since(build_id=None)
    failed = runner(preparation=PreparationState.FAILED, told_at=later)
    assert later == since(runners=[failed], offers={"rnr_vm1": offer(builds=frozenset())})


def test_the_nearest_runner_is_the_one_that_lacks_least() -> None:
    far, near = runner("a", labels={"os": "linux"}), runner("b", labels={"os": "windows"})
    (reason,) = why(dataclasses.replace(BASE, needs={"os": "windows", "sap": ""}, runners=[far, near]))
    assert ("b", True) == (reason.runner, "b lacks only sap" in reason.message)
    assert "botyard runner token --label sap=VALUE" in reason.remedy


def test_the_nearest_offline_runner_is_the_one_that_went_last() -> None:
    gone = [runner(name, is_connected=False, gone_since=START - timedelta(hours=hours)) for name, hours in ABSENT]
    (reason,) = why(dataclasses.replace(BASE, runners=gone))
    assert ("b", "Start botyard-agent on b.") == (reason.runner, reason.remedy)


ABSENT = (("a", 9), ("b", 1), ("c", 5))


def test_busy_names_the_tasks_and_those_that_come_first() -> None:
    """What an operator asks next: who has my slot, and who is before me."""
    code, message = only(runners=[runner(busy_with=["12", "13.2"])], offers={"rnr_vm1": offer()}, ahead=3)
    assert WaitingCode.BUSY == code
    assert "vm1 (tasks 12, 13.2). 3 of its kind come first." in message


def test_what_a_runner_says_of_its_fitness_is_repeated() -> None:
    unfit = offer(is_ready=False, unfit=("no idle shim",))
    code, message = only(runners=[runner()], offers={"rnr_vm1": unfit})
    assert (WaitingCode.NOT_READY, True) == (code, "not fit to run bots: no idle shim." in message)
