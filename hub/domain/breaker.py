"""A circuit breaker: while an application is out of order, no work is wasted on it.

::

    closed --threshold failures in a row--> open --probe_at--> half open --close_after probes passed--> closed
      ^                                      ^  |                 |
      |                                      |  '--by hand--------|--> closed
      |                                      '--a probe failed----'
      '--a success breaks the row

It opens again slowly: each opening in a row doubles the time to the next probe, up to a cap; then one probe goes, and
when it has passed two at once, then four, until enough have passed. What was taken before the last opening says nothing
of the application as it is now, and changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from hub.domain.item import AttemptOutcome, Ending, ErrorClass
from hub.domain.parameters import Fault

DAY_S = 86400


class BreakerState(StrEnum):
    """Closed lets all through, open nothing, half open one probe at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Sign(StrEnum):
    """What the end of an item's attempt says of the application."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"
    """Nothing."""


def sign_of(ending: Ending) -> Sign:
    """Done, in review, or refused for its business: it answered. A system error, not the machine's: it did not."""
    if ending.is_machines_fault:
        return Sign.RETURNED
    match ending.outcome:
        case AttemptOutcome.DONE | AttemptOutcome.IN_REVIEW:
            return Sign.SUCCEEDED
        case AttemptOutcome.FAILED if ending.error_class is ErrorClass.BUSINESS:
            return Sign.SUCCEEDED
        case AttemptOutcome.FAILED if ending.error_class is ErrorClass.SYSTEM:
            return Sign.FAILED
        case _:
            return Sign.RETURNED


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When it opens and how it closes again; times in seconds."""

    threshold: int = 10
    """System errors in a row that open it (R60)."""
    probe_after_s: float = 30
    """From the first opening to its probe; doubled with each opening that follows without a closing."""
    cap_s: float = 900
    close_after: int = 7
    """Probes that must pass: one, then two at once, then four."""
    patience_s: float = 900
    """A probe that has not ended after this is given up, and another one goes."""

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "BreakerPolicy":
        """A policy as a row holds it."""
        return cls(**stored)

    def stored(self) -> dict[str, Any]:
        """The policy as `read` reads it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A breaker as it stands."""

    policy: BreakerPolicy
    state: BreakerState = BreakerState.CLOSED
    failed_in_a_row: int = 0
    openings: int = 0
    """In a row: a closing ends the row."""
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    """Open: when a probe may go; None: not before somebody closes it. Half open: when those out are given up."""
    why: str | None = None
    probes_out: int = 0
    probes_passed: int = 0

    @property
    def width(self) -> int:
        """How many probes may be out at once: 1, and doubled when as many have passed as were let out."""
        return 1 << ((self.probes_passed + 1).bit_length() - 1)


def succeeded(known: Breaker, taken_at: datetime | None, now: datetime) -> Breaker:
    """The application answered an item that was taken then."""
    match known.state:
        case BreakerState.CLOSED:
            return known if not known.failed_in_a_row else replace(known, failed_in_a_row=0)
        case BreakerState.HALF_OPEN if not _is_stale(known, taken_at):
            passed = known.probes_passed + 1
            if passed >= known.policy.close_after:
                return closed(known)
            left = max(0, known.probes_out - 1)
            return replace(known, probes_passed=passed, probes_out=left, probe_at=_give_up_at(known, left, now))
        case _:
            return known


def failed(known: Breaker, taken_at: datetime | None, now: datetime, why: str) -> Breaker:
    """The application failed an item that was taken then."""
    match known.state:
        case BreakerState.CLOSED:
            in_a_row = known.failed_in_a_row + 1
            noted = replace(known, failed_in_a_row=in_a_row)
            return noted if in_a_row < known.policy.threshold else _opened(noted, now, why)
        case BreakerState.HALF_OPEN if not _is_stale(known, taken_at):
            return _opened(replace(known, failed_in_a_row=known.failed_in_a_row + 1), now, why)
        case _:
            return known


def returned(known: Breaker, taken_at: datetime | None, count: int, now: datetime) -> Breaker:
    """So many items came back, or were not taken, without a word of the application."""
    if known.state is not BreakerState.HALF_OPEN or _is_stale(known, taken_at):
        return known
    left = max(0, known.probes_out - count)
    return replace(known, probes_out=left, probe_at=_give_up_at(known, left, now))


def ticked(known: Breaker, now: datetime) -> Breaker:
    """Its moment has come, or has not."""
    if known.probe_at is None or now < known.probe_at:
        return known
    match known.state:
        case BreakerState.OPEN:
            return replace(known, state=BreakerState.HALF_OPEN, probe_at=None, probes_out=0, probes_passed=0)
        case BreakerState.HALF_OPEN:
            return replace(known, probes_out=0, probe_at=None)
        case BreakerState.CLOSED:
            return known


def admits(known: Breaker, wanted: int, now: datetime) -> tuple[Breaker, int]:
    """How many items may be taken now of those that are wanted, and the breaker with them out."""
    known = ticked(known, now)
    match known.state:
        case BreakerState.CLOSED:
            return known, wanted
        case BreakerState.OPEN:
            return known, 0
        case BreakerState.HALF_OPEN:
            count = max(0, min(wanted, known.width - known.probes_out))
            if not count:
                return known, 0
            out = known.probes_out + count
            return replace(known, probes_out=out, probe_at=_give_up_at(known, out, now)), count


def closed(known: Breaker) -> Breaker:
    """All passes again; the next opening is a first one."""
    return Breaker(policy=known.policy)


def opened_by_hand(known: Breaker, now: datetime, why: str) -> Breaker:
    """Nothing passes until somebody closes it."""
    return replace(
        known,
        state=BreakerState.OPEN,
        openings=known.openings + 1,
        opened_at=now,
        probe_at=None,
        why=why,
        probes_out=0,
        probes_passed=0,
    )


def faults_of(policy: BreakerPolicy) -> list[Fault]:
    """What is wrong with a policy, all at once."""
    bounds = (
        ("threshold", policy.threshold, 1, 1000),
        ("probe_after_s", policy.probe_after_s, 1, DAY_S),
        ("cap_s", policy.cap_s, policy.probe_after_s, 7 * DAY_S),
        ("close_after", policy.close_after, 1, 1000),
        ("patience_s", policy.patience_s, 1, 7 * DAY_S),
    )
    return [
        Fault(field=name, message=f"{value:g} is out of range", remedy=f"{low:g} to {high:g}")
        for name, value, low, high in bounds
        if not low <= value <= high
    ]


def _opened(known: Breaker, now: datetime, why: str) -> Breaker:
    openings = known.openings + 1
    doubled = known.policy.probe_after_s * 2.0 ** min(openings - 1, 40)
    return replace(
        known,
        state=BreakerState.OPEN,
        openings=openings,
        opened_at=now,
        probe_at=now + timedelta(seconds=min(known.policy.cap_s, doubled)),
        why=why,
        probes_out=0,
        probes_passed=0,
    )


def _is_stale(known: Breaker, taken_at: datetime | None) -> bool:
    """Taken before it opened: no probe. Nothing is taken while it is open."""
    return taken_at is not None and known.opened_at is not None and taken_at < known.opened_at


def _give_up_at(known: Breaker, out: int, now: datetime) -> datetime | None:
    return now + timedelta(seconds=known.policy.patience_s) if out else None
