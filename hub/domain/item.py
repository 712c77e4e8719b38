"""An item: one piece of a queue's work, tried in attempts (design.md §1).

::

    (added) --> pending <--> postponed            staged: part of a batch that is not visible yet
                   |  ^
              taken|  |given back, or tried again (then postponed)
                   v  |
               processing --> done | failed | timed_out | dead | in_review --requeued--> pending
    pending, postponed, in_review --> canceled

An attempt ends once: by its bot (`finish`), by its lease running out, or with its execution (`end`).
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import assert_never

from hub.domain.queue import Consumption, ItemRetry, QueueDefinition

CRASHES_MAX = 2
"""R57: so many executions that ended without a word of it make an item `dead`."""
PATIENCE = timedelta(seconds=60)
"""R58: so long an item that failed on one runner is kept for others."""
KEY_MAX = 1000
"""Longest unique key that stands for itself, in characters of ASCII; of a longer one its digest does."""
NO_DEADLINE = datetime(9999, 1, 1, tzinfo=UTC)
"""Stands for none: a deadline outranks, so one far away comes last."""


class ItemState(StrEnum):
    """The states of an item."""

    STAGED = "staged"
    """Part of a batch that is not visible yet."""
    PENDING = "pending"
    POSTPONED = "postponed"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    DEAD = "dead"
    IN_REVIEW = "in_review"


class ErrorClass(StrEnum):
    """Whose fault a failed attempt was."""

    BUSINESS = "business"
    """The work itself is wrong: trying again would not help."""
    APPLICATION = "application"
    """The bot or the application failed on it: tried again."""
    SYSTEM = "system"
    """The surroundings failed: tried again, elsewhere."""


class AttemptOutcome(StrEnum):
    """How one handing out ended."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    """Its lease ran out."""
    CRASHED = "crashed"
    """Its execution ended without a word of it."""
    RETURNED = "returned"
    """Given back untried, or the machine was at fault."""
    IN_REVIEW = "in_review"
    CANCELED = "canceled"


SETTLED = frozenset({ItemState.DONE, ItemState.FAILED, ItemState.TIMED_OUT, ItemState.CANCELED, ItemState.DEAD})
"""Nothing happens to it any more unless somebody requeues it."""
OPEN = frozenset({ItemState.PENDING, ItemState.POSTPONED})
UNSUCCESSFUL = frozenset({ItemState.FAILED, ItemState.TIMED_OUT, ItemState.DEAD})
REQUEUED = SETTLED - {ItemState.DONE} | {ItemState.IN_REVIEW, ItemState.POSTPONED}
"""What a person may put back; a finished item is added anew instead."""
CANCELED_FROM = OPEN | {ItemState.IN_REVIEW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended."""

    outcome: AttemptOutcome
    error_class: ErrorClass | None = None
    message: str | None = None
    is_machines_fault: bool = False
    """The runner, its machine or the hub's people ended it: it says nothing of the item."""
    is_applications_fault: bool = False
    """The application that its queue needs is out of order: nothing of the item is spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What an item has behind it when an attempt ends."""

    tries: int
    """Counted ones before this."""
    crashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What becomes of the item."""

    state: ItemState
    tries: int
    crashes: int
    is_counted: bool
    not_before: datetime | None = None
    is_elsewhere: bool = False
    """Not on the runner that had it, if another comes."""


def after(ending: Ending, had: Counters, retry: ItemRetry, now: datetime, share: float) -> Next:
    """What becomes of an item whose attempt ended so; `share` is a random number of 0 to 1 for the back-off."""
    tried = functools.partial(_tried, had, retry, now, share)
    if ending.is_applications_fault and not ending.is_machines_fault:
        return _uncounted(had, is_elsewhere=False)
    if ending.is_machines_fault or ending.outcome is AttemptOutcome.RETURNED:
        return _uncounted(had, is_elsewhere=ending.is_machines_fault)
    match ending.outcome:
        case AttemptOutcome.DONE:
            return Next(state=ItemState.DONE, tries=had.tries + 1, crashes=had.crashes, is_counted=True)
        case AttemptOutcome.IN_REVIEW:
            return Next(state=ItemState.IN_REVIEW, tries=had.tries + 1, crashes=had.crashes, is_counted=True)
        case AttemptOutcome.CANCELED:
            return Next(state=ItemState.CANCELED, tries=had.tries, crashes=had.crashes, is_counted=False)
        case AttemptOutcome.FAILED:
            final = ItemState.FAILED if ending.error_class is ErrorClass.BUSINESS else None
            is_elsewhere = ending.error_class is ErrorClass.SYSTEM
            return tried(final=final, last=ItemState.FAILED, is_elsewhere=is_elsewhere)
        case AttemptOutcome.TIMED_OUT:
            return tried(final=None, last=ItemState.TIMED_OUT, is_elsewhere=True)
        case AttemptOutcome.CRASHED:
            crashes = had.crashes + 1
            final = ItemState.DEAD if crashes >= CRASHES_MAX else None
            return replace(tried(final=final, last=ItemState.FAILED, is_elsewhere=True), crashes=crashes)
    assert_never(ending.outcome)


def _uncounted(had: Counters, *, is_elsewhere: bool) -> Next:
    return Next(
        state=ItemState.PENDING, tries=had.tries, crashes=had.crashes, is_counted=False, is_elsewhere=is_elsewhere
    )


def _tried(  # noqa: PLR0913 - one decision
    had: Counters,
    retry: ItemRetry,
    now: datetime,
    share: float,
    *,
    final: ItemState | None,
    last: ItemState,
    is_elsewhere: bool,
) -> Next:
    tries = had.tries + 1
    if final is None and tries >= retry.attempts:
        final = last
    if final is not None:
        return Next(state=final, tries=tries, crashes=had.crashes, is_counted=True)
    delay_s = retry.delay_s(tries, share)
    return Next(
        state=ItemState.POSTPONED if delay_s > 0 else ItemState.PENDING,
        tries=tries,
        crashes=had.crashes,
        is_counted=True,
        not_before=now + timedelta(seconds=delay_s) if delay_s > 0 else None,
        is_elsewhere=is_elsewhere,
    )


def unique_key(
    payload: Mapping[str, object], names: Sequence[str], reference: str | None, *, by_reference: bool
) -> str | None:
    """What no two items of a queue share but canceled ones; None where this item may have doubles."""
    if by_reference:
        return None if reference is None else f"reference {reference}"
    if all(payload.get(name) is None for name in names):
        return None
    fields = json.dumps([payload.get(name) for name in names], sort_keys=True)
    if len(fields) <= KEY_MAX:
        return f"fields {fields}"
    # No index takes a key of any length: PostgreSQL's ends at a third of a page.
    return f"fields sha256 {hashlib.sha256(fields.encode()).hexdigest()}"


def key_of(queue: QueueDefinition, payload: Mapping[str, object], reference: str | None) -> str | None:
    """The `unique_key` of an item as its queue has it."""
    return unique_key(payload, queue.unique, reference, by_reference=queue.unique_references)


def rank_of(consumption: Consumption, place: int) -> int:
    """The rank of an item that came as the `place`-th: small ranks are handed out first."""
    return place if consumption is Consumption.FIFO else -place


def dead_cause(state: str, error_class: str | None) -> str:
    """Why an item that ended unsuccessfully was given up, in one word: what people count and filter by."""
    match state:
        case ItemState.DEAD:
            return "crash_loop"
        case ItemState.TIMED_OUT:
            return "timed_out"
        case _:
            return error_class or "failed"
