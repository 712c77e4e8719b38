"""What people order of items: requeue, cancel, move, change; by id or by filter, a slice a transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.domain import payload as payloads
from hub.domain.access import Caller
from hub.domain.item import CANCELED_FROM, NO_DEADLINE, OPEN, REQUEUED, ItemState, key_of, rank_of
from hub.domain.parameters import Fault
from hub.errors import Conflict, Invalid
from hub.services import items, queues
from hub.services.automations import invalid
from hub.services.effects import WakeItems, WakeQueue
from hub.storage import batches as added
from hub.storage import item_pages
from hub.storage import items as rows
from hub.storage.item_pages import ItemFilter
from hub.storage.items import ItemRow
from hub.storage.queues import QueueRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

SLICE = 500


class Order(StrEnum):
    """What may be ordered of many items."""

    REQUEUE = "requeue"
    CANCEL = "cancel"
    MOVE = "move"


_DONE_TO = {Order.REQUEUE: "requeued", Order.CANCEL: "cancelled", Order.MOVE: "moved"}
_FROM = {Order.REQUEUE: REQUEUED, Order.CANCEL: CANCELED_FROM, Order.MOVE: OPEN | REQUEUED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What came of an order."""

    changed: int
    more: bool
    """There may be more of them: give the same order again."""
    refused: int = 0
    """Items that their queue, or the one they were to go to, does not take; they stay as they are."""
    position: str = ""
    """Behind which it goes on with those that were not looked at yet; empty when there are none."""


def order(  # noqa: PLR0913 - an order, member by member
    tx: Transaction,
    caller: Caller,
    what: Order,
    wanted: ItemFilter,
    *,
    target: str | None = None,
    message: str = "",
    after: str = "",
    limit: int = SLICE,
) -> Done[Ordered]:
    """Carry out an order on the oldest items that match, at most a slice of them, those behind the position `after`.

    Items in work are left alone. Raises NotFound for the other queue, Invalid when a move names none, and for a
    position that is none.
    """
    if (what is Order.MOVE) != (target is not None):
        raise Invalid("target", "A move names the queue to move to, and nothing else does.")
    # What somebody canceled comes back only when he names it.
    named = _FROM[what] - {ItemState.CANCELED} if wanted.states is None else _FROM[what] & set(wanted.states)
    found = item_pages.matching(tx, caller.workspace_id, wanted, sorted(named), limit, after)
    to = queues.row_of(tx, caller.workspace_id, target) if target else None
    if to is not None and to.id == wanted.queue_id:
        raise Invalid("target", f"The items are in {to.label!r} already. Name another queue to move to.")
    changed = 0
    for item in found:
        if what is Order.CANCEL:
            values = _canceled(tx, message)
        else:
            try:
                values = _put_into(tx, item, to or queues.row_of(tx, caller.workspace_id, item.queue_id))
            except (Invalid, Conflict):
                continue
        if rows.move(tx, item, values):
            changed += 1
    queue_ids = {wanted.queue_id} | ({to.id} if to else set())
    if changed:
        data: dict[str, Any] = {"changed": changed, "to": to.label if to else None, "message": message or None}
        _record(tx, caller, f"items.{what}", wanted.queue_id, data)
    effects = [WakeQueue(workspace_id=caller.workspace_id, queue_id=one) for one in sorted(queue_ids)]
    refused = len(found) - changed
    # Those that were refused match the next time too: only progress promises an end.
    is_slice = len(found) == limit
    position = item_pages.position(found[-1]) if is_slice else ""
    return Done(Ordered(changed=changed, more=is_slice and changed > 0, refused=refused, position=position), effects)


def requeue(tx: Transaction, caller: Caller, item_id: str) -> Done[ItemRow]:
    """Let an item be tried anew, with all its tries; again is no error.

    Raises Conflict for one in work or done, or whose unique key another has by now; Invalid with every fault of one
    that does not fit its queue.
    """
    return _one(tx, caller, item_id, Order.REQUEUE, "")


def cancel(tx: Transaction, caller: Caller, item_id: str, message: str) -> Done[ItemRow]:
    """Take an item out of the work. Again is no error; raises Conflict for one that is in work or over."""
    return _one(tx, caller, item_id, Order.CANCEL, message)


def change(tx: Transaction, caller: Caller, item_id: str, changes: Mapping[str, Any]) -> Done[ItemRow]:
    """Change payload, priority, not_before, deadline or tags of an item that nobody has.

    Raises Invalid with every fault of a payload, Conflict for an item in work or over, and for a used unique key.
    """
    item = _locked(tx, caller, item_id)
    if item.state not in OPEN | {ItemState.IN_REVIEW}:
        raise Conflict("item_state", f"The item is {item.state}: it can't be changed now.")
    queue = queues.row_of(tx, caller.workspace_id, item.queue_id)
    definition = queues.definition_of(queue, {})
    values = {name: changes[name] for name in ("priority", "tags") if name in changes}
    if "deadline" in changes:
        values["deadline"] = changes["deadline"] or NO_DEADLINE
    if "payload" in changes:
        payload, faults = payloads.check(definition.fields, definition.schema, changes["payload"])
        if faults:
            raise invalid("item", "The item can't be changed so.", faults)
        key = key_of(definition, payload, item.reference)
        others = added.taken_keys(tx, caller.workspace_id, queue.id, [key]) if key else {}
        if any(other != item.id for other in others.values()):
            raise Conflict("duplicate", f"Item {next(iter(others.values()))} has the same unique fields.")
        values |= {"payload": payload, "unique_key": key}
    if "not_before" in changes and item.state in OPEN:
        values |= _postponed(tx, changes["not_before"])
    rows.move(tx, item, values)
    _record(tx, caller, "item.changed", item.id, {"members": sorted(changes)})
    wakes: list[Effect] = [WakeQueue(workspace_id=caller.workspace_id, queue_id=queue.id), WakeItems()]
    return Done(items.show(tx, caller.workspace_id, item_id), wakes)


def _one(tx: Transaction, caller: Caller, item_id: str, what: Order, message: str) -> Done[ItemRow]:
    item = _locked(tx, caller, item_id)
    if item.state == (ItemState.CANCELED if what is Order.CANCEL else ItemState.PENDING):
        return Done(item)
    if item.state not in _FROM[what]:
        raise Conflict("item_state", f"The item is {item.state}: it can't be {_DONE_TO[what]}.")
    if what is Order.REQUEUE:
        values = _put_into(tx, item, queues.row_of(tx, caller.workspace_id, item.queue_id))
    else:
        values = _canceled(tx, message)
    rows.move(tx, item, values)
    _record(tx, caller, f"item.{what}", item.id, {"message": message or None}, old=item.state, new=values["state"])
    wake = WakeQueue(workspace_id=caller.workspace_id, queue_id=item.queue_id)
    return Done(items.show(tx, caller.workspace_id, item_id), [wake])


def _requeued() -> dict[str, Any]:
    """Anew: what was tried stays in the attempts, and counts no more."""
    cleared = {"tries": 0, "crashes": 0, "not_before": None, "avoid_runner_id": None, "finished_at": None}
    return {**cleared, "state": ItemState.PENDING, "error_class": None, "message": None}


def _canceled(tx: Transaction, message: str) -> dict[str, Any]:
    """Its unique key is free again."""
    told = {"message": message} if message else {}
    return {**told, "state": ItemState.CANCELED, "unique_key": None, "not_before": None, "finished_at": tx.now}


def _postponed(tx: Transaction, not_before: datetime | None) -> dict[str, Any]:
    if not_before is None or not_before <= tx.now:
        return {"state": ItemState.PENDING, "not_before": None}
    return {"state": ItemState.POSTPONED, "not_before": not_before}


def _put_into(tx: Transaction, item: ItemRow, to: QueueRow) -> dict[str, Any]:
    """The item as it stands anew in a queue, its own or another.

    Raises Invalid with every fault of one that does not fit there, Conflict where another has its unique key.
    """
    if to.id == item.queue_id and item.unique_key is not None and item.state != ItemState.IN_REVIEW:
        return _requeued()  # it has been in this queue's work, and nobody else had its key since
    # A copy that did not fit this queue may never have been checked as it is, nor had a key; a canceled one's is free.
    definition = queues.definition_of(to, {})
    payload, faults = payloads.check(definition.fields, definition.schema, item.payload)
    if definition.unique_references and not item.reference:
        faults.append(Fault(field="reference", message="missing", remedy="this queue wants a unique one"))
    if faults:
        raise invalid("item", f"The item does not fit queue {to.label!r}.", faults)
    key = key_of(definition, payload, item.reference)
    others = added.taken_keys(tx, item.workspace_id, to.id, [key]) if key else {}
    if any(other != item.id for other in others.values()):
        told = f"Another item has its reference, or its unique fields, by now: {next(iter(others.values()))}."
        raise Conflict("duplicate", told)
    rank = rank_of(definition.consumption, abs(item.rank))
    return {**_requeued(), "queue_id": to.id, "payload": payload, "unique_key": key, "rank": rank}


def _locked(tx: Transaction, caller: Caller, item_id: str) -> ItemRow:
    item = rows.get(tx, caller.workspace_id, item_id, lock=True)
    if item is None or item.state == ItemState.STAGED:
        raise items.no_item(item_id)
    return item


def _record(  # noqa: PLR0913 - an event, field by field
    tx: Transaction,
    caller: Caller,
    kind: str,
    subject: str,
    data: Mapping[str, Any],
    *,
    old: str | None = None,
    new: str | None = None,
) -> None:
    event = NewEvent(
        workspace_id=caller.workspace_id, kind=kind, subject=subject, actor=caller.actor, old=old, new=new, data=data
    )
    tx.record(event)
