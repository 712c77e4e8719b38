"""What follows a failure: the whole table of causes, limits, pauses, the budget, and where it may go (issue 5, R60)."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.words import Outcome, Reason
from hub.domain.retry import (
    BUDGET_FLOOR,
    OTHER_IS_GONE,
    Cause,
    CausePolicy,
    OtherRunner,
    RetryPolicy,
    Route,
    Tried,
    budget,
    cause_of,
    decide,
    faults_of,
    keeps_away,
    pause_s,
)
from tests.support.clock import START

_BOT = {Reason.EXIT_CODE, Reason.NO_REPORT, Reason.SIGNAL, Reason.NO_PROGRESS, Reason.LIMIT}
_MACHINE = {Reason.OOM_KILLED, Reason.SUPERVISOR_LOST, Reason.HOST_RESTARTED, Reason.LINK_LOST}
_NEVER_STARTED = {Reason.ENVIRONMENT, Reason.BUILD_GONE}
_BUSINESS = {None, Reason.EXIT_UNSEEN}
_DECIDED = {Reason.KILLED, Reason.UNCONFIRMED, Reason.PREREQUISITE}
_AGAIN = (Route.RETRY, Route.OTHER_RUNNER)


def expected(outcome: Outcome, reason: Reason | None) -> Cause | None:
    """The table once more, by hand."""
    whole: dict[Outcome, Cause | None] = {
        Outcome.SUCCEEDED: None,
        Outcome.PARTIAL: None,
        Outcome.CANCELED: None,
        Outcome.TIMED_OUT: Cause.BOT,
        Outcome.LOST: Cause.MACHINE,
        Outcome.REFUSED: Cause.NEVER_STARTED,
    }
    if outcome in whole:
        return whole[outcome]
    causes = ((_BOT, Cause.BOT), (_MACHINE, Cause.MACHINE), (_NEVER_STARTED, Cause.NEVER_STARTED))
    by_reason = [cause for reasons, cause in causes if reason in reasons]
    return by_reason[0] if by_reason else (Cause.BUSINESS if reason in _BUSINESS else None)


def test_every_reason_is_somewhere() -> None:
    """A new reason has to be given a cause, here and there."""
    assert {*Reason, None} == _BOT | _MACHINE | _NEVER_STARTED | _BUSINESS | _DECIDED


@pytest.mark.parametrize(("outcome", "reason"), list(itertools.product(Outcome, [*Reason, None])))
def test_every_end_has_its_cause_or_none(outcome: Outcome, reason: Reason | None) -> None:
    assert expected(outcome, reason) == cause_of(outcome, reason)


def tried(**changes: object) -> Tried:
    values: dict[str, object] = {"outcome": Outcome.FAILED, "reason": Reason.SUPERVISOR_LOST, "made": 1, "tries": {}}
    values |= {"may_try": True, "has_budget": True, "spread": 0.5, **changes}
    return Tried(**values)  # type: ignore[arg-type]


def test_retry_is_off_unless_the_automation_says_otherwise() -> None:
    """core.md §4: by the automation's policy only."""
    assert {Route.SKIP} == {
        decide(RetryPolicy(), tried(outcome=outcome, reason=reason)).route
        for outcome, reason in itertools.product(Outcome, [*Reason, None])
    }


def test_the_short_form_means_what_it_always_meant() -> None:
    """At once, anywhere, until so many executions were made."""
    policy = RetryPolicy.read({"attempts": 3, "on": ["failed"]})
    found = [decide(policy, tried(made=made)) for made in (1, 2, 3)]
    assert [(True, None), (True, None), (False, None)] == [(one.is_again, one.delay_s) for one in found]
    assert not any(one.is_ruled for one in found)
    assert not decide(policy, tried(outcome=Outcome.LOST, reason=Reason.LINK_LOST)).is_again


def test_each_cause_counts_for_itself() -> None:
    """A machine's failure takes nothing from what the bot's own failures may have."""
    policy = RetryPolicy(causes={Cause.MACHINE: CausePolicy(limit=2), Cause.BOT: CausePolicy(limit=1)})
    used_up = {"bot": 1, "machine": 1}
    again = decide(policy, tried(tries=used_up))
    assert (True, 2, 2) == (again.is_again, again.nth, again.limit)
    assert not decide(policy, tried(reason=Reason.EXIT_CODE, tries=used_up)).is_again


def test_a_policy_of_its_cause_wins_over_the_short_form() -> None:
    policy = RetryPolicy(attempts=5, causes={Cause.BUSINESS: CausePolicy(route=Route.PERSON)})
    assert Route.PERSON == decide(policy, tried(reason=None)).route
    assert Route.RETRY == decide(policy, tried(reason=Reason.EXIT_CODE)).route


@pytest.mark.parametrize("route", [Route.SKIP, Route.PERSON, Route.STOP])
def test_a_route_without_tries_is_taken_at_once(route: Route) -> None:
    found = decide(RetryPolicy(causes={Cause.MACHINE: CausePolicy(route=route)}), tried())
    assert (route, False, True, None) == (found.route, found.is_again, found.is_ruled, found.delay_s)


@pytest.mark.parametrize("then", [Route.SKIP, Route.PERSON, Route.STOP])
@pytest.mark.parametrize("changes", [{"tries": {"machine": 2}}, {"may_try": False}, {"has_budget": False}])
def test_when_no_try_is_left_the_next_route_is_taken(then: Route, changes: dict[str, object]) -> None:
    """No tries left, a bot that may still run (D9), no budget (R60): settled, never forgotten."""
    policy = RetryPolicy(causes={Cause.MACHINE: CausePolicy(limit=2, route=Route.OTHER_RUNNER, then=then)})
    found = decide(policy, tried(**changes))
    assert (then, "has_budget" in changes) == (found.route, found.is_over_budget)


def test_a_lost_bot_that_may_run_is_never_tried_again() -> None:
    """D9, whatever the policy says."""
    lost = tried(outcome=Outcome.LOST, reason=Reason.LINK_LOST, may_try=False)
    for route in _AGAIN:
        policy = RetryPolicy(attempts=20, causes={Cause.MACHINE: CausePolicy(limit=20, route=route)})
        assert not decide(policy, lost).is_again
    assert not decide(RetryPolicy(attempts=20), lost).is_again


@given(st.floats(0.1, 3600), st.floats(1, 7200), st.integers(1, 20), st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_a_pause_lies_anywhere_in_a_span_that_doubles_up_to_its_cap(
    base_s: float, cap_s: float, nth: int, spread: float, other: float
) -> None:
    """R60: exponential, full jitter: from nothing to the span, in proportion to the given number."""
    policy = CausePolicy(base_s=base_s, cap_s=max(base_s, cap_s))
    span = pause_s(policy, nth, 1.0)
    assert span is not None
    assert span == min(policy.cap_s, base_s * 2 ** (nth - 1))
    assert 0.0 == pause_s(policy, nth, 0.0)
    found, beside = pause_s(policy, nth, spread), pause_s(policy, nth, other)
    assert found is not None
    assert beside is not None
    assert 0 <= found <= span
    assert (spread <= other) or found >= beside


def test_without_a_pause_it_is_tried_at_once() -> None:
    assert pause_s(CausePolicy(base_s=0, cap_s=0), 3, 0.9) is None


def test_the_budget_is_a_fifth_of_the_starts_and_never_less_than_a_policy_may_use() -> None:
    """R60: 20 %."""
    assert (BUDGET_FLOOR, BUDGET_FLOOR, 200) == (budget(0), budget(5 * BUDGET_FLOOR), budget(1000))


def other(name: str = "2", **changes: object) -> OtherRunner:
    values: dict[str, object] = {"labels": {"os": "linux"}, "is_usable": True, "gone_since": None, **changes}
    return OtherRunner(id=f"rnr_{name}", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("runner", "away"),
    [
        (other(), True),
        (other("1"), False),  # the very one
        (other(labels={}), False),
        (other(is_usable=False), False),
        (other(gone_since=START), True),
        (other(gone_since=START - OTHER_IS_GONE), False),
    ],
)
def test_it_is_kept_away_only_while_another_runner_could_have_it(runner: OtherRunner, away: bool) -> None:
    """Unless it is the only one that fits: a task never waits for a machine that does not come."""
    assert away == keeps_away("rnr_1", {"os": "linux"}, [runner], START)
    assert not keeps_away("", {"os": "linux"}, [runner], START)


def test_what_is_kept_is_read_again() -> None:
    own = CausePolicy(limit=1, base_s=0.5, cap_s=60, route=Route.OTHER_RUNNER, then=Route.PERSON)
    policy = RetryPolicy(attempts=2, on=frozenset({Outcome.FAILED}), causes={Cause.MACHINE: own}, stop_after=7)
    assert policy == RetryPolicy.read(policy.stored())
    assert {"attempts": 1, "on": ["failed", "lost", "timed_out"]} == RetryPolicy().stored()


def test_a_reported_failure_is_followed_where_its_cause_is() -> None:
    """core.md §4: BotCity's view is FINISHED at the first report unless the policy would retry it."""
    policy = RetryPolicy(attempts=9, causes={Cause.BUSINESS: CausePolicy(limit=1)})
    assert [True, False] == [policy.follows_report(1, {"business": used}) for used in (0, 1)]
    assert not RetryPolicy(attempts=9, causes={Cause.BUSINESS: CausePolicy(route=Route.SKIP)}).follows_report(1, {})
    assert RetryPolicy(attempts=2).follows_report(1, {})


@pytest.mark.parametrize(
    ("own", "field"),
    [
        (CausePolicy(limit=21), "limit"),
        (CausePolicy(base_s=-1), "base_s"),
        (CausePolicy(base_s=60, cap_s=30), "cap_s"),
        (CausePolicy(then=Route.RETRY), "then"),
    ],
)
def test_faults_are_named_all_at_once(own: CausePolicy, field: str) -> None:
    policy = RetryPolicy(attempts=0, on=frozenset({Outcome.CANCELED}), causes={Cause.BOT: own}, stop_after=0)
    fields = [fault.field for fault in faults_of(policy)]
    assert ["retry.attempts", "retry.stop_after", "retry.on", f"retry.causes.bot.{field}"] == fields


def test_the_longest_wait_of_an_alternative_is_a_quarter_of_an_hour() -> None:
    assert timedelta(minutes=15) == OTHER_IS_GONE
