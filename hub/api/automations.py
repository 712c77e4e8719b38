"""Automations: what can be asked for."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, JsonValue

from agent.wire.task import Limits as Limited
from agent.wire.words import OnDisconnect
from hub.api import desktop_views, sharing_views
from hub.api.call import Call, Nothing, Sent, Strict
from hub.api.desktop_views import OnScreen, OnScreenChanges, OnScreenView, on_screen_members
from hub.api.limit_views import Limits, LimitsView, limits_view
from hub.api.limit_views import said as limits_said
from hub.api.paging import Listing, Page, page
from hub.api.retry_views import Retry, retry_view
from hub.api.retry_views import said as retry_said
from hub.api.route import Route, Spec, route
from hub.api.sharing_views import Shared, SharedView, shared_members
from hub.domain.access import Role
from hub.domain.automation import Automation as Stored
from hub.domain.automation import AutomationState, Definition, ReportRule
from hub.domain.demand import Sharing
from hub.domain.desktop_wish import DesktopWish
from hub.domain.limits import merged
from hub.domain.parameters import Parameter as Declared
from hub.domain.parameters import ParameterType
from hub.domain.retry import RetryPolicy
from hub.services import automations

Type = Annotated[ParameterType, Field(strict=False)]
Report = Annotated[ReportRule, Field(strict=False, description="Whether exit code 0 without a report is a success.")]
Disconnect = Annotated[OnDisconnect, Field(strict=False, description="What a bot does when its runner's link is gone.")]
State = Annotated[AutomationState, Field(strict=False)]
Priority = Annotated[int, Field(ge=0, le=10, description="10 first.")]
Labels = Annotated[dict[str, str], Field(description="Labels that a runner must have.", examples=[{"os": "windows"}])]


class Parameter(Strict):
    """A parameter that tasks may or must give."""

    name: str
    type: Type = ParameterType.TEXT
    required: bool = False
    default: JsonValue = None
    secret: bool = Field(default=False, description="Never shown, masked in the output.")
    description: str = Field(default="", max_length=1000)


class NewAutomation(Shared, OnScreen):
    """An automation that is asked for."""

    label: str = Field(min_length=1, max_length=128)
    bot: str = Field(min_length=1, max_length=128, description="Name of a deployed bot.")
    name: str = Field(default="", max_length=200, description="For people; the label where it is absent.")
    description: str = Field(default="", max_length=4000)
    parameters: list[Parameter] = Field(default=[], description="None declared: any are taken.")
    needs: Labels = Field(default={})
    priority: Priority = 5
    report: Report = ReportRule.DEFAULT
    on_disconnect: Disconnect = OnDisconnect.KEEP
    lost_after_s: int = Field(default=600, ge=120)
    run_limit_s: int | None = Field(default=86400, ge=1, description="Counted from its start. null: no limit.")
    limits: Limits = Field(default=Limits())
    retry: Retry = Field(default=Retry())
    state: State = AutomationState.ACTIVE


class Changes(Shared, OnScreenChanges):
    """What to change; absent members stay as they are."""

    bot: str | None = None
    name: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=4000)
    parameters: list[Parameter] | None = None
    needs: Labels | None = None
    priority: Priority | None = None
    report: Report | None = None
    on_disconnect: Disconnect | None = None
    lost_after_s: int | None = Field(default=None, ge=120)
    run_limit_s: int | None = Field(default=None, ge=1, description="null: no limit.")
    limits: Limits | None = None
    retry: Retry | None = None
    state: State | None = None


class Automation(SharedView, OnScreenView):
    """An automation."""

    id: str
    label: str
    name: str
    description: str
    bot: str
    released_build: str | None = Field(description="Build that the next task gets; null until the bot has a release.")
    parameters: list[Parameter]
    needs: dict[str, str]
    priority: int
    report: ReportRule
    on_disconnect: OnDisconnect
    lost_after_s: int
    run_limit_s: int | None
    limits: LimitsView
    retry: Retry
    state: AutomationState
    paused_why: str | None = Field(description="Why the hub stopped it by itself.")
    stopped_at: datetime | None = Field(
        description="Since when it is stopped: none of its waiting tasks starts either."
    )
    created_at: datetime
    updated_at: datetime


@route("GET", "/automations", Spec(role=Role.VIEWER, summary="List automations", about="By label."))
async def listing(call: Call[Nothing, Listing]) -> Page[Automation]:
    """Automations of the workspace."""
    query = call.query
    found = await call.read(lambda tx: automations.page(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, view, lambda one: one.definition.label)


@route("GET", "/automations/{automation}", Spec(role=Role.VIEWER, summary="Show an automation"))
async def show(call: Call[Nothing, Nothing]) -> Automation:
    """One automation, by label or id."""
    return view(await call.read(lambda tx: automations.show(tx, call.caller.workspace_id, call.path("automation"))))


@route(
    "POST",
    "/automations",
    Spec(
        role=Role.DEVELOPER,
        summary="Define an automation",
        status=201,
        example={
            "label": "invoices",
            "bot": "invoices",
            "parameters": [{"name": "month", "required": True}],
            "needs": {"os": "linux"},
        },
    ),
)
async def create(call: Call[NewAutomation, Nothing]) -> Sent[Automation]:
    """A new automation of a deployed bot."""
    new = definition_of(call.body)
    return await call.write(lambda tx: automations.create(tx, call.caller, new), view)


@route(
    "PATCH",
    "/automations/{automation}",
    Spec(
        role=Role.DEVELOPER,
        summary="Change an automation",
        about="Tasks that were asked for already keep their parameters.",
        example={"priority": 9, "state": "active"},
    ),
)
async def edit(call: Call[Changes, Nothing]) -> Sent[Automation]:
    """The automation with the named members changed."""
    changes = _changes(call.body, exclude=set())
    return await call.write(lambda tx: automations.edit(tx, call.caller, call.path("automation"), changes), view)


ROUTES: tuple[Route, ...] = (listing, show, create, edit)


def definition_of(body: NewAutomation) -> Definition:
    """What was sent, as the domain has it."""
    changes = _changes(body, exclude={"label", "kind"})
    limits = merged(Limited(), changes.pop("limits", {}))
    retry = RetryPolicy(**changes.pop("retry", {}))
    sharing = Sharing(**changes.pop("sharing", {}))
    wish = DesktopWish(**changes.pop("on_screen", {}))
    return Definition(label=body.label, sharing=sharing, limits=limits, retry=retry, on_screen=wish, **changes)


def view(one: Stored) -> Automation:
    """An automation as clients see it."""
    said = one.definition
    return Automation(
        id=one.id,
        label=said.label,
        name=said.name,
        description=said.description,
        bot=said.bot,
        released_build=one.released_build_id,
        parameters=[_parameter(declared) for declared in said.parameters],
        needs=dict(said.needs),
        priority=said.priority,
        report=said.report,
        on_disconnect=said.on_disconnect,
        lost_after_s=said.lost_after_s,
        run_limit_s=said.run_limit_s,
        limits=limits_view(said.limits),
        **shared_members(said.sharing),
        **on_screen_members(said.on_screen),
        retry=retry_view(said.retry),
        state=said.state,
        paused_why=one.paused_why,
        stopped_at=one.stopped_at,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def _parameter(declared: Declared) -> Parameter:
    return Parameter(**{name: getattr(declared, name) for name in Parameter.model_fields})


def _changes(body: NewAutomation | Changes, exclude: set[str]) -> dict[str, Any]:
    """The members that were sent, as a definition has them."""
    said: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set - exclude}
    shared = {name: said.pop(name) for name in sharing_views.MEMBERS & said.keys()}
    on_screen = {name: said.pop(name) for name in desktop_views.MEMBERS.keys() & said.keys()}
    # For the others null is as good as absent; here it says "no limit".
    sent = {name: value for name, value in said.items() if value is not None or name == "run_limit_s"}
    if body.limits is not None and "limits" in sent:
        sent["limits"] = limits_said(body.limits)
    if shared:
        sent["sharing"] = sharing_views.said(body)
    if on_screen:
        sent["on_screen"] = desktop_views.said(body)
    if body.parameters is not None and "parameters" in sent:
        sent["parameters"] = tuple(Declared(**one.model_dump()) for one in body.parameters)
    if body.retry is not None and "retry" in sent:
        sent["retry"] = retry_said(body.retry)
    return sent
