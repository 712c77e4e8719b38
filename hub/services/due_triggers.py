"""Triggers whose moment has come: fired, or passed over by their misfire policy, a slice in one transaction."""

from datetime import UTC, datetime, timedelta
from functools import partial

from hub.domain.automation import Automation
from hub.domain.schedule.definition import read_misfire
from hub.domain.schedule.misfire import Considered, consider
from hub.domain.schedule.rule import Unreadable
from hub.domain.trigger import FiringOutcome, TriggerKind, TriggerState
from hub.services import event_triggers, firing, queue_triggers, schedules
from hub.services.firing import Cause
from hub.storage import triggers
from hub.storage.transaction import Done, Effect, Transaction
from hub.storage.triggers import TriggerRow

SLICE = 10
"""Triggers of one transaction: nobody else's write waits longer for it than the store's budget, 20 ms."""

_AGAIN = timedelta(minutes=1)
"""One that met what nobody foresaw tries again after this; its failures are counted."""


def fire_due(tx: Transaction, limit: int = SLICE) -> Done[int]:
    """Fire what is due, at most so many triggers; how many there were. Two hubs that ask at once get different ones.

    Nothing is due again before `considered_at` has gone past it, which is written with the task: whatever dies on the
    way, each moment is fired or passed over once.
    """
    effects: list[Effect] = []
    known: dict[str, Automation] = {}
    due = triggers.due(tx, limit)
    for row in due:
        effects += _fire(tx, row, known)
    return Done(len(due), firing.waking_once(effects))


def fire_due_apart(tx: Transaction, limit: int = SLICE) -> Done[int]:
    """As `fire_due`, for after that has failed: each trigger by itself, so that only the one at fault has failed."""
    effects: list[Effect] = []
    known: dict[str, Automation] = {}
    due = triggers.due(tx, limit)
    for row in due:
        cause = Cause(key=f"error {key_of(row.next_at or tx.now)}", scheduled_for=row.next_at)
        found = firing.apart(tx, row, cause, partial(_fire, tx, row, known))
        effects += found or []
        if found is None:
            triggers.progress_active(tx, row, {"next_at": tx.now + _AGAIN})
    return Done(len(due), firing.waking_once(effects))


def _fire(tx: Transaction, row: TriggerRow, known: dict[str, Automation]) -> list[Effect]:
    if row.kind == TriggerKind.QUEUE:
        return queue_triggers.consider(tx, row)[1]
    if row.kind == TriggerKind.EVENT:
        return event_triggers.turn(tx, row, known)
    try:
        schedule = schedules.schedule_of(row)
    except Unreadable as error:
        firing.switch_off(tx, row, f"its schedule can't be read any more: {error}.")
        return []
    considered = consider(schedule, row.considered_at or row.created_at, tx.now, read_misfire(row.definition))
    if _hour(row.considered_at) != _hour(tx.now):
        # Once an hour, so that even what fires each second never has much to forget at once.
        triggers.forget(tx, row, tx.now - firing.KEPT)
    effects, is_off = _fire_each(tx, row, considered, known)
    values: dict[str, object] = {"considered_at": max(tx.now, row.considered_at or tx.now)}
    if not is_off:
        values |= _next(tx, row, considered)
    triggers.progress(tx, row, values)
    return effects


def _fire_each(
    tx: Transaction, row: TriggerRow, considered: Considered, known: dict[str, Automation]
) -> tuple[list[Effect], bool]:
    """(Effects, whether the trigger switched itself off on the way)."""
    effects: list[Effect] = []
    if considered.skipped is not None:
        first = considered.skipped.first
        firing.skip(tx, row, key_of(first), first, considered.skipped.why)
    failed = row.failed_in_a_row
    for due in considered.fires:
        cause = Cause(key=key_of(due.at), scheduled_for=due.at)
        fired, more = firing.fire(tx, row, cause, failed_before=failed, known=known, forgets=False)
        effects += more
        if fired is None or fired.outcome is FiringOutcome.SKIPPED:
            continue
        failed = failed + 1 if fired.outcome is FiringOutcome.FAILED else 0
        if fired.is_off:
            return effects, True
    return effects, False


def key_of(moment: datetime) -> str:
    """The cause of a firing at that moment."""
    return moment.astimezone(UTC).isoformat()


def _next(tx: Transaction, row: TriggerRow, considered: Considered) -> dict[str, object]:
    if considered.following is not None:
        return {"next_at": considered.following.at}
    firing.record(tx, row, "trigger.ended", f"trigger:{row.label}", old=row.state, new=TriggerState.ENDED)
    return {"next_at": None, "state": TriggerState.ENDED}


def _hour(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(minute=0, second=0, microsecond=0)
