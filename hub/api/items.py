"""Items: added, looked at, taken with a lease, completed once, ordered about by people."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from hub.api.breaker_views import held_by
from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.item_views import (
    Class,
    Effect,
    Fence,
    Filter,
    Finish,
    Item,
    ItemChanges,
    Kept,
    Move,
    NewItem,
    Ordered,
    Plain,
    Tag,
    WholeItem,
    Why,
    attempt_view,
    effect_view,
    file_view,
    item_json,
    item_view,
    items_json,
    members,
)
from hub.api.paging import Listing, Page, page
from hub.api.problem import Fault, Refused
from hub.api.route import Route, Spec, route
from hub.api.withdrawing import is_withdrawn, withdraw
from hub.domain.access import Role
from hub.domain.item import AttemptOutcome, ItemState
from hub.domain.journal import Answer, EffectState
from hub.services import breakers, item_adding, item_files, item_orders, items, journal, queues
from hub.services.item_orders import Order
from hub.services.items import Completion
from hub.storage import item_pages
from hub.storage.item_pages import ItemFilter
from hub.storage.queues import QueueRow
from hub.storage.transaction import Done, Transaction

State = Annotated[ItemState, Field(strict=False)]
_MANY = "At most 500 a call, the oldest first; items in work are left alone."
_OUTCOMES = {str(one): one for one in AttemptOutcome}
WAIT_MAX_S = 25.0
"""Under the 27 s after which a gateway gives a call up."""


class ItemQuery(Listing):
    """Which items of a queue."""

    state: State | None = None
    reference: Plain | None = None
    tag: Tag | None = None
    error_class: Class | None = None


class Take(Strict):
    """How many, and how long to wait for the first."""

    count: int = Field(default=1, ge=1, le=items.TAKEN_AT_ONCE)
    wait_s: float = Field(
        default=0, ge=0, le=WAIT_MAX_S, description="Wait so long when nothing is there.", strict=False
    )


class Ended(Finish):
    """One item's end among many."""

    item: Plain


class Work(Strict):
    """Items to complete, and how many to take next: one call, one transaction."""

    completed: list[Ended] = Field(default=[], max_length=items.TAKEN_AT_ONCE)
    take: int = Field(default=0, ge=0, le=items.TAKEN_AT_ONCE)


class Taken(View):
    """What the caller has now, best first."""

    items: list[Item]


class Worked(View):
    """How many were completed, and what the caller has now."""

    completed: int
    items: list[Item]


class Renewal(Strict):
    """Which lease."""

    fence: Fence


class Mark(Strict):
    """How far the item has come, in any form that the bot understands later."""

    fence: Fence
    progress: Kept


class Said(Strict):
    """Without an outcome: may I? With one: how it went."""

    fence: Fence | None = Field(default=None, description="Absent: a person speaks, and nobody holds the item.")
    outcome: Literal["done", "not_done"] | None = Field(default=None, description="How it went.")
    result: Kept = None
    message: str | None = Field(default=None, max_length=4000)


class Told(View):
    """What the journal answers."""

    answer: Answer = Field(
        description="go: do it now, then say how it went. done: see the result. unknown: look there."
    )
    effect: Effect


@route(
    "POST",
    "/queues/{queue}/items",
    Spec(role=Role.OPERATOR, summary="Add an item", status=201, bots=True, example={"payload": {"number": "4711"}}),
)
async def add(call: Call[NewItem, Nothing]) -> Sent[Item]:
    """The item."""
    return await call.write(
        lambda tx: item_adding.add(tx, call.caller, call.path("queue"), call.body.wanted()), item_view
    )


@route("GET", "/queues/{queue}/items", Spec(role=Role.VIEWER, summary="List items", about="Newest first.", bots=True))
async def listing(call: Call[Nothing, ItemQuery]) -> Page[Item]:
    """Items of a queue."""
    query = call.query

    def find(tx: Transaction) -> list[Any]:
        queue = queues.row_of(tx, call.caller.workspace_id, call.path("queue"))
        wanted = ItemFilter(
            queue_id=queue.id,
            states=None if query.state is None else [query.state],
            reference=query.reference,
            tag=query.tag,
            error_class=query.error_class,
        )
        return item_pages.page(tx, call.caller.workspace_id, wanted, query.after, query.limit + 1)

    return page(await call.read(find), query, item_view, item_pages.position)


@route(
    "POST",
    "/queues/{queue}/take",
    Spec(role=Role.OPERATOR, summary="Take items", about="Each is the caller's alone until its lease ends.", bots=True),
)
async def take(call: Call[Take, Nothing]) -> Sent[Taken]:
    """Items with a lease, best first; an empty list when there are none."""
    body, name = call.body, call.path("queue")
    use_case = partial(items.take, caller=call.caller, named=name)
    if is_withdrawn(call):
        return await withdraw(call, partial(use_case, count=0), items_json)
    if body.wait_s > 0 and not await call.is_answered():
        await _wait_for_one(call, name, body.wait_s)
        if call.request.transport is None or call.request.transport.is_closing():
            # Nobody is there any more: what were taken now would be held for nobody.
            raise Refused(503, "gone", "The caller has hung up.")
    return await call.write(partial(use_case, count=body.count), items_json, urgent=True)


@route(
    "POST",
    "/queues/{queue}/work",
    Spec(
        role=Role.OPERATOR,
        summary="Complete items and take the next",
        ends=True,
        about="All or nothing: one stale lease refuses the call.",
        bots=True,
        example={"completed": [], "take": 10},
    ),
)
async def work(call: Call[Work, Nothing]) -> Sent[Worked]:
    """How many were completed, and those taken."""
    done = [_completion(one.item, one) for one in call.body.completed]
    if len({one.item_id for one in done}) < len(done):
        twice = Fault(field="completed", message="an item stands in it twice", remedy="complete each once")
        raise Refused(422, "body", "The body can't be taken.", [twice])

    def view(worked: items.Worked) -> bytes:
        return items_json(worked.taken, completed=worked.completed)

    use_case = partial(items.work, caller=call.caller, named=call.path("queue"), done=done)
    if is_withdrawn(call):
        return await withdraw(call, partial(use_case, count=0), view)
    return await call.write(
        partial(use_case, count=call.body.take),
        view,
        urgent=True,
    )


@route("GET", "/items/{item}", Spec(role=Role.VIEWER, summary="Show an item", bots=True))
async def show(call: Call[Nothing, Nothing]) -> WholeItem:
    """An item with its attempts and its journal."""
    workspace_id, item_id = call.caller.workspace_id, call.path("item")

    def look(tx: Transaction) -> WholeItem:
        row = items.show(tx, workspace_id, item_id)
        return WholeItem(
            **members(row),
            breaker=held_by(breakers.holding_item(tx, row)),
            files=[file_view(one) for one in item_files.of_item(tx, workspace_id, item_id)],
            history=[attempt_view(one) for one in item_pages.attempts_of(tx, workspace_id, item_id)],
            effects=[effect_view(one) for one in journal.of_item(tx, workspace_id, item_id)],
        )

    return await call.read(look)


@route("PATCH", "/items/{item}", Spec(role=Role.OPERATOR, summary="Change an item", example={"priority": 9}))
async def change(call: Call[ItemChanges, Nothing]) -> Sent[Item]:
    """The item with the named members changed."""
    sent = {name: getattr(call.body, name) for name in call.body.model_fields_set}
    changes = {name: value for name, value in sent.items() if value is not None or name in {"not_before", "deadline"}}
    return await call.write(lambda tx: item_orders.change(tx, call.caller, call.path("item"), changes), item_view)


@route("POST", "/items/{item}/complete", Spec(role=Role.OPERATOR, summary="Say how an item went", bots=True, ends=True))
async def complete(call: Call[Finish, Nothing]) -> Sent[Item]:
    """The item; 409 `lease_lost` when the lease is over."""
    said = _completion(call.path("item"), call.body)
    return await call.write(partial(items.complete, caller=call.caller, said=said), item_json, urgent=True)


@route("POST", "/items/{item}/renew", Spec(role=Role.OPERATOR, summary="Prolong a lease", bots=True, ends=True))
async def renew(call: Call[Renewal, Nothing]) -> Sent[Item]:
    """The item with its new lease; a bot's runner does this by itself while the bot lives."""
    return await call.write(lambda tx: items.renew(tx, call.caller, call.path("item"), call.body.fence), item_view)


@route("PUT", "/items/{item}/progress", Spec(role=Role.OPERATOR, summary="Mark how far an item has come", bots=True))
async def mark(call: Call[Mark, Nothing]) -> Sent[Item]:
    """The item; the next attempt reads the mark."""
    said = call.body
    return await call.write(
        lambda tx: items.mark(tx, call.caller, call.path("item"), said.fence, said.progress), item_view
    )


@route("POST", "/items/{item}/requeue", Spec(role=Role.OPERATOR, summary="Try an item anew"))
async def requeue(call: Call[Nothing, Nothing]) -> Sent[Item]:
    """The item, pending, with all its tries."""
    return await call.write(lambda tx: item_orders.requeue(tx, call.caller, call.path("item")), item_view)


@route("POST", "/items/{item}/cancel", Spec(role=Role.OPERATOR, summary="Cancel an item"))
async def cancel(call: Call[Why, Nothing]) -> Sent[Item]:
    """The item, canceled."""
    return await call.write(
        lambda tx: item_orders.cancel(tx, call.caller, call.path("item"), call.body.message), item_view
    )


@route(
    "POST",
    "/queues/{queue}/requeue",
    Spec(role=Role.OPERATOR, summary="Try items anew, by filter", about=_MANY, example={"states": ["failed"]}),
)
async def requeue_many(call: Call[Filter, Nothing]) -> Sent[Ordered]:
    """How many were changed."""
    return await _order(call, Order.REQUEUE)


@route(
    "POST",
    "/queues/{queue}/cancel",
    Spec(role=Role.OPERATOR, summary="Cancel items, by filter", about=_MANY, example={"reference": "4711"}),
)
async def cancel_many(call: Call[Filter, Nothing]) -> Sent[Ordered]:
    """How many were changed."""
    return await _order(call, Order.CANCEL)


@route(
    "POST",
    "/queues/{queue}/move",
    Spec(
        role=Role.OPERATOR,
        summary="Move items to another queue, by filter",
        about=_MANY,
        example={"to": "later", "tag": "2026"},
    ),
)
async def move_many(call: Call[Move, Nothing]) -> Sent[Ordered]:
    """How many were changed."""
    return await _order(call, Order.MOVE, call.body.to)


@route(
    "POST",
    "/items/{item}/once/{effect}",
    Spec(
        role=Role.OPERATOR,
        summary="Ask before a side effect, and say how it went",
        ends=True,
        about="What was done is never done again: a retry learns done, go or unknown.",
        bots=True,
        example={"fence": 1},
    ),
)
async def once(call: Call[Said, Nothing]) -> Sent[Told]:
    """What the journal answers."""
    said, item_id, key = call.body, call.path("item"), call.path("effect")
    if said.outcome is None:
        fence = said.fence
        if fence is None:
            missing = Fault(field="fence", message="missing", remedy="name the lease under which the item is held")
            raise Refused(422, "body", "Who asks for leave holds the item.", [missing])
        return await call.write(
            lambda tx: journal.intend(tx, call.caller, item_id, key, fence),
            lambda asked: Told(answer=asked.answer, effect=effect_view(asked.effect)),
            urgent=True,
        )
    outcome = EffectState(said.outcome)
    return await call.write(
        lambda tx: journal.settle(
            tx, call.caller, item_id, key, outcome, fence=said.fence, result=said.result, message=said.message
        ),
        lambda row: Told(answer=Answer.DONE if row.state == "done" else Answer.GO, effect=effect_view(row)),
        urgent=True,
    )


ROUTES: tuple[Route, ...] = (
    *(add, listing, take, work, show, change, complete, renew, mark, requeue, cancel),
    *(requeue_many, cancel_many, move_many, once),
)


async def _wait_for_one(call: Call[Any, Any], name: str, wait_s: float) -> None:
    """Return when something may be there, or the time is up; woken by every change of the queue."""
    queue = await call.read(lambda tx: queues.row_of(tx, call.caller.workspace_id, name))
    with call.hub.signals.watching(queue.id) as changed, suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await _until_one(call, queue, changed)


async def _until_one(call: Call[Any, Any], queue: QueueRow, changed: asyncio.Event) -> None:
    while True:
        is_there, again_s = await call.read(lambda tx: items.is_there(tx, call.caller, queue.id))
        if is_there:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(again_s):
                await changed.wait()
        changed.clear()


def _completion(item_id: str, said: Finish) -> Completion:
    return Completion(
        item_id=item_id,
        fence=said.fence,
        outcome=_OUTCOMES[said.outcome],
        error_class=said.error_class,
        message=said.message,
        result=said.result,
    )


async def _order(
    call: Call[Filter, Nothing] | Call[Move, Nothing], what: Order, to: str | None = None
) -> Sent[Ordered]:
    body, caller = call.body, call.caller
    named = ("ids", "states", "reference", "tag", "error_class", "created_before", "created_after")

    def carry_out(tx: Transaction) -> Done[item_orders.Ordered]:
        queue = queues.row_of(tx, caller.workspace_id, call.path("queue"))
        wanted = ItemFilter(queue_id=queue.id, **{name: getattr(body, name) for name in named})
        return item_orders.order(tx, caller, what, wanted, target=to, message=body.message, after=body.after)

    return await call.write(
        carry_out,
        lambda done: Ordered(changed=done.changed, refused=done.refused, more=done.more, next=done.position or None),
    )
