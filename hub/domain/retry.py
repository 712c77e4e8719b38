"""What follows a failure: tried again by cause, elsewhere, later; or settled, with or without a person (issue 5, R60).

A cause tells who was at fault, and each has its own limit, pauses and route. Pauses grow exponentially and are drawn
from the whole span (full jitter), so that a thousand tasks that failed together do not come back together.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from agent.wire.condition import Condition
from agent.wire.words import Outcome, Reason
from hub.domain.condition import could_fit, usable_slots
from hub.domain.parameters import Fault

ATTEMPTS_MAX = 20
BASE_S = 30.0
CAP_S = 3600.0
LONGEST_S = 7 * 86400.0
BUDGET_SHARE = 0.2
"""Of an automation's starts of the last hour at most this many may be tries again (R60)."""
BUDGET_FLOOR = ATTEMPTS_MAX
"""So many are always left, so that a quiet automation's one task can use up what its policy allows."""
BUDGET_SPAN = timedelta(hours=1)
OTHER_IS_GONE = timedelta(minutes=15)
"""A runner without a link for so long is no alternative any more."""
RETRIED = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)
"""Outcomes that the short form may try again; the others are somebody's decision."""


class Cause(StrEnum):
    """Who was at fault."""

    NEVER_STARTED = "never_started"
    """No line of the bot ran: its environment or its build could not be had, or its process could not be made."""
    MACHINE = "machine"
    """The machine went under it: restarted, out of memory, out of reach, its supervisor killed."""
    BOT = "bot"
    """The bot broke: it crashed, hung, used more than it may, or ended without the report that it owes."""
    BUSINESS = "business"
    """The bot itself said that it failed."""


class Route(StrEnum):
    """What is done about a failure."""

    RETRY = "retry"
    OTHER_RUNNER = "other_runner"
    """Tried again, and not where it failed while another runner fits."""
    SKIP = "skip"
    """It settles as it ended, and work goes on."""
    PERSON = "person"
    """It settles, and a person is asked to look."""
    STOP = "stop"
    """It settles; its automation takes no new tasks and starts none that wait, and queues that start it hand nothing
    out, until it is resumed."""


_AGAIN = frozenset({Route.RETRY, Route.OTHER_RUNNER})
_OF_REASON: Mapping[Reason | None, Cause | None] = {
    None: Cause.BUSINESS,
    Reason.EXIT_CODE: Cause.BOT,
    Reason.NO_REPORT: Cause.BOT,
    Reason.SIGNAL: Cause.BOT,
    Reason.NO_PROGRESS: Cause.BOT,
    Reason.LIMIT: Cause.BOT,
    Reason.OOM_KILLED: Cause.MACHINE,
    Reason.SUPERVISOR_LOST: Cause.MACHINE,
    Reason.HOST_RESTARTED: Cause.MACHINE,
    Reason.LINK_LOST: Cause.MACHINE,
    Reason.ENVIRONMENT: Cause.NEVER_STARTED,
    Reason.BUILD_GONE: Cause.NEVER_STARTED,
    Reason.EXIT_UNSEEN: Cause.BUSINESS,
    Reason.KILLED: None,
    Reason.UNCONFIRMED: None,
    Reason.PREREQUISITE: None,
}
"""Of a failed task; what somebody decided has no cause."""


def cause_of(outcome: Outcome, reason: Reason | None) -> Cause | None:
    """Who was at fault for an end; None for one that is no failure, or that somebody wanted."""
    match outcome:
        case Outcome.SUCCEEDED | Outcome.PARTIAL | Outcome.CANCELED:
            return None
        case Outcome.TIMED_OUT:
            return Cause.BOT
        case Outcome.LOST:
            return Cause.MACHINE
        case Outcome.REFUSED:
            return Cause.NEVER_STARTED
        case Outcome.FAILED:
            return _OF_REASON[reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class CausePolicy:
    """What is done about failures of one cause; times in seconds."""

    limit: int = 3
    """How often such a failure is tried again."""
    base_s: float = BASE_S
    """The first pause is drawn from 0 to this."""
    cap_s: float = CAP_S
    """No pause is longer."""
    route: Route = Route.RETRY
    then: Route = Route.SKIP
    """What is done when no try is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often the hub tries again by itself; off unless the automation says otherwise."""

    attempts: int = 1
    """Executions in all, the first included; voids do not count. For causes that have no policy of their own."""
    on: frozenset[Outcome] = frozenset(RETRIED)
    causes: Mapping[Cause, CausePolicy] = field(default_factory=dict)
    stop_after: int | None = None
    """So many failed tasks in a row stop the automation."""

    @classmethod
    def read(cls, stored: Mapping[str, JsonValue] | None) -> "RetryPolicy":
        """The policy as an automation's row holds it: ``{"attempts": 3, "on": ["failed"]}``; None is off."""
        if not stored:
            return cls()
        attempts = stored.get("attempts", 1)
        words = stored.get("on")
        on = frozenset(Outcome(str(word)) for word in words) if isinstance(words, list) else cls().on
        causes = stored.get("causes")
        after = stored.get("stop_after")
        return cls(
            attempts=attempts if isinstance(attempts, int) else 1,
            on=on,
            causes={Cause(one): _read(said) for one, said in causes.items()} if isinstance(causes, dict) else {},
            stop_after=after if isinstance(after, int) else None,
        )

    def stored(self) -> dict[str, JsonValue]:
        """The policy as `read` reads it."""
        kept: dict[str, JsonValue] = {"attempts": self.attempts, "on": [*sorted(self.on)]}
        if self.causes:
            kept["causes"] = {str(cause): _stored(one) for cause, one in sorted(self.causes.items())}
        return kept if self.stop_after is None else {**kept, "stop_after": self.stop_after}

    def tries_again(self, outcome: Outcome, made: int) -> bool:
        """Whether the short form lets another execution follow the `made`-th, which ended so."""
        return outcome in self.on and made < self.attempts

    def follows_report(self, made: int, tries: Mapping[str, int]) -> bool:
        """Whether a bot that says that it failed will be tried again when it has ended."""
        own = self.causes.get(Cause.BUSINESS)
        if own is None:
            return self.tries_again(Outcome.FAILED, made)
        return own.route in _AGAIN and tries.get(Cause.BUSINESS, 0) < own.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What is known of a task when an execution of it has failed."""

    outcome: Outcome
    reason: Reason | None
    made: int
    """Executions so far, this one included."""
    tries: Mapping[str, int]
    """Tries again so far, by cause."""
    may_try: bool
    """False where it may still be running (core.md D9), or somebody decided otherwise."""
    has_budget: bool
    spread: float
    """A number in [0, 1) that says where in its span the pause lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows."""

    route: Route
    cause: Cause | None = None
    delay_s: float | None = None
    """Until it is tried again; None: at once."""
    nth: int = 0
    """Of the tries for this cause, the one that follows."""
    limit: int = 0
    is_ruled: bool = False
    """A policy of this cause decided; without one nothing but the outcome is told."""
    is_over_budget: bool = False

    @property
    def is_again(self) -> bool:
        """Whether another execution follows."""
        return self.route in _AGAIN


def decide(policy: RetryPolicy, tried: Tried) -> Verdict:
    """What follows a failure: the policy of its cause, or else the short form, within the budget (R60)."""
    cause = cause_of(tried.outcome, tried.reason)
    own = policy.causes.get(cause) if cause else None
    if cause is None:
        return Verdict(route=Route.SKIP)
    if own is None:
        return _short(policy, tried, cause)
    nth = tried.tries.get(cause, 0) + 1
    if own.route not in _AGAIN:
        return Verdict(route=own.route, cause=cause, is_ruled=True)
    if tried.may_try and nth <= own.limit and tried.has_budget:
        delay_s = pause_s(own, nth, tried.spread)
        route = own.route
        return Verdict(route=route, cause=cause, delay_s=delay_s, nth=nth, limit=own.limit, is_ruled=True)
    is_over = tried.may_try and nth <= own.limit
    return Verdict(route=own.then, cause=cause, nth=nth, limit=own.limit, is_ruled=True, is_over_budget=is_over)


def _short(policy: RetryPolicy, tried: Tried, cause: Cause) -> Verdict:
    """The short form: at once, anywhere."""
    wants = tried.may_try and policy.tries_again(tried.outcome, tried.made)
    route = Route.RETRY if wants and tried.has_budget else Route.SKIP
    limit = policy.attempts - 1
    return Verdict(route=route, cause=cause, nth=tried.made, limit=limit, is_over_budget=wants and not tried.has_budget)


def pause_s(policy: CausePolicy, nth: int, spread: float) -> float | None:
    """Seconds before the nth try: full jitter below ``base * 2^(nth - 1)`` and the cap (R60); None: no pause."""
    if not policy.base_s:
        return None
    return spread * min(policy.cap_s, math.ldexp(policy.base_s, nth - 1))


def budget(starts: int) -> int:
    """How many tries again an automation with so many starts in the last hour may have had before the next one."""
    return max(BUDGET_FLOOR, math.floor(BUDGET_SHARE * starts))


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRunner:
    """A runner that a task might go to instead."""

    id: str
    labels: Mapping[str, str]
    is_usable: bool
    """Neither quarantined, nor draining, nor in a maintenance window."""
    gone_since: datetime | None
    """None while it has a link."""
    slots: int = 1
    condition: Condition | None = None

    def would_have(self, needs: Mapping[str, str], now: datetime) -> bool:
        """Whether a task with these needs could go there now, or soon when the runner is back."""
        if not self.is_usable:
            return False
        if self.gone_since is None:
            return bool(usable_slots(self.labels, self.condition, range(self.slots), needs))
        return now - self.gone_since < OTHER_IS_GONE and could_fit(self.labels, self.condition, needs)


def keeps_away(avoided: str, needs: Mapping[str, str], fleet: Iterable[OtherRunner], now: datetime) -> bool:
    """Whether a task is kept from the runner that it failed on: only while another fit one is there, or soon back."""
    return bool(avoided) and any(one.id != avoided and one.would_have(needs, now) for one in fleet)


def faults_of(policy: RetryPolicy) -> list[Fault]:
    """What is wrong with a policy, all at once."""
    faults = [*_out_of_range("retry.attempts", policy.attempts, 1, ATTEMPTS_MAX)]
    if policy.stop_after is not None:
        faults += _out_of_range("retry.stop_after", policy.stop_after, 1, 1000)
    for outcome in sorted(policy.on):
        if outcome not in RETRIED:
            remedy = f"one of {', '.join(RETRIED)}"
            faults.append(Fault(field="retry.on", message=f"{outcome} is not tried again", remedy=remedy))
    for cause, one in sorted(policy.causes.items()):
        faults += _faults_of_cause(f"retry.causes.{cause}", one)
    return faults


def _faults_of_cause(where: str, one: CausePolicy) -> list[Fault]:
    faults = [
        *_out_of_range(f"{where}.limit", one.limit, 0, ATTEMPTS_MAX),
        *_out_of_range(f"{where}.base_s", one.base_s, 0, LONGEST_S),
        *_out_of_range(f"{where}.cap_s", one.cap_s, one.base_s, LONGEST_S),
    ]
    if one.then in _AGAIN:
        message, remedy = f"{one.then} follows no last try", "skip, person or stop"
        faults.append(Fault(field=f"{where}.then", message=message, remedy=remedy))
    return faults


def _out_of_range(name: str, value: float, low: float, high: float) -> list[Fault]:
    if low <= value <= high:
        return []
    return [Fault(field=name, message=f"{value:g} is out of range", remedy=f"{low:g} to {high:g}")]


def _read(said: Any) -> CausePolicy:
    known = {**said, "route": Route(said["route"]), "then": Route(said["then"])}
    return CausePolicy(**known)


def _stored(one: CausePolicy) -> dict[str, JsonValue]:
    return {
        "limit": one.limit,
        "base_s": one.base_s,
        "cap_s": one.cap_s,
        "route": str(one.route),
        "then": str(one.then),
    }
