"""`botyard calendar`: which days are worked on."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Say which days are worked on.")

Label = Annotated[str, typer.Argument(help="Label of the calendar.")]
Name = Annotated[str | None, typer.Option(help="Name for people.")]
Country = Annotated[str | None, typer.Option(help="ISO code whose public holidays count: DE; '' for none.")]
Subdivision = Annotated[str | None, typer.Option(help="A part of the country: BY; '' for none.")]
Holiday = Annotated[
    list[str] | None,
    typer.Option(help="2026-12-31, or 12-24 for each year, and =name behind it. Given once, it replaces all."),
]
WorkingDay = Annotated[list[str] | None, typer.Option(help="2026-12-19: worked all the same. Replaces all.")]
Weekend = Annotated[str | None, typer.Option(help="saturday,sunday; '' for none.")]


@app.command("list", epilog="Example: botyard calendar list")
def list_(json_: show.Json = False) -> None:
    """List calendars."""
    found = list(connected().all("/calendars", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("calendar", "country", "own holidays", "own working days", "weekend"),
        (
            (
                one["label"],
                " ".join(filter(None, (one["country"], one["subdivision"]))),
                len(one["holidays"]),
                len(one["working_days"]),
                " ".join(one["weekend"]),
            )
            for one in found
        ),
    )


@app.command("show", epilog="Example: botyard calendar show bavaria --year 2027")
def show_(
    label: Label,
    year: Annotated[int | None, typer.Option(help="Whose holidays are listed; this one, unless said.")] = None,
    json_: show.Json = False,
) -> None:
    """Show a calendar and a year's holidays."""
    client = connected()
    found = client.get(f"/calendars/{segment(label)}")
    days = client.get(f"/calendars/{segment(label)}/days", {"year": year})
    if json_:
        show.as_json({**found, "days": days})
        return
    shown = {name: found[name] for name in ("id", "label", "name", "country", "subdivision")}
    shown |= {"weekend": " ".join(found["weekend"]), "working days": " ".join(found["working_days"])}
    show.members(shown)
    for one in days["items"]:
        typer.echo(f"  {one['date']}  {one['name']}")


@app.command(epilog="Example: botyard calendar create bavaria --country DE --subdivision BY --holiday 12-24=Eve")
def create(
    label: Label,
    country: Country = None,
    subdivision: Subdivision = None,
    holiday: Holiday = None,
    working_day: WorkingDay = None,
    weekend: Weekend = None,
    name: Name = None,
    json_: show.Json = False,
) -> None:
    """Define a calendar; `botyard trigger create … --calendar LABEL` keeps to it."""
    said = _said(country, subdivision, holiday, working_day, weekend, name)
    _made(connected().post("/calendars", {"label": label, **said}), json_)


@app.command(epilog="Example: botyard calendar edit bavaria --working-day 2026-12-19")
def edit(
    label: Label,
    country: Country = None,
    subdivision: Subdivision = None,
    holiday: Holiday = None,
    working_day: WorkingDay = None,
    weekend: Weekend = None,
    name: Name = None,
    json_: show.Json = False,
) -> None:
    """Change what is named; all else stays. Triggers that keep to it have their next moment anew."""
    said = _said(country, subdivision, holiday, working_day, weekend, name)
    if not said:
        raise Failure("nothing to change was named; see botyard calendar edit --help.", Exit.USAGE)
    _made(connected().patch(f"/calendars/{segment(label)}", said), json_)


@app.command(epilog="Example: botyard calendar delete bavaria --yes")
def delete(
    label: Label,
    yes: show.Yes = False,
    json_: show.Json = False,
) -> None:
    """Remove a calendar that no trigger keeps to."""
    show.confirm(f"Remove {label}?", "say --yes to remove it.", yes=yes)
    found = connected().delete(f"/calendars/{segment(label)}")
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['label']}: deleted")


def _said(
    country: str | None,
    subdivision: str | None,
    holiday: list[str] | None,
    working_day: list[str] | None,
    weekend: str | None,
    name: str | None,
) -> dict[str, Any]:
    """The members that were named."""
    said: dict[str, Any] = {"country": country, "subdivision": subdivision, "name": name}
    if holiday:
        named = (one.partition("=") for one in holiday)
        said["holidays"] = [{"date": day, "name": text} for day, _, text in named]
    said["working_days"] = working_day or None
    if weekend is not None:
        said["weekend"] = [day.strip() for day in weekend.lower().split(",") if day.strip()]
    return {key: value for key, value in said.items() if value is not None}


def _made(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    where = " ".join(filter(None, (found["country"], found["subdivision"]))) or "no country"
    typer.echo(f"{found['label']}: {where}, {show.many(len(found['holidays']), 'own holiday')}")
