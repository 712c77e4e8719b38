"""Resources: of which there is only so much, who holds them, who waits for them."""

from datetime import datetime
from typing import Any

from pydantic import Field

from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.domain.access import Role
from hub.services import resources
from hub.services.resources import Resource as Stored
from hub.services.resources import Wanted

_ACCOUNTS = "One holder for each; a task gets its name as BOTYARD_RESOURCE_<LABEL>. Instead of a capacity."


class NewResource(Strict):
    """A resource that is asked for."""

    label: str = Field(min_length=1, max_length=128)
    name: str = Field(default="", max_length=200, description="For people; the label where it is absent.")
    description: str = Field(default="", max_length=4000)
    capacity: int | None = Field(default=None, description="Units; 0 lets nobody begin.")
    accounts: list[str] | None = Field(default=None, description=_ACCOUNTS)


class Changes(Strict):
    """What to change; absent members stay as they are."""

    name: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=4000)
    capacity: int | None = Field(default=None, description="Below what is held: holders go on, nobody new begins.")
    accounts: list[str] | None = Field(default=None, description=_ACCOUNTS)


class Holder(View):
    """A running task that holds some of it."""

    task: str
    number: int
    round: int
    automation: str
    units: int
    account: str | None
    since: datetime


class Waiter(View):
    """A queued task that will hold some of it."""

    task: str
    number: int
    round: int
    automation: str
    created_at: datetime


class Resource(View):
    """A resource."""

    id: str
    label: str
    name: str
    description: str
    capacity: int
    accounts: list[str] | None
    used: int
    holders: list[Holder] = Field(description="Longest first, at most 100.")
    waiting: list[Waiter] = Field(description="First the one that comes first, at most 100.")
    used_by: list[str] = Field(description="Labels of the automations whose tasks hold it.")
    created_at: datetime
    updated_at: datetime


@route("GET", "/resources", Spec(role=Role.VIEWER, summary="List resources", about="By label."))
async def listing(call: Call[Nothing, Listing]) -> Page[Resource]:
    """Resources of the workspace."""
    query = call.query
    found = await call.read(lambda tx: resources.page(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, view, lambda one: one.label)


@route("GET", "/resources/{resource}", Spec(role=Role.VIEWER, summary="Show a resource"))
async def show(call: Call[Nothing, Nothing]) -> Resource:
    """One resource, who holds it since when, and who waits for it."""
    return view(await call.read(lambda tx: resources.show(tx, call.caller.workspace_id, call.path("resource"))))


@route(
    "POST",
    "/resources",
    Spec(
        role=Role.DEVELOPER,
        summary="Define a resource",
        status=201,
        example={"label": "sap-licence", "capacity": 3},
    ),
)
async def create(call: Call[NewResource, Nothing]) -> Sent[Resource]:
    """A new resource."""
    new = wanted(call.body)
    return await call.write(lambda tx: resources.create(tx, call.caller, new), view)


@route(
    "PATCH",
    "/resources/{resource}",
    Spec(
        role=Role.DEVELOPER,
        summary="Change a resource",
        about="What waits for it begins at once where there is room now.",
        example={"capacity": 4},
    ),
)
async def edit(call: Call[Changes, Nothing]) -> Sent[Resource]:
    """The resource with the named members changed."""
    body = call.body
    sent: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    changes = {name: value for name, value in sent.items() if value is not None}
    return await call.write(lambda tx: resources.edit(tx, call.caller, call.path("resource"), changes), view)


@route(
    "DELETE",
    "/resources/{resource}",
    Spec(
        role=Role.DEVELOPER, summary="Delete a resource", about="Not while an automation uses it, or a task holds it."
    ),
)
async def delete(call: Call[Nothing, Nothing]) -> Sent[Resource]:
    """The resource as it was."""
    return await call.write(lambda tx: resources.delete(tx, call.caller, call.path("resource")), view)


ROUTES: tuple[Route, ...] = (listing, show, create, edit, delete)


def wanted(body: NewResource) -> Wanted:
    """What was sent, as the service takes it."""
    return Wanted(
        label=body.label,
        name=body.name,
        description=body.description,
        capacity=body.capacity,
        accounts=body.accounts,
    )


def view(one: Stored) -> Resource:
    """A resource as clients see it."""
    return Resource(
        id=one.id,
        label=one.label,
        name=one.name,
        description=one.description,
        capacity=one.capacity,
        accounts=None if one.accounts is None else list(one.accounts),
        used=one.used,
        holders=[
            Holder(
                task=held.task_id,
                number=held.number,
                round=held.round,
                automation=held.automation,
                units=held.units,
                account=held.account,
                since=held.since,
            )
            for held in one.holders
        ],
        waiting=[
            Waiter(
                task=task.id,
                number=task.number,
                round=task.round,
                automation=task.automation,
                created_at=task.created_at,
            )
            for task in one.waiting
        ],
        used_by=list(one.users),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )
