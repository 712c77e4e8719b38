"""Breakers: what keeps items from an application that is out of order."""

from datetime import datetime

from pydantic import Field

from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.domain.access import Role
from hub.domain.breaker import BreakerPolicy, BreakerState
from hub.services import breakers
from hub.storage.breakers import BreakerRow


class BreakerChanges(Strict):
    """What to change of a breaker's policy; absent members stay as they are."""

    threshold: int | None = Field(default=None, ge=1, le=1000, description="System errors in a row that open it.")
    probe_after_s: float | None = Field(default=None, ge=1, description="From opening to probe; doubled each time.")
    cap_s: float | None = Field(default=None, ge=1, description="No probe waits longer.")
    close_after: int | None = Field(default=None, ge=1, le=1000, description="Probes that must pass: 1, 2, 4 …")
    patience_s: float | None = Field(default=None, ge=1, description="A probe that takes longer is given up.")


class OpenBreaker(Strict):
    """Why somebody opens a breaker."""

    why: str = Field(default="", max_length=400, description="For people who find their items waiting.")


class Breaker(View):
    """A breaker of one application."""

    id: str
    label: str = Field(description="The application; queues name it as their target.")
    state: BreakerState
    why: str | None = Field(description="What opened it.")
    item: str | None = Field(description="The item whose failure opened it.")
    failed_in_a_row: int
    openings: int = Field(description="In a row, without a closing between.")
    opened_at: datetime | None
    probe_at: datetime | None = Field(
        description="Open: when a probe goes, null: when somebody closes it. Half open: when probes are given up."
    )
    probes_out: int
    probes_passed: int
    threshold: int
    probe_after_s: float
    cap_s: float
    close_after: int
    patience_s: float
    created_at: datetime
    updated_at: datetime


@route("GET", "/breakers", Spec(role=Role.VIEWER, summary="List breakers", about="By label."))
async def listing(call: Call[Nothing, Listing]) -> Page[Breaker]:
    """Breakers of the workspace: one for each application that failed once, or that somebody set up."""
    query = call.query
    found = await call.read(lambda tx: breakers.page(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, view, lambda one: one.label)


@route("GET", "/breakers/{breaker}", Spec(role=Role.VIEWER, summary="Show a breaker"))
async def show(call: Call[Nothing, Nothing]) -> Breaker:
    """One breaker."""
    return view(await call.read(lambda tx: breakers.show(tx, call.caller.workspace_id, call.path("breaker"))))


@route(
    "PATCH",
    "/breakers/{breaker}",
    Spec(
        role=Role.DEVELOPER,
        summary="Set up or change a breaker",
        about="Made, closed, when nothing needed it before.",
        example={"threshold": 3, "probe_after_s": 60},
    ),
)
async def edit(call: Call[BreakerChanges, Nothing]) -> Sent[Breaker]:
    """The breaker with the named members changed."""
    sent = {name: value for name in call.body.model_fields_set if (value := getattr(call.body, name)) is not None}
    return await call.write(lambda tx: breakers.edit(tx, call.caller, call.path("breaker"), sent), view)


@route(
    "POST",
    "/breakers/{breaker}/open",
    Spec(
        role=Role.OPERATOR,
        summary="Open a breaker",
        about="No item of the application is handed out until somebody closes it: no probe goes.",
        example={"why": "maintenance until 18:00"},
    ),
)
async def open_(call: Call[OpenBreaker, Nothing]) -> Sent[Breaker]:
    """The breaker, open."""
    why = call.body.why
    return await call.write(lambda tx: breakers.open_by_hand(tx, call.caller, call.path("breaker"), why), view)


@route(
    "POST",
    "/breakers/{breaker}/close",
    Spec(role=Role.OPERATOR, summary="Close a breaker", about="Items are handed out again at once."),
)
async def close(call: Call[Nothing, Nothing]) -> Sent[Breaker]:
    """The breaker, closed."""
    return await call.write(lambda tx: breakers.close_by_hand(tx, call.caller, call.path("breaker")), view)


ROUTES: tuple[Route, ...] = (listing, show, edit, open_, close)


def view(row: BreakerRow) -> Breaker:
    """A breaker as clients see it."""
    policy = BreakerPolicy.read(row.policy).stored()
    same = {name: getattr(row, name) for name in Breaker.model_fields if hasattr(row, name)}
    return Breaker(**{**same, **policy}, item=row.item_id)
