"""Triggers: defined, changed, paused, resumed, previewed, fired; and what they did."""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field, JsonValue

from hub.api.call import Call, Nothing, Query, Sent, Strict
from hub.api.paging import Listing, Page, page
from hub.api.problem import Fault, Refused
from hub.api.route import Route, Spec, route
from hub.api.task_views import Task, task_view
from hub.api.trigger_views import (
    Definition,
    Firing,
    OfEvents,
    Preview,
    Schedule,
    Tried,
    Trigger,
    firing_view,
    preview_view,
    tried_view,
    trigger_view,
)
from hub.domain.access import Role
from hub.domain.parameters import secret_names
from hub.domain.trigger import TriggerKind
from hub.errors import Conflict
from hub.services import automations, calendars, event_preview, file_triggers, schedules, triggers
from hub.services.event_preview import LAST_MAX
from hub.services.schedules import PREVIEW_MAX, Look
from hub.services.triggers import NewTrigger as Wanted
from hub.storage.transaction import Done, Transaction
from hub.storage.triggers import FiringRow, TriggerRow

_EXAMPLE = {
    "label": "invoices-each-morning",
    "automation": "invoices",
    "definition": {"kind": "schedule", "phrase": "working days at 06:30", "zone": "Europe/Berlin"},
    "parameters": {"month": "2026-03"},
}


class NewTrigger(Strict):
    """A trigger that is asked for."""

    label: str = Field(min_length=1, max_length=128)
    automation: str = Field(min_length=1, max_length=128, description="Label or id.")
    definition: Definition
    parameters: dict[str, JsonValue] = Field(default={}, description="Of its tasks.")
    name: str = Field(default="", max_length=200, description="For people; the label where it is absent.")
    calendar: str | None = Field(default=None, description="Label or id of the calendar that it keeps to.")
    paused: bool = Field(default=False, description="It fires when it is resumed.")


class Changes(Strict):
    """What to change; absent members stay as they are. In `definition` and for `calendar`, null takes one away."""

    automation: str | None = None
    definition: Definition | None = None
    parameters: dict[str, JsonValue] | None = None
    name: str | None = Field(default=None, max_length=200)
    calendar: str | None = None


class Fire(Strict):
    """Parameters that win over the trigger's own."""

    parameters: dict[str, JsonValue] = Field(default={})


class Asked(Strict):
    """A schedule that is no trigger yet."""

    definition: Schedule
    calendar: str | None = None
    count: int = Field(default=10, ge=1, le=PREVIEW_MAX)
    after: AwareDatetime | None = Field(default=None, strict=False, description="From now on, unless said.")


class Trial(Strict):
    """A trigger of events that is none yet."""

    definition: OfEvents
    last: int = Field(default=1000, ge=1, le=LAST_MAX, description="So many of the last events.")


class Last(Query):
    """On how many events."""

    last: int = Field(default=1000, ge=1, le=LAST_MAX, description="So many of the last events.")


class Which(Query):
    """Which firings to come."""

    count: int = Field(default=10, ge=1, le=PREVIEW_MAX)
    after: AwareDatetime | None = Field(default=None, description="From now on, unless said.")


Shown = tuple[TriggerRow, tuple[str, ...], str | None]
"""A trigger, the names of its automation's secret parameters, and what is in the way of its watching."""


@route("GET", "/triggers", Spec(role=Role.VIEWER, summary="List triggers", about="By label."))
async def listing(call: Call[Nothing, Listing]) -> Page[Trigger]:
    """Triggers of the workspace."""
    query, workspace_id = call.query, call.caller.workspace_id

    def read(tx: Transaction) -> list[Shown]:
        return [_shown(tx, row) for row in triggers.page(tx, workspace_id, query.after, query.limit + 1)]

    return page(await call.read(read), query, _view_at(call), lambda one: one[0].label)


@route("GET", "/triggers/{trigger}", Spec(role=Role.VIEWER, summary="Show a trigger"))
async def show(call: Call[Nothing, Nothing]) -> Trigger:
    """One trigger, by label or id."""
    workspace_id, named = call.caller.workspace_id, call.path("trigger")
    return _view_at(call)(await call.read(lambda tx: _shown(tx, triggers.show(tx, workspace_id, named))))


@route("POST", "/triggers", Spec(role=Role.DEVELOPER, summary="Define a trigger", status=201, example=_EXAMPLE))
async def create(call: Call[NewTrigger, Nothing]) -> Sent[Trigger]:
    """A new trigger, which fires from now on."""
    new = wanted(call.body)
    return await _write(call, functools.partial(triggers.create, caller=call.caller, new=new))


@route(
    "PATCH",
    "/triggers/{trigger}",
    Spec(
        role=Role.DEVELOPER,
        summary="Change a trigger",
        about="Its next moment is found anew from now on; tasks that it made stay as they are.",
        example={"definition": {"phrase": "weekdays at 07:00"}},
    ),
)
async def edit(call: Call[Changes, Nothing]) -> Sent[Trigger]:
    """The trigger with the named members changed."""
    body = call.body
    sent: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if body.definition is not None:
        sent["definition"] = body.definition.said()
    named = call.path("trigger")
    return await _write(call, functools.partial(triggers.edit, caller=call.caller, named=named, changes=sent))


@route(
    "POST",
    "/triggers/{trigger}/pause",
    Spec(
        role=Role.OPERATOR,
        summary="Pause a trigger",
        about="What falls due meanwhile is left out; but files that came and still lie there fire when it is resumed.",
    ),
)
async def pause(call: Call[Nothing, Nothing]) -> Sent[Trigger]:
    """The trigger, which fires no more."""
    return await _write(call, functools.partial(triggers.pause, caller=call.caller, named=call.path("trigger")))


@route(
    "POST",
    "/triggers/{trigger}/resume",
    Spec(role=Role.OPERATOR, summary="Resume a trigger", about="From now on; also one that switched itself off."),
)
async def resume(call: Call[Nothing, Nothing]) -> Sent[Trigger]:
    """The trigger, which fires again."""
    return await _write(call, functools.partial(triggers.resume, caller=call.caller, named=call.path("trigger")))


@route(
    "DELETE",
    "/triggers/{trigger}",
    Spec(role=Role.DEVELOPER, summary="Delete a trigger", about="With its history; its tasks stay."),
)
async def delete(call: Call[Nothing, Nothing]) -> Sent[Trigger]:
    """The trigger as it was."""
    return await _write(call, functools.partial(triggers.delete, caller=call.caller, named=call.path("trigger")))


@route(
    "POST",
    "/triggers/{trigger}/fire",
    Spec(
        role=Role.OPERATOR,
        summary="Fire a trigger now",
        about="In any state, and whatever its overlap policy says: a person asks.",
        status=201,
        example={"parameters": {}},
    ),
)
async def fire(call: Call[Fire, Nothing]) -> Sent[Task]:
    """The task that it made."""
    caller, named, parameters = call.caller, call.path("trigger"), call.body.parameters
    return await call.write(lambda tx: triggers.fire_now(tx, caller, named, parameters), task_view)


@route(
    "GET", "/triggers/{trigger}/history", Spec(role=Role.VIEWER, summary="What a trigger did", about="Newest first.")
)
async def history(call: Call[Nothing, Listing]) -> Page[Firing]:
    """Fired, skipped or failed, and why."""
    query, workspace_id, named = call.query, call.caller.workspace_id, call.path("trigger")
    before = _position(query.after)
    found = await call.read(lambda tx: triggers.history(tx, workspace_id, named, before, query.limit + 1))
    return page(found, query, firing_view, _cursor)


@route(
    "GET",
    "/triggers/{trigger}/preview",
    Spec(role=Role.VIEWER, summary="The next firings of a trigger", about="With a note at each change of the clock."),
)
async def preview(call: Call[Nothing, Which]) -> Preview:
    """When it would fire, whatever its state."""
    caller, named = call.caller, call.path("trigger")
    look = Look(count=call.query.count, after=call.query.after)
    row = await call.read(lambda tx: triggers.show(tx, caller.workspace_id, named))
    if row.kind != TriggerKind.SCHEDULE:
        also = f" Try botyard trigger matches {row.label}." if row.kind == TriggerKind.EVENT else ""
        raise Conflict("no_schedule", f"Trigger {row.label!r} keeps no schedule: it is of kind {row.kind}.{also}")
    return preview_view(str(row.definition["zone"]), schedules.next_of(row, call.hub.clock.now(), look))


@route(
    "POST",
    "/trigger-preview",
    Spec(
        role=Role.VIEWER,
        summary="The firings of a schedule that is no trigger yet",
        example={"definition": {"cron": "30 2 * * *", "zone": "Europe/Berlin"}, "count": 5},
    ),
)
async def preview_new(call: Call[Asked, Nothing]) -> Preview:
    """When it would fire."""
    body, workspace_id = call.body, call.caller.workspace_id
    said = {name: value for name, value in body.definition.said().items() if value is not None}
    look = Look(count=body.count, after=body.after)

    def read(tx: Transaction) -> Preview:
        calendar_id = None if body.calendar is None else calendars.show(tx, workspace_id, body.calendar).id
        found = schedules.preview_of(tx, workspace_id, said, calendar_id, look)
        return preview_view(str(said.get("zone", "UTC")), found)

    return await call.read(read)


@route(
    "GET",
    "/triggers/{trigger}/matches",
    Spec(
        role=Role.VIEWER,
        summary="What a trigger of events would have done",
        about="With the last events; writes nothing.",
    ),
)
async def matches(call: Call[Nothing, Last]) -> Tried:
    """The tasks that it would have made, as it stands now."""
    workspace_id, named, last = call.caller.workspace_id, call.path("trigger"), call.query.last

    def read(tx: Transaction) -> Tried:
        return tried_view(event_preview.of_trigger(tx, triggers.show(tx, workspace_id, named), last))

    return await call.read(read)


@route(
    "POST",
    "/event-preview",
    Spec(
        role=Role.DEVELOPER,
        summary="What a trigger of events that is none yet would have done",
        about="With the last events; writes nothing.",
        example={"definition": {"kind": "event", "on": ["task.settled"], "state": ["failed"]}},
    ),
)
async def try_events(call: Call[Trial, Nothing]) -> Tried:
    """The tasks that it would have made."""
    body, workspace_id = call.body, call.caller.workspace_id
    said = {name: value for name, value in body.definition.said().items() if value is not None}
    return await call.read(lambda tx: tried_view(event_preview.preview(tx, workspace_id, said, body.last)))


ROUTES: tuple[Route, ...] = (
    matches,
    try_events,
    listing,
    show,
    create,
    edit,
    pause,
    resume,
    delete,
    fire,
    history,
    preview,
    preview_new,
)


def wanted(body: NewTrigger) -> Wanted:
    """What was sent, as the service takes it."""
    return Wanted(
        label=body.label,
        automation=body.automation,
        kind=TriggerKind(body.definition.kind),
        definition=body.definition.said(),
        parameters=body.parameters,
        name=body.name,
        calendar=body.calendar,
        is_paused=body.paused,
    )


async def _write(call: Call[Any, Any], use_case: Any) -> Sent[Trigger]:
    """Run a use case that answers with a trigger."""

    def again(tx: Transaction) -> Done[Shown]:
        done: Done[TriggerRow] = use_case(tx)
        return Done(_shown(tx, done.result), done.effects)

    return await call.write(again, _view_at(call))


def _shown(tx: Transaction, row: TriggerRow) -> Shown:
    trouble = file_triggers.troubles(tx, row)
    if not row.parameters:
        return row, (), trouble
    automation = automations.show(tx, row.workspace_id, row.automation_id)
    return row, secret_names(automation.definition.parameters), trouble


def _view_at(call: Call[Any, Any]) -> Callable[[Shown], Trigger]:
    """Makes views for who calls: a webhook's address is that of the hub as it is reached."""

    def view(shown: Shown) -> Trigger:
        row, secrets, trouble = shown
        return trigger_view(row, call.base_url, secrets, trouble)

    return view


def _cursor(row: FiringRow) -> str:
    return f"{row.at.isoformat()} {row.id}"


def _position(cursor: str) -> tuple[datetime, str] | None:
    """Where a page of the history begins. Raises Refused (400) for a cursor that is none of ours."""
    if not cursor:
        return None
    at, _, firing_id = cursor.partition(" ")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is not None:
            return moment, firing_id
    except ValueError:
        pass
    fault = Fault(field="cursor", message="is no cursor", remedy="take `next` of the page before")
    raise Refused(400, "query", "The query can't be read.", [fault])
