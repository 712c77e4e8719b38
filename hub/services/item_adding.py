"""Items added: one, many in one transaction, or a batch in slices that one last write makes visible.

Everything is checked before anything is written, and every fault is told with its place. A reference that must be
unique is enforced by the insert itself: of two who add it at once, one is told whose it is (reliability.md R59).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hub.domain import payload as payloads
from hub.domain.access import Caller
from hub.domain.item import NO_DEADLINE, ItemState, key_of, rank_of
from hub.domain.parameters import Fault
from hub.domain.queue import QueueDefinition
from hub.errors import Conflict, NotFound
from hub.services import item_files, items, queues
from hub.services.automations import invalid
from hub.services.effects import WakeItems, WakeQueue
from hub.storage import batches as rows
from hub.storage import item_files as file_rows
from hub.storage.batches import BatchRow
from hub.storage.item_files import NewFile
from hub.storage.items import ItemRow
from hub.storage.queues import QueueRow
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

SLICE_MAX = 2000
BATCH_KEPT = timedelta(hours=1)
"""A batch that nobody added to for so long is removed."""
_FAULTS_MAX = 100
_DETAILED = 20
"""Of so many refused items every fault is told, of those behind them the first: a schema may find thousands in each."""
_FAULTS_EACH = 5
"""So many of one item are told where each stands for itself; which items they are is told of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item that is asked for."""

    payload: Mapping[str, Any]
    priority: int = 5
    reference: str | None = None
    not_before: datetime | None = None
    deadline: datetime | None = None
    tags: Sequence[str] = ()
    files: Sequence[tuple[str, str]] = ()
    """(name, sha256) of bytes that the workspace owns."""
    place: str = ""
    """Where it stands in what was sent (``items.3``, ``line 17``), for messages."""
    faults: Sequence[Fault] = ()
    """What whoever read it found wrong: it is refused like one that the queue does not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An item that was not added, where each stands for itself."""

    place: str
    code: str
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What came of adding many."""

    added: int
    refused: Sequence[Refused] = field(default_factory=tuple)


def add(tx: Transaction, caller: Caller, named: str, new: NewItem) -> Done[ItemRow]:
    """Add one item. Raises Invalid with every fault, Conflict ``duplicate`` with the id of the item that is there."""
    queue = queues.row_of(tx, caller.workspace_id, named)
    definition = queues.definition_of(queue, {})
    sizes = _sizes(tx, caller, [new])
    row, faults = _row(tx, caller, queue, definition, new)
    faults += _file_faults(new, sizes)
    if faults:
        raise invalid("item", "The item can't be taken.", faults)
    if rows.add_items(tx, [row]) == 0:
        known = rows.taken_keys(tx, caller.workspace_id, queue.id, [row["unique_key"]])
        raise _duplicate(tx, queue, new, next(iter(known.values()), ""))
    _attach(tx, caller, [(new, row)], sizes)
    _record(tx, caller, queue, row["id"], {"reference": new.reference})
    return Done(items.show(tx, caller.workspace_id, row["id"]), _wakes(queue, [new]))


def add_many(tx: Transaction, caller: Caller, named: str, new: Sequence[NewItem], *, each: bool) -> Done[Added]:
    """Add items in one transaction: all or none, or with `each` those that can be, the others told with their faults.

    Raises Invalid with the faults of all items, Conflict for references that are there.
    """
    queue = queues.row_of(tx, caller.workspace_id, named)
    done = _insert(tx, caller, queue, new, each=each)
    if done.added:
        _record(tx, caller, queue, queue.id, {"added": done.added})
    return Done(done, _wakes(queue, new))


def open_batch(tx: Transaction, caller: Caller, named: str) -> Done[str]:
    """Begin a batch; its id."""
    queue = queues.row_of(tx, caller.workspace_id, named)
    batch_id = tx.new_id("bat")
    rows.insert(tx, caller.workspace_id, batch_id, queue.id, caller.actor)
    return Done(batch_id)


def add_slice(  # noqa: PLR0913 - a slice of a batch of a queue
    tx: Transaction, caller: Caller, batch_id: str, start: int, new: Sequence[NewItem], *, each: bool = False
) -> Done[Added]:
    """Add the items `start`, `start` + 1, … of a batch; sent again, a slice that is there already is added no more.

    Raises as `add_many` does, NotFound for the batch, Conflict when it is visible or the slice leaves a hole.
    """
    batch, queue = _open(tx, caller, batch_id)
    if batch.items >= start + len(new):
        base = _micros(batch.created_at)
        there = rows.staged(tx, caller.workspace_id, batch_id, base + start, base + start + len(new))
        return Done(Added(added=there))
    if batch.items != start:
        told = f"The batch has {batch.items} items by now; this slice begins at {start}."
        raise Conflict("batch_hole", told, {"items": batch.items})
    done = _insert(tx, caller, queue, new, each=each, batch=batch)
    rows.grow(tx, caller.workspace_id, batch, len(new))
    return Done(done)


def reveal(tx: Transaction, caller: Caller, batch_id: str) -> Done[int]:
    """Make every item of a batch visible in one write; how many it has. Again is no error."""
    batch = rows.locked(tx, caller.workspace_id, batch_id)
    if batch is not None and batch.state == "visible":
        return Done(batch.items)
    batch, queue = _open(tx, caller, batch_id)
    number = rows.reveal(tx, caller.workspace_id, batch_id)
    _record(tx, caller, queue, queue.id, {"added": number, "batch": batch_id})
    return Done(number, [WakeQueue(workspace_id=caller.workspace_id, queue_id=queue.id), WakeItems()])


def drop(tx: Transaction, caller: Caller, batch_id: str) -> Done[str]:
    """Remove a batch that is not visible, with its items. Raises as `add_slice` does."""
    _open(tx, caller, batch_id)
    rows.drop(tx, caller.workspace_id, batch_id)
    return Done(batch_id)


def drop_stale(tx: Transaction) -> Done[int]:
    """Remove batches that somebody began and left, of all workspaces; how many."""
    left = rows.stale(tx, tx.now - BATCH_KEPT)
    return Done(sum(rows.drop(tx, workspace_id, batch_id) for workspace_id, batch_id in left))


def _insert(  # noqa: PLR0913 - items into a queue
    tx: Transaction,
    caller: Caller,
    queue: QueueRow,
    new: Sequence[NewItem],
    *,
    each: bool,
    batch: BatchRow | None = None,
) -> Added:
    definition = queues.definition_of(queue, {})
    first = _micros(tx.now) if batch is None else _micros(batch.created_at) + batch.items
    good: list[tuple[NewItem, dict[str, Any]]] = []
    refused: list[Refused] = []
    places: dict[str, str] = {}
    sizes = _sizes(tx, caller, new)
    for offset, one in enumerate(new):
        row, faults = _row(tx, caller, queue, definition, one, is_detailed=len(refused) < _DETAILED)
        faults += _file_faults(one, sizes)
        row["rank"] = rank_of(definition.consumption, first + offset)
        if batch is not None:
            row |= {"state": ItemState.STAGED, "batch_id": batch.id}
        key = row["unique_key"]
        if key is not None and key in places and not faults:
            faults.append(_twice(one, places[key]))
        elif key is not None and not faults:
            places[key] = one.place
        if faults:
            refused.append(Refused(place=one.place, code="item", faults=faults))
        else:
            good.append((one, row))
    known = rows.taken_keys(
        tx, caller.workspace_id, queue.id, [row["unique_key"] for _, row in good if row["unique_key"]]
    )
    unfinished = rows.unfinished(tx, caller.workspace_id, known.values())
    for one, row in good:
        if row["unique_key"] in known:
            fault = _there(one, known[row["unique_key"]], unfinished)
            refused.append(Refused(place=one.place, code="duplicate", faults=[fault]))
    if refused and not each:
        raise _refusal(refused)
    free = [(one, row) for one, row in good if row["unique_key"] not in known]
    fresh = [row for _, row in free]
    added = rows.add_items(tx, fresh) if fresh else 0
    _attach(tx, caller, free, sizes)
    if added < len(fresh) and not each:
        raise Conflict("duplicate", "Somebody added an item of the same reference just now. Nothing was added.")
    told = [replace(one, faults=one.faults[:_FAULTS_EACH]) for one in refused]
    return Added(added=added, refused=told)


def _row(  # noqa: PLR0913 - an item of a queue
    tx: Transaction,
    caller: Caller,
    queue: QueueRow,
    definition: QueueDefinition,
    new: NewItem,
    *,
    is_detailed: bool = True,
) -> tuple[dict[str, Any], list[Fault]]:
    payload, faults = payloads.check(definition.fields, definition.schema, new.payload, is_detailed=is_detailed)
    if new.faults:
        payload, faults = {}, list(new.faults)
    elif definition.unique_references and not new.reference:
        faults.append(Fault(field="reference", message="missing", remedy="this queue wants a unique one"))
    faults = _placed(new, faults)
    is_due = new.not_before is None or new.not_before <= tx.now
    return {
        "workspace_id": queue.workspace_id,
        "id": tx.new_id("itm"),
        "queue_id": queue.id,
        "state": ItemState.PENDING if is_due else ItemState.POSTPONED,
        "payload": payload,
        "priority": new.priority,
        "rank": rank_of(definition.consumption, _micros(tx.now)),
        "reference": new.reference,
        "unique_key": None if new.faults else key_of(definition, payload, new.reference),
        "not_before": None if is_due else new.not_before,
        "deadline": new.deadline or NO_DEADLINE,
        "tags": list(new.tags) or None,
        "batch_id": None,
        "created_by": caller.actor,
        "created_at": tx.now,
        "updated_at": tx.now,
    }, faults


def _sizes(tx: Transaction, caller: Caller, new: Sequence[NewItem]) -> Mapping[str, int]:
    return item_files.sizes_of(tx, caller.workspace_id, [sha256 for one in new for _, sha256 in one.files])


def _file_faults(new: NewItem, sizes: Mapping[str, int]) -> list[Fault]:
    faults = item_files.faults_of(new.files, sizes) if new.files else []
    return _placed(new, faults)


def _attach(
    tx: Transaction, caller: Caller, added: Sequence[tuple[NewItem, Mapping[str, Any]]], sizes: Mapping[str, int]
) -> None:
    files = [
        (str(row["id"]), NewFile(name=name, sha256=sha256, size_bytes=sizes[sha256]))
        for one, row in added
        for name, sha256 in one.files
    ]
    file_rows.add_with_items(tx, caller.workspace_id, files)


def _placed(new: NewItem, faults: list[Fault]) -> list[Fault]:
    """The faults, each with where its item stands."""
    if not new.place:
        return faults
    return [
        Fault(field=f"{new.place}.{one.field}".rstrip("."), message=one.message, remedy=one.remedy) for one in faults
    ]


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _open(tx: Transaction, caller: Caller, batch_id: str) -> tuple[BatchRow, QueueRow]:
    batch = rows.locked(tx, caller.workspace_id, batch_id)
    if batch is None:
        raise NotFound(
            "no_batch", f"There is no batch {batch_id[:64]!r} here; one that is left for an hour is removed."
        )
    if batch.state != "open":
        raise Conflict("batch_visible", "This batch is visible: it takes no more items. Begin another.")
    return batch, queues.row_of(tx, caller.workspace_id, batch.queue_id)


def _refusal(refused: Sequence[Refused]) -> Exception:
    faults = [fault for one in refused for fault in one.faults][:_FAULTS_MAX]
    where = f"{len(refused)} of them" if len(refused) > 1 else refused[0].place or "One"
    if all(one.code == "duplicate" for one in refused):
        told = f"Nothing was added: {where} would be there twice."
        return Conflict("duplicate", told, {"errors": [fault.as_json() for fault in faults]})
    return invalid("items", f"Nothing was added: {where} can't be taken.", faults)


def _duplicate(tx: Transaction, queue: QueueRow, new: NewItem, item_id: str) -> Conflict:
    unfinished = rows.unfinished(tx, queue.workspace_id, [item_id])
    fault = _there(new, item_id, unfinished)
    if item_id in unfinished:
        told = f"An unfinished import has this item of queue {queue.label} already: {fault.remedy}."
        return Conflict("duplicate", told, {"batch": unfinished[item_id][0], "errors": [fault.as_json()]})
    told = f"Queue {queue.label} has this item already: {item_id}."
    return Conflict("duplicate", told, {"item": item_id, "errors": [fault.as_json()]})


def _there(new: NewItem, item_id: str, unfinished: Mapping[str, tuple[str, datetime]]) -> Fault:
    where = f"{new.place}.reference" if new.place else "reference"
    shown = f"{new.reference!r} " if new.reference else ""
    if item_id not in unfinished:
        message, remedy = f"{shown}is there already as {item_id}", "leave it out, or cancel that one"
        return Fault(field=where, message=message, remedy=remedy)
    batch_id, changed_at = unfinished[item_id]
    until = (changed_at + BATCH_KEPT).strftime("%Y-%m-%d %H:%M UTC")
    return Fault(
        field=where,
        message=f"{shown}is in the unfinished import {batch_id}, which is dropped at {until}",
        remedy=f"let it end, or if it has died drop it now: botyard item import … --drop {batch_id}",
    )


def _twice(new: NewItem, first: str) -> Fault:
    return Fault(field=f"{new.place}.reference", message=f"the same as {first}", remedy="name each once")


def _wakes(queue: QueueRow, new: Sequence[NewItem]) -> list[Effect]:
    effects: list[Effect] = [WakeQueue(workspace_id=queue.workspace_id, queue_id=queue.id)]
    return [*effects, WakeItems()] if any(one.not_before is not None for one in new) else effects


def _record(tx: Transaction, caller: Caller, queue: QueueRow, subject: str, data: Mapping[str, Any]) -> None:
    tx.record(
        NewEvent(
            workspace_id=queue.workspace_id,
            kind="item.added" if subject.startswith("itm_") else "items.added",
            subject=subject,
            actor=caller.actor,
            new=ItemState.PENDING,
            execution_id=caller.execution_id,
            data={"queue": queue.label, **data},
        )
    )
