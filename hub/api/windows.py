"""Maintenance windows of runners."""

from datetime import datetime

from pydantic import AwareDatetime, Field

from hub.api.call import Call, Nothing, Sent, Strict, View
from hub.api.route import Route, Spec, route
from hub.domain import window as rules
from hub.domain.access import Role
from hub.services import windows
from hub.services.windows import NewWindow


class Window(View):
    """When a runner gets no new work; what it runs goes on."""

    id: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str


class Windows(View):
    """Windows of one runner."""

    items: list[Window]


class PlannedWindow(Strict):
    """A window that is asked for."""

    starts_at: AwareDatetime | None = Field(default=None, description="Now, if absent.")
    ends_at: AwareDatetime
    reason: str = Field(description=f"Shown where tasks wait; at most {rules.REASON_MAX} characters.")


@route(
    "GET",
    "/runners/{runner}/windows",
    Spec(role=Role.VIEWER, summary="List a runner's windows", about="By their start; 30 days after their end too."),
)
async def listing(call: Call[Nothing, Nothing]) -> Windows:
    """All windows of a runner."""
    found = await call.read(lambda tx: windows.listing(tx, call.caller.workspace_id, call.path("runner")))
    return Windows(items=[view(one) for one in found])


@route(
    "POST",
    "/runners/{runner}/windows",
    Spec(
        role=Role.OPERATOR,
        summary="Plan a window",
        about="From its start to its end the runner gets no new work; its bots go on.",
        status=201,
        example={"starts_at": "2030-03-31T22:00:00Z", "ends_at": "2030-04-01T04:00:00Z", "reason": "Windows updates"},
    ),
)
async def add(call: Call[PlannedWindow, Nothing]) -> Sent[Window]:
    """The window as it is planned."""
    caller, body = call.caller, call.body
    new = NewWindow(starts_at=body.starts_at, ends_at=body.ends_at, reason=body.reason)
    return await call.write(
        lambda tx: windows.add(tx, caller.workspace_id, call.path("runner"), caller.actor, new), view
    )


@route(
    "DELETE",
    "/runners/{runner}/windows/{window}",
    Spec(role=Role.OPERATOR, summary="Take a window back", about="One that is open ends at once."),
)
async def remove(call: Call[Nothing, Nothing]) -> Sent[Window]:
    """The window as it was."""
    caller = call.caller
    return await call.write(
        lambda tx: windows.remove(tx, caller.workspace_id, call.path("runner"), call.path("window"), caller.actor), view
    )


ROUTES: tuple[Route, ...] = (listing, add, remove)


def view(window: rules.Window) -> Window:
    """A window as clients see it."""
    return Window(**{name: getattr(window, name) for name in Window.model_fields})
