"""Circuit breakers of named applications: what passes, what opens and closes them, by items or by hand (issue 5).

Whoever hands items out asks `admits` and says afterwards how each ended: `succeeded`, `failed` by a system error, or
`returned` where it says nothing of the application. A closed breaker costs one read, and none where nothing failed yet.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hub.domain import breaker as decide
from hub.domain.access import Caller
from hub.domain.automation import label_name_faults
from hub.domain.breaker import Breaker, BreakerPolicy, BreakerState
from hub.domain.item import Ending, ItemState
from hub.errors import NotFound
from hub.services.automations import invalid
from hub.services.effects import WakeBreakers, WakeQueue
from hub.storage import alerts, item_ends
from hub.storage import breakers as rows
from hub.storage import queues as queue_rows
from hub.storage.breakers import BreakerRow
from hub.storage.items import ItemRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

OPEN = "breaker_open"
"""Kind of the alert of an open breaker."""
_DEFAULT = BreakerPolicy().stored()
_SLICE = 200
_WAITS = frozenset({ItemState.PENDING, ItemState.POSTPONED})
_WHY_MAX = 500
_EVENTS = {
    BreakerState.OPEN: "breaker.opened",
    BreakerState.HALF_OPEN: "breaker.half_open",
    BreakerState.CLOSED: "breaker.closed",
}


# --- asked by whoever hands out items ---


def admits(tx: Transaction, workspace_id: str, label: str, wanted: int) -> int:
    """How many items of this application may be taken now: all, none, or as many probes as may be out.

    Probes are counted as out at once: `returned` gives back those that were not taken after all.
    """
    known = rows.get(tx, workspace_id, label)
    if known is None or known.state == BreakerState.CLOSED:
        return wanted
    row = _locked(tx, known)
    following, count = decide.admits(row.breaker(), wanted, tx.now)
    _write(tx, row, following, "hub")
    return count


def succeeded(tx: Transaction, workspace_id: str, label: str, taken_at: datetime | None = None) -> list[Effect]:
    """The application answered, whatever it said; `taken_at` is when the item was taken."""
    known = rows.get(tx, workspace_id, label)
    if known is None or (known.state == BreakerState.CLOSED and not known.failed_in_a_row):
        return []
    row = _locked(tx, known)
    return _write(tx, row, decide.succeeded(row.breaker(), taken_at, tx.now), "hub")


def failed(  # noqa: PLR0913, PLR0917 - what is known of a failure
    tx: Transaction,
    workspace_id: str,
    label: str,
    message: str | None,
    item_id: str | None,
    taken_at: datetime | None = None,
) -> list[Effect]:
    """A system error of the application."""
    row = rows.ensure(tx, workspace_id, label, _DEFAULT)
    why = (message or "a system error without a message")[:_WHY_MAX]
    return _write(tx, row, decide.failed(row.breaker(), taken_at, tx.now, why), "hub", item_id)


def returned(
    tx: Transaction, workspace_id: str, label: str, count: int = 1, taken_at: datetime | None = None
) -> list[Effect]:
    """Items that were admitted ended without a word of the application, or were not taken after all."""
    known = rows.get(tx, workspace_id, label)
    if known is None or known.state != BreakerState.HALF_OPEN:
        return []
    row = _locked(tx, known)
    return _write(tx, row, decide.returned(row.breaker(), taken_at, count, tx.now), "hub")


def heard(tx: Transaction, item: ItemRow, label: str, ending: Ending) -> tuple[bool, list[Effect]]:
    """What an attempt's end says of the application, and whether the item goes back unspent for that.

    A system error spends nothing of an item while the application is out of order, nor in the first few that tell so.
    What goes on failing while others succeed is the item's own trouble: then it counts.
    """
    workspace_id, taken_at = item.workspace_id, item.taken_at
    match decide.sign_of(ending):
        case decide.Sign.SUCCEEDED:
            return False, succeeded(tx, workspace_id, label, taken_at)
        case decide.Sign.RETURNED:
            return False, returned(tx, workspace_id, label, 1, taken_at)
        case decide.Sign.FAILED:
            effects = failed(tx, workspace_id, label, ending.message, item.id, taken_at)
            now = show(tx, workspace_id, label)
            is_open = now.state != BreakerState.CLOSED
            enough = BreakerPolicy.read(now.policy).threshold
            # Others that count for nothing, such as takes that were withdrawn, said nothing of the application.
            return is_open or item_ends.unspent(tx, item.workspace_id, item.id, enough) < enough, effects


# --- time ---


def turn(tx: Transaction) -> Done[int]:
    """Let probes go whose moment has come, and give up those that never ended; how many breakers that were."""
    effects: list[Effect] = []
    due = rows.due(tx, _SLICE)
    for workspace_id, label in due:
        row = rows.get(tx, workspace_id, label, lock=True)
        if row is not None:
            effects += _write(tx, row, decide.ticked(row.breaker(), tx.now), "hub")
    return Done(len(due), effects)


# --- shown and worked by people ---


def show(tx: Transaction, workspace_id: str, label: str) -> BreakerRow:
    """The breaker of that label. Raises NotFound."""
    row = rows.get(tx, workspace_id, label)
    if row is None:
        told = f"There is no breaker {label[:128]!r} here. `botyard breaker list` shows all."
        raise NotFound("no_breaker", told, {"name": label[:128]})
    return row


def page(tx: Transaction, workspace_id: str, after: str, limit: int) -> list[BreakerRow]:
    """Breakers in order of label, those behind the label `after`."""
    return rows.page(tx, workspace_id, after, limit)


def holding(tx: Transaction, workspace_id: str, targets: Iterable[str | None]) -> Mapping[str, BreakerRow]:
    """Breakers that hold items of these applications back now, by label; one read for all, none where there is none."""
    labels = {one for one in targets if one is not None}
    return rows.not_closed(tx, workspace_id, labels) if labels else {}


def holding_item(tx: Transaction, item: ItemRow) -> BreakerRow | None:
    """The breaker that holds an item back which nobody has; an item that is taken or has ended is held by none."""
    if item.state not in _WAITS:
        return None
    door = queue_rows.door(tx, item.workspace_id, item.queue_id)
    target = door.target if door else None
    return holding(tx, item.workspace_id, [target]).get(target or "")


def queues_of(tx: Transaction, workspace_id: str, label: str) -> list[str]:
    """Ids of the queues that a breaker guards."""
    return rows.guarded_queues(tx, workspace_id, label)


def edit(tx: Transaction, caller: Caller, label: str, changes: Mapping[str, Any]) -> Done[BreakerRow]:
    """Change members of its policy; made, closed, when nothing needed it before. Raises Invalid with every fault."""
    known = rows.get(tx, caller.workspace_id, label, lock=True)
    policy = BreakerPolicy.read(known.policy) if known else BreakerPolicy()
    changed = dataclasses.replace(policy, **changes)
    faults = [*label_name_faults(label), *decide.faults_of(changed)]
    if faults:
        raise invalid("breaker", "The breaker can't be so.", faults)
    row = rows.ensure(tx, caller.workspace_id, label, changed.stored())
    rows.change(tx, row, dataclasses.replace(row.breaker(), policy=changed), row.item_id)
    data = {"label": label, "policy": changed.stored()}
    _record(tx, row, "breaker.edited", caller.actor, data)
    return Done(show(tx, caller.workspace_id, label))


def open_by_hand(tx: Transaction, caller: Caller, label: str, why: str) -> Done[BreakerRow]:
    """Let nothing pass until somebody closes it; made when nothing needed it before. Raises Invalid for its label."""
    faults = label_name_faults(label)
    if faults:
        raise invalid("breaker", "The breaker can't be called so.", faults)
    row = rows.ensure(tx, caller.workspace_id, label, _DEFAULT)
    told = f"{why} ({caller.actor})" if why else f"opened by {caller.actor}"
    effects = _write(tx, row, decide.opened_by_hand(row.breaker(), tx.now, told[:_WHY_MAX]), caller.actor)
    return Done(show(tx, caller.workspace_id, label), effects)


def close_by_hand(tx: Transaction, caller: Caller, label: str) -> Done[BreakerRow]:
    """Let all pass again, at once. Again is no error. Raises NotFound."""
    row = _locked(tx, show(tx, caller.workspace_id, label))
    effects = _write(tx, row, decide.closed(row.breaker()), caller.actor)
    return Done(show(tx, caller.workspace_id, label), effects)


# --- inside ---


def _locked(tx: Transaction, known: BreakerRow) -> BreakerRow:
    return rows.get(tx, known.workspace_id, known.label, lock=True) or known


def _write(
    tx: Transaction, row: BreakerRow, following: Breaker, actor: str, item_id: str | None = None
) -> list[Effect]:
    """Write what was decided, tell it, and wake whoever can do something with it."""
    old = row.breaker()
    if following == old:
        return []
    has_opened = following.opened_at != old.opened_at and following.state is BreakerState.OPEN
    is_moved = following.state is not old.state or has_opened
    keeps = following.state is not BreakerState.CLOSED
    rows.change(tx, row, following, item_id if has_opened else row.item_id if keeps else None)
    if is_moved:
        _tell(tx, row, following, actor, item_id)
    effects: list[Effect] = [] if following.probe_at == old.probe_at else [WakeBreakers()]
    if _gives_more(old, following):
        guarded = rows.guarded_queues(tx, row.workspace_id, row.label)
        effects += [WakeQueue(workspace_id=row.workspace_id, queue_id=one) for one in guarded]
    return effects


def _gives_more(old: Breaker, new: Breaker) -> bool:
    """Whether an item may be taken that could not be taken before."""
    if new.state is BreakerState.CLOSED:
        return old.state is not BreakerState.CLOSED
    if new.state is BreakerState.OPEN:
        return False
    return old.state is BreakerState.OPEN or new.width - new.probes_out > old.width - old.probes_out


def _tell(tx: Transaction, row: BreakerRow, breaker: Breaker, actor: str, item_id: str | None) -> None:
    data: dict[str, Any] = {"label": row.label, "openings": breaker.openings, "why": breaker.why, "item": item_id}
    data["probe_at"] = breaker.probe_at.isoformat() if breaker.probe_at else None
    _record(tx, row, _EVENTS[breaker.state], actor, data, old=row.state, new=breaker.state)
    if breaker.state is BreakerState.CLOSED:
        alerts.resolve(tx, row.workspace_id, OPEN, row.id)
    if breaker.state is BreakerState.OPEN:
        until = f"a probe goes at {breaker.probe_at:%H:%M:%S} UTC" if breaker.probe_at else "until somebody closes it"
        told = f"{row.label} is out of order ({breaker.why}): its items wait, {until}."
        alerts.raise_alert(tx, row.workspace_id, OPEN, row.id, told)


def _record(  # noqa: PLR0913 - an event, field by field
    tx: Transaction,
    row: BreakerRow,
    kind: str,
    actor: str,
    data: Mapping[str, Any],
    *,
    old: str | None = None,
    new: str | None = None,
) -> None:
    event = NewEvent(workspace_id=row.workspace_id, kind=kind, subject=row.id, actor=actor, old=old, new=new, data=data)
    tx.record(event)
