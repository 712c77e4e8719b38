"""Queues: where items wait."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, JsonValue

from hub.api.automations import Parameter
from hub.api.breaker_views import HeldBy, held_by
from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.domain.access import Role
from hub.domain.parameters import Parameter as Declared
from hub.domain.queue import Consumption, ItemRetry, QueueDefinition, QueueState
from hub.services import queues
from hub.services.queues import QueueView

Order = Annotated[Consumption, Field(strict=False, description="Among items of the same deadline and priority.")]
Schema = Annotated[dict[str, JsonValue], Field(description="JSON Schema (2020-12) of payloads.")]


class Retry(Strict):
    """How often an item is tried, and how long it waits in between (full jitter over a doubling bound)."""

    attempts: int = Field(default=3, ge=1, le=50, description="In all; those that the machine spoiled don't count.")
    base_s: int = Field(default=30, ge=0, le=86400)
    cap_s: int = Field(default=3600, ge=0, le=604800)


class Changes(Strict):
    """What to change; absent members stay as they are, and null takes away what may be absent."""

    name: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=4000)
    fields: list[Parameter] | None = Field(default=None, description="Of the payload; none: any payload is taken.")
    display: list[str] | None = Field(default=None, description="Fields that tell people which item it is.")
    unique: list[str] | None = Field(default=None, description="Fields that no two items share.")
    payload_schema: Schema | None = None
    consumption: Order | None = None
    concurrency: int | None = Field(default=None, ge=1, description="Items in work at once; null: no limit.")
    retry: Retry | None = None
    lease_s: int | None = Field(default=None, ge=5, le=86400)
    expected_s: int | None = Field(default=None, ge=5, description="Longest time that an attempt is expected to take.")
    retention_days: int | None = Field(default=None, ge=1, description="How long ended items are kept; null: for ever.")
    success_queue: str | None = Field(default=None, description="Where a copy of each finished item goes.")
    failure_queue: str | None = Field(default=None, description="Where a copy of each failed item goes.")
    unique_references: bool | None = None
    stop_after: int | None = Field(default=None, ge=1, description="Failures in a row that pause the queue.")
    target: str | None = Field(default=None, max_length=128, description="Application whose breaker guards the items.")


class NewQueue(Changes):
    """A queue that is asked for."""

    label: str = Field(min_length=1, max_length=128)


class Pause(Strict):
    """Why."""

    why: str = Field(default="", max_length=1000)


class Queue(View):
    """A queue."""

    id: str
    label: str
    name: str
    description: str
    state: QueueState
    paused_why: str | None
    counts: dict[str, int] = Field(description="Items by state.")
    fields: list[Parameter]
    display: list[str]
    unique: list[str]
    payload_schema: dict[str, Any] | None
    consumption: Consumption
    concurrency: int | None
    retry: Retry
    lease_s: int
    expected_s: int | None
    retention_days: int | None
    success_queue: str | None
    failure_queue: str | None
    unique_references: bool
    stop_after: int | None
    target: str | None
    breaker: HeldBy | None = Field(description="The target is out of order: no item is handed out, or a few to try.")
    created_at: datetime
    updated_at: datetime


@route("GET", "/queues", Spec(role=Role.VIEWER, summary="List queues", about="By label.", bots=True))
async def listing(call: Call[Nothing, Listing]) -> Page[Queue]:
    """Queues of the workspace."""
    query = call.query
    found = await call.read(lambda tx: queues.page(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, view, lambda one: one.queue.definition.label)


@route("GET", "/queues/{queue}", Spec(role=Role.VIEWER, summary="Show a queue", bots=True))
async def show(call: Call[Nothing, Nothing]) -> Queue:
    """One queue, by label or id, with how many items it has in each state."""
    return view(await call.read(lambda tx: queues.show(tx, call.caller.workspace_id, call.path("queue"))))


@route(
    "POST",
    "/queues",
    Spec(
        role=Role.DEVELOPER,
        summary="Define a queue",
        status=201,
        example={"label": "invoices", "fields": [{"name": "number", "required": True}], "unique": ["number"]},
    ),
)
async def create(call: Call[NewQueue, Nothing]) -> Sent[Queue]:
    """A new queue."""
    new = definition_of(call.body)
    return await call.write(lambda tx: queues.create(tx, call.caller, new), view)


@route(
    "PATCH",
    "/queues/{queue}",
    Spec(role=Role.DEVELOPER, summary="Change a queue", about="Its items stay as they are.", example={"lease_s": 300}),
)
async def edit(call: Call[Changes, Nothing]) -> Sent[Queue]:
    """The queue with the named members changed."""
    changes = _changes(call.body, keep_null=True)
    return await call.write(lambda tx: queues.edit(tx, call.caller, call.path("queue"), changes), view)


@route("POST", "/queues/{queue}/pause", Spec(role=Role.OPERATOR, summary="Hand out no more items"))
async def pause(call: Call[Pause, Nothing]) -> Sent[Queue]:
    """The queue, paused; items in work go on."""
    caller, why = call.caller, call.body.why
    return await call.write(
        lambda tx: queues.pause(tx, caller.workspace_id, call.path("queue"), caller.actor, why), view
    )


@route("POST", "/queues/{queue}/resume", Spec(role=Role.OPERATOR, summary="Hand out items again"))
async def resume(call: Call[Nothing, Nothing]) -> Sent[Queue]:
    """The queue, active."""
    caller = call.caller
    return await call.write(lambda tx: queues.resume(tx, caller.workspace_id, call.path("queue"), caller.actor), view)


class Deleted(View):
    """What is gone."""

    id: str


@route(
    "DELETE", "/queues/{queue}", Spec(role=Role.DEVELOPER, summary="Remove a queue", about="Only one without items.")
)
async def delete(call: Call[Nothing, Nothing]) -> Sent[Deleted]:
    """The id of the queue that was."""
    return await call.write(lambda tx: queues.delete(tx, call.caller, call.path("queue")), lambda one: Deleted(id=one))


ROUTES: tuple[Route, ...] = (listing, show, create, edit, pause, resume, delete)


def definition_of(body: NewQueue) -> QueueDefinition:
    """What was sent, as the domain has it."""
    return QueueDefinition(label=body.label, **_changes(body, keep_null=False))


def view(one: QueueView) -> Queue:
    """A queue as clients see it."""
    said = one.queue.definition
    first = ("consumption", "concurrency", "lease_s", "expected_s", "retention_days", "success_queue", "failure_queue")
    plain = (*first, "unique_references", "stop_after", "target", "label", "name", "description")
    return Queue(
        **{name: getattr(said, name) for name in plain},
        id=one.queue.id,
        state=one.queue.state,
        paused_why=one.queue.paused_why,
        counts=dict(one.counts),
        fields=[Parameter(**{name: getattr(field, name) for name in Parameter.model_fields}) for field in said.fields],
        display=list(said.display),
        unique=list(said.unique),
        payload_schema=None if said.schema is None else dict(said.schema),
        breaker=held_by(one.breaker),
        retry=Retry(attempts=said.retry.attempts, base_s=said.retry.base_s, cap_s=said.retry.cap_s),
        created_at=one.queue.created_at,
        updated_at=one.queue.updated_at,
    )


_MAY_BE_NULL = frozenset(
    {
        "concurrency",
        "expected_s",
        "retention_days",
        "success_queue",
        "failure_queue",
        "stop_after",
        "target",
        "payload_schema",
    }
)


def _changes(body: Changes, *, keep_null: bool) -> dict[str, Any]:
    """The members that were sent, as a definition has them."""
    sent = {name: getattr(body, name) for name in body.model_fields_set - {"label", "kind"}}
    said = {name: value for name, value in sent.items() if value is not None or (keep_null and name in _MAY_BE_NULL)}
    if "payload_schema" in said:
        said["schema"] = said.pop("payload_schema")
    if body.fields is not None:
        said["fields"] = tuple(Declared(**one.model_dump()) for one in body.fields)
    if body.retry is not None:
        said["retry"] = ItemRetry(**body.retry.model_dump())
    return said
