"""Many items at once: in one call, or as a batch of slices that one last call makes visible."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, InstanceOf, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.json_schema import SkipJsonSchema

from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.item_views import NewItem
from hub.api.problem import Fault, Refused, faults_of
from hub.api.route import Route, Spec, route
from hub.domain.access import Role
from hub.domain.parameters import Fault as Wrong
from hub.services import item_adding
from hub.services.item_adding import SLICE_MAX
from hub.services.item_adding import Added as Came


@dataclass(frozen=True, slots=True)
class Unread:
    """An item that is none, with its faults: it is refused in its place, and the others are looked at all the same."""

    faults: list[Fault]

    def wanted(self, place: str) -> item_adding.NewItem:
        """As the service takes it."""
        told = [Wrong(field=one.field, message=one.message, remedy=one.remedy) for one in self.faults]
        return item_adding.NewItem(payload={}, place=place, faults=told)


def _read(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError as error:
        return Unread(faults_of(error))


Readable = Annotated[NewItem, WrapValidator(_read)] | SkipJsonSchema[InstanceOf[Unread]]


class Many(Strict):
    """Items in the order in which they are to stand."""

    items: list[Readable] = Field(min_length=1, max_length=SLICE_MAX)
    each: bool = Field(default=False, description="Add those that can be; else all or none.")
    place: str = Field(default="items", max_length=40, description="What messages call a place: `items.3`, `line 4`.")
    first: int = Field(default=0, ge=0, description="The number of the first item in its place.")
    numbers: list[int] = Field(
        default=[], max_length=SLICE_MAX, description="The number of each item in its place, where some are left out."
    )


class Slice(Many):
    """A slice of a batch."""

    start: int = Field(ge=0, description="How many items of the batch come before it; sent again it adds nothing.")


class Left(View):
    """An item that was not added."""

    place: str
    code: str
    errors: list[Fault]


class Added(View):
    """What came of it."""

    added: int
    refused: list[Left]


class Batch(View):
    """A batch."""

    id: str


class Shown(View):
    """How many items are visible now."""

    items: int


@route(
    "POST",
    "/queues/{queue}/items/bulk",
    Spec(
        role=Role.OPERATOR,
        summary="Add many items",
        about=f"Up to {SLICE_MAX}, in one transaction; more go as a batch.",
        status=201,
        bots=True,
        example={"items": [{"payload": {"number": "4711"}}, {"payload": {"number": "4712"}}]},
    ),
)
async def bulk(call: Call[Many, Nothing]) -> Sent[Added]:
    """How many were added, and which not."""
    new = _wanted(call.body)
    return await call.write(
        lambda tx: item_adding.add_many(tx, call.caller, call.path("queue"), new, each=call.body.each), _added
    )


@route("POST", "/queues/{queue}/batches", Spec(role=Role.OPERATOR, summary="Begin a batch", status=201, bots=True))
async def begin(call: Call[Nothing, Nothing]) -> Sent[Batch]:
    """A batch that nobody sees; left alone for an hour it is removed."""
    return await call.write(
        lambda tx: item_adding.open_batch(tx, call.caller, call.path("queue")), lambda one: Batch(id=one)
    )


@route(
    "POST",
    "/batches/{batch}/items",
    Spec(
        role=Role.OPERATOR,
        summary="Add a slice to a batch",
        bots=True,
        example={"start": 0, "items": [{"payload": {"number": "4711"}}]},
    ),
)
async def add(call: Call[Slice, Nothing]) -> Sent[Added]:
    """How many were added, and which not."""
    body, new = call.body, _wanted(call.body)
    return await call.write(
        lambda tx: item_adding.add_slice(tx, call.caller, call.path("batch"), body.start, new, each=body.each), _added
    )


@route("POST", "/batches/{batch}/show", Spec(role=Role.OPERATOR, summary="Make a batch visible", bots=True))
async def reveal(call: Call[Nothing, Nothing]) -> Sent[Shown]:
    """All of its items at once."""
    return await call.write(
        lambda tx: item_adding.reveal(tx, call.caller, call.path("batch")), lambda number: Shown(items=number)
    )


@route("DELETE", "/batches/{batch}", Spec(role=Role.OPERATOR, summary="Remove a batch that is not visible", bots=True))
async def drop(call: Call[Nothing, Nothing]) -> Sent[Batch]:
    """The batch that was."""
    return await call.write(lambda tx: item_adding.drop(tx, call.caller, call.path("batch")), lambda one: Batch(id=one))


ROUTES: tuple[Route, ...] = (bulk, begin, add, reveal, drop)


def _wanted(body: Many) -> list[item_adding.NewItem]:
    """The items, each with its place. Raises Refused (422) where not every one has a number."""
    numbers = body.numbers or range(body.first, body.first + len(body.items))
    if len(numbers) != len(body.items):
        fault = Fault(field="numbers", message=f"{len(numbers)} for {len(body.items)} items", remedy="number each item")
        raise Refused(422, "body", "The body can't be taken.", [fault])
    between = "." if body.place == "items" else " "
    return [one.wanted(f"{body.place}{between}{number}") for number, one in zip(numbers, body.items, strict=True)]


def _added(came: Came) -> Added:
    return Added(
        added=came.added,
        refused=[
            Left(
                place=one.place,
                code=one.code,
                errors=[Fault(field=fault.field, message=fault.message, remedy=fault.remedy) for fault in one.faults],
            )
            for one in came.refused
        ],
    )
