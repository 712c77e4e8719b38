"""Items in the hands of bots: taken with a lease, renewed, marked, completed once (reliability.md R57, R58).

An item is held by a fence: its number grows with each taking, and whoever comes with an older one is refused. Nothing
depends on the holder's clock; a lease that has run out by the hub's clock is over, even before the sweep has seen it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hub.domain.access import Caller
from hub.domain.item import PATIENCE, AttemptOutcome, Ending, ErrorClass, ItemState
from hub.domain.queue import QueueState
from hub.errors import Conflict, Forbidden, NotFound
from hub.services import breakers, item_ends, queues
from hub.services.effects import QueueTaken, WakeItems
from hub.storage import executions, item_pages, queue_watch
from hub.storage import item_ends as ending_rows
from hub.storage import items as rows
from hub.storage.item_ends import HeldRow, Told
from hub.storage.items import Holder, ItemRow, Wanted
from hub.storage.queues import DoorRow
from hub.storage.store import claim
from hub.storage.transaction import Done, Effect, NewEvent, Transaction

TAKEN_AT_ONCE = 500
_AFTER_S = 0.02
"""A moment that has passed for sure, not one that is just now."""
_SOON_S = 240
"""The clock of leases sleeps half as long at most; a shorter lease wakes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a holder says of its item."""

    item_id: str
    fence: int
    outcome: AttemptOutcome
    """Done, failed, in review, or returned untried."""
    error_class: ErrorClass | None = None
    message: str | None = None
    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What came of completing and taking in one call."""

    completed: int
    taken: Sequence[ItemRow]


@claim
def take(tx: Transaction, caller: Caller, named: str, count: int) -> Done[list[ItemRow]]:
    """Hand out up to `count` items of a queue to the caller alone, best first; none while it is paused or full."""
    queue = queues.door_of(tx, caller.workspace_id, named)
    return _take(tx, _holder(tx, caller), queue, count)


@claim
def work(tx: Transaction, caller: Caller, named: str, done: Sequence[Completion], count: int) -> Done[Worked]:
    """Complete items and take the next ones in one transaction. Raises what `complete` does; then nothing happened."""
    queue = queues.door_of(tx, caller.workspace_id, named)
    # The execution before its items, and before the queue: its settlement takes them in this order too.
    holder = _holder(tx, caller) if count else None
    effects: list[Effect] = []
    plain: list[Told] = []
    held = ending_rows.held_items(tx, caller.workspace_id, [one.item_id for one in done]) if done else {}
    for said in done:
        item = _to_end(tx, caller, said, held.get(said.item_id))
        if item is None:
            continue
        if said.outcome is AttemptOutcome.DONE and item.queue_id == queue.id and item_ends.is_plain(queue):
            plain.append(Told(item, said.message, said.result))
        else:
            effects += _end(tx, caller, said)
    if plain:
        effects += item_ends.end_done(tx, queue, plain, caller.actor)
    taken: Done[list[ItemRow]] = Done([]) if holder is None else _take(tx, holder, queue, count)
    return Done(Worked(completed=len(done), taken=taken.result), [*effects, *taken.effects])


@claim
def complete(tx: Transaction, caller: Caller, said: Completion) -> Done[ItemRow]:
    """End the attempt of that fence. The same word again is no error, and changes nothing.

    Raises NotFound, Conflict ``lease_lost`` when the lease is over or another has it, Forbidden for another bot's.
    """
    found = ending_rows.held_item(tx, caller.workspace_id, said.item_id)
    item = _to_end(tx, caller, said, found[0] if found else None)
    if item is None or found is None:
        return Done(show(tx, caller.workspace_id, said.item_id))
    queue = found[1]
    if said.outcome is AttemptOutcome.DONE and item_ends.is_plain(queue):
        now, effects = item_ends.end_one(tx, queue, Told(item, said.message, said.result), caller.actor)
        return Done(now, effects)
    effects = _end(tx, caller, said)
    return Done(show(tx, caller.workspace_id, said.item_id), effects)


def renew(tx: Transaction, caller: Caller, item_id: str, fence: int) -> Done[ItemRow]:
    """Prolong the lease by the queue's lease time from now. Raises as `complete` does."""
    item = held_by(tx, caller, item_id, fence)
    queue = queues.door_of(tx, caller.workspace_id, item.queue_id)
    rows.renew(tx, caller.workspace_id, item_id, fence, tx.now + timedelta(seconds=queue.lease_s))
    return Done(show(tx, caller.workspace_id, item_id))


def mark(tx: Transaction, caller: Caller, item_id: str, fence: int, progress: Any) -> Done[ItemRow]:
    """Keep how far the item has come; the next attempt reads it. Raises as `complete` does."""
    held_by(tx, caller, item_id, fence)
    rows.set_progress(tx, caller.workspace_id, item_id, fence, progress)
    return Done(show(tx, caller.workspace_id, item_id))


def is_there(tx: Transaction, caller: Caller, queue_id: str) -> tuple[bool, float | None]:
    """Whether a take of the caller would find an item; else seconds until one is the caller's too that is kept for
    other runners, if there is one.
    """
    bot = executions.get(tx, caller.workspace_id, caller.execution_id) if caller.execution_id else None
    here = bot.runner_id if bot else ""
    found = queue_watch.waiting(tx, caller.workspace_id, queue_id, 1, here)
    if found.pending or found.is_more or found.is_shut or not here:
        return found.pending > 0, None
    since = queue_watch.kept_since(tx, caller.workspace_id, queue_id, here)
    return False, None if since is None else max(0.0, (since + PATIENCE - tx.now).total_seconds()) + _AFTER_S


def show(tx: Transaction, workspace_id: str, item_id: str) -> ItemRow:
    """The item of that id. Raises NotFound."""
    item = rows.get(tx, workspace_id, item_id)
    if item is None or item.state == ItemState.STAGED:
        raise no_item(item_id)
    return item


def no_item(item_id: str) -> NotFound:
    """There is none of that id."""
    return NotFound("no_item", f"There is no item {item_id[:64]!r} here. `botyard item list QUEUE` shows them.")


def _take(tx: Transaction, holder: Holder, queue: DoorRow, count: int) -> Done[list[ItemRow]]:
    if queue.state != QueueState.ACTIVE:
        return Done([])
    wanted = min(count, TAKEN_AT_ONCE)
    if queue.concurrency is not None:
        # One at a time counts: two takers who both saw the last place would both get it (PostgreSQL).
        limit = queues.locked(tx, queue).concurrency
        wanted = wanted if limit is None else min(wanted, limit - rows.held(tx, queue.workspace_id, queue.id))
    if queue.target is not None and wanted > 0:
        wanted = breakers.admits(tx, queue.workspace_id, queue.target, wanted)
    if wanted <= 0:
        return Done([])
    until = tx.now + timedelta(seconds=queue.lease_s)
    asked = Wanted(
        workspace_id=queue.workspace_id, queue_id=queue.id, count=wanted, until=until, patience=tx.now - PATIENCE
    )
    taken = rows.take(tx, asked, holder)
    effects: list[Effect] = [WakeItems()] if taken and queue.lease_s < _SOON_S else []
    if queue.target is not None and len(taken) < wanted:
        effects += breakers.returned(tx, queue.workspace_id, queue.target, wanted - len(taken))
    if not taken:
        return Done([], effects)
    tx.record(
        NewEvent(
            workspace_id=queue.workspace_id,
            kind="item.taken",
            subject=taken[0].id if len(taken) == 1 else queue.id,
            actor=holder.actor,
            task_id=holder.task_id,
            execution_id=holder.execution_id,
            runner_id=holder.runner_id,
            data={"queue": queue.label, "items": {one.id: one.fence for one in taken}},
        )
    )
    return Done(taken, [*effects, QueueTaken(workspace_id=queue.workspace_id, queue_id=queue.id)])


def _holder(tx: Transaction, caller: Caller) -> Holder:
    if caller.execution_id is None:
        return Holder(actor=caller.actor)
    execution = executions.hold(tx, caller.workspace_id, caller.execution_id)
    if execution is None:
        raise Conflict("execution_over", "This execution is over: it takes no more items.")
    return Holder(
        actor=caller.actor,
        execution_id=execution.id,
        task_id=execution.task_id,
        runner_id=execution.runner_id,
    )


def _to_end(tx: Transaction, caller: Caller, said: Completion, item: HeldRow | None) -> HeldRow | None:
    """The item, locked, whose attempt is to end so; None where it ended so before and the answer was lost."""
    if item is None:
        raise no_item(said.item_id)
    if item.state != ItemState.PROCESSING or item.fence != said.fence:
        ended = item_pages.attempt(tx, caller.workspace_id, said.item_id, said.fence)
        if ended is not None and ended.outcome == said.outcome and ended.holder == caller.actor:
            return None
    _check_held(tx, caller, item, said.fence)
    return item


def _end(tx: Transaction, caller: Caller, said: Completion) -> list[Effect]:
    """End an attempt of which more hears than its item: read whole, locked already."""
    ending = Ending(outcome=said.outcome, error_class=said.error_class, message=said.message)
    return item_ends.end(tx, show(tx, caller.workspace_id, said.item_id), ending, caller.actor, said.result)


def held_by(tx: Transaction, caller: Caller, item_id: str, fence: int) -> ItemRow:
    """The item, locked, if the caller holds it under that fence. Raises as `complete` does."""
    item = rows.get(tx, caller.workspace_id, item_id, lock=True)
    if item is None:
        raise no_item(item_id)
    _check_held(tx, caller, item, fence)
    return item


def _check_held(tx: Transaction, caller: Caller, item: ItemRow | HeldRow, fence: int) -> None:
    details: Mapping[str, Any] = {"state": item.state, "fence": item.fence}
    if item.state != ItemState.PROCESSING or item.fence != fence:
        told = f"The lease {fence} of this item is over; it is {item.state} and its fence {item.fence}."
        raise Conflict("lease_lost", told, details)
    if item.lease_until is not None and item.lease_until <= tx.now:
        told = f"The lease {fence} of this item ran out at {item.lease_until:%H:%M:%S} UTC. Renew sooner next time."
        raise Conflict("lease_lost", told, details)
    if caller.execution_id != item.execution_id and (caller.execution_id or item.execution_id):
        raise Forbidden("not_yours", "Another execution holds this item.")
