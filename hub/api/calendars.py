"""Calendars: which days are worked on; schedules keep to them."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from hub.api.call import Call, Nothing, Query, Sent, Strict, View
from hub.api.paging import Listing, Page, page
from hub.api.route import Route, Spec, route
from hub.domain import calendar as rules
from hub.domain.access import Role
from hub.services import calendars
from hub.storage.calendars import CalendarRow

Country = Field(default="", max_length=10, description="ISO code whose public holidays count.", examples=["DE"])
Subdivision = Field(default="", max_length=40, description="A part of the country.", examples=["BY"])


class Holiday(Strict):
    """A day of one's own on which nobody works."""

    date: str = Field(description="A day, or month and day for each year.", examples=["2026-12-31", "12-24"])
    name: str = Field(default="", max_length=200)


class NewCalendar(Strict):
    """A calendar that is asked for."""

    label: str = Field(min_length=1, max_length=128)
    name: str = Field(default="", max_length=200, description="For people; the label where it is absent.")
    country: str = Country
    subdivision: str = Subdivision
    holidays: list[Holiday] = Field(default=[])
    working_days: list[str] = Field(default=[], description="Worked, whatever else is said of them: 2026-12-19.")
    weekend: list[str] = Field(default=["saturday", "sunday"])


class Changes(Strict):
    """What to change; absent members stay as they are."""

    name: str | None = Field(default=None, max_length=200)
    country: str | None = Field(default=None, max_length=10)
    subdivision: str | None = Field(default=None, max_length=40)
    holidays: list[Holiday] | None = None
    working_days: list[str] | None = None
    weekend: list[str] | None = None


class Day(View):
    """A day on which nobody works, weekends aside."""

    date: date
    name: str


class Year(Query):
    """Which year."""

    year: int | None = Field(default=None, description="This one, unless said.")


class Days(View):
    """The days of a year."""

    year: int
    items: list[Day]


class Calendar(View):
    """Which days are worked on."""

    id: str
    label: str
    name: str
    country: str
    subdivision: str
    holidays: list[Holiday]
    working_days: list[str]
    weekend: list[str]
    created_at: datetime
    updated_at: datetime


@route("GET", "/calendars", Spec(role=Role.VIEWER, summary="List calendars", about="By label."))
async def listing(call: Call[Nothing, Listing]) -> Page[Calendar]:
    """Calendars of the workspace."""
    query = call.query
    found = await call.read(lambda tx: calendars.page(tx, call.caller.workspace_id, query.after, query.limit + 1))
    return page(found, query, view, lambda one: one.label)


@route("GET", "/calendars/{calendar}", Spec(role=Role.VIEWER, summary="Show a calendar"))
async def show(call: Call[Nothing, Nothing]) -> Calendar:
    """One calendar, by label or id."""
    return view(await call.read(lambda tx: calendars.show(tx, call.caller.workspace_id, call.path("calendar"))))


@route(
    "GET",
    "/calendars/{calendar}/days",
    Spec(role=Role.VIEWER, summary="A year's holidays", about="Public and own ones, without weekends."),
)
async def days(call: Call[Nothing, Year]) -> Days:
    """The days of a year on which nobody works."""
    row = await call.read(lambda tx: calendars.show(tx, call.caller.workspace_id, call.path("calendar")))
    year = call.query.year or call.hub.clock.now().year
    return Days(year=year, items=[Day(date=day, name=name) for day, name in calendars.days_off(row, year)])


@route(
    "POST",
    "/calendars",
    Spec(
        role=Role.DEVELOPER,
        summary="Define a calendar",
        status=201,
        example={"label": "bavaria", "country": "DE", "subdivision": "BY", "holidays": [{"date": "12-24"}]},
    ),
)
async def create(call: Call[NewCalendar, Nothing]) -> Sent[Calendar]:
    """A new calendar."""
    body, new = call.body, definition_of(call.body)
    return await call.write(lambda tx: calendars.create(tx, call.caller, body.label, body.name, new), view)


@route(
    "PATCH",
    "/calendars/{calendar}",
    Spec(
        role=Role.DEVELOPER,
        summary="Change a calendar",
        about="Triggers that keep to it have their next moment anew.",
        example={"working_days": ["2026-12-19"]},
    ),
)
async def edit(call: Call[Changes, Nothing]) -> Sent[Calendar]:
    """The calendar with the named members changed."""
    changes = {name: value for name, value in _members(call.body, set()).items() if value is not None}
    return await call.write(lambda tx: calendars.edit(tx, call.caller, call.path("calendar"), changes), view)


@route(
    "DELETE",
    "/calendars/{calendar}",
    Spec(role=Role.DEVELOPER, summary="Delete a calendar", about="One that no trigger keeps to."),
)
async def delete(call: Call[Nothing, Nothing]) -> Sent[Calendar]:
    """The calendar as it was."""
    return await call.write(lambda tx: calendars.delete(tx, call.caller, call.path("calendar")), view)


ROUTES: tuple[Route, ...] = (listing, show, days, create, edit, delete)


def definition_of(body: NewCalendar) -> rules.Calendar:
    """What was sent, as the domain has it."""
    return rules.Calendar(**_members(body, {"label", "name", "kind"}))


def view(row: CalendarRow) -> Calendar:
    """A calendar as clients see it."""
    said = rules.read(row.definition)
    return Calendar(
        id=row.id,
        label=row.label,
        name=row.name,
        country=said.country,
        subdivision=said.subdivision,
        holidays=[Holiday(date=one.date, name=one.name) for one in said.holidays],
        working_days=list(said.working_days),
        weekend=list(said.weekend),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _members(body: NewCalendar | Changes, apart: set[str]) -> dict[str, Any]:
    """The members that were sent, as the domain has them."""
    sent: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set - apart}
    if sent.get("holidays") is not None:
        sent["holidays"] = tuple(rules.Holiday(date=one.date, name=one.name) for one in sent["holidays"])
    for name in ("working_days", "weekend"):
        if sent.get(name) is not None:
            sent[name] = tuple(sent[name])
    return sent
