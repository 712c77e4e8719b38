"""`botyard resource`: licences, accounts, sessions of an application, of which there is only so much."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Share licences and accounts of which there is only so much."
)

Label = Annotated[str, typer.Argument(help="Label of the resource.")]
Name = Annotated[str | None, typer.Option(help="Name for people.")]
Description = Annotated[str | None, typer.Option(help="What it is.")]
Capacity = Annotated[int | None, typer.Option(metavar="NUMBER", help="How many units there are; 0: nobody begins.")]
Accounts = Annotated[
    list[str] | None,
    typer.Option("--account", help="An account, held by one task at once; repeat it. Given once, it replaces all."),
]


@app.command("list", epilog="Example: botyard resource list")
def list_(json_: show.Json = False) -> None:
    """List resources."""
    found = list(connected().all("/resources", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("resource", "used", "of", "waiting", "automations"),
        (
            (
                one["label"],
                one["used"],
                one["capacity"],
                len(one["waiting"]),
                " ".join(one["used_by"]),
            )
            for one in found
        ),
    )


@app.command("show", epilog="Example: botyard resource show sap-licence")
def show_(label: Label, json_: show.Json = False) -> None:
    """Show a resource: who holds what since when, and who waits."""
    _shown(connected().get(f"/resources/{segment(label)}"), json_)


@app.command(epilog="Example: botyard resource create sap-licence --capacity 3")
def create(
    label: Label,
    capacity: Capacity = None,
    account: Accounts = None,
    name: Name = None,
    description: Description = None,
    json_: show.Json = False,
) -> None:
    """Define a resource; `botyard automation edit NAME --use LABEL=1` makes its tasks hold some of it."""
    said = _said(capacity, account, name, description)
    _shown(connected().post("/resources", {"label": label, **said}), json_)


@app.command(epilog="Example: botyard resource edit sap-licence --capacity 4")
def edit(
    label: Label,
    capacity: Capacity = None,
    account: Accounts = None,
    name: Name = None,
    description: Description = None,
    json_: show.Json = False,
) -> None:
    """Change what is named; all else stays. Who holds more than there is goes on, and nobody new begins."""
    said = _said(capacity, account, name, description)
    if not said:
        raise Failure("nothing to change was named; see botyard resource edit --help.", Exit.USAGE)
    _shown(connected().patch(f"/resources/{segment(label)}", said), json_)


@app.command(epilog="Example: botyard resource delete sap-licence --yes")
def delete(label: Label, yes: show.Yes = False, json_: show.Json = False) -> None:
    """Delete a resource that no automation uses."""
    show.confirm(f"Remove the resource {label}?", "say --yes to remove it.", yes=yes)
    found = connected().delete(f"/resources/{segment(label)}")
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['label']}: deleted")


def _said(capacity: int | None, account: list[str] | None, name: str | None, description: str | None) -> dict[str, Any]:
    said = {"capacity": capacity, "accounts": account or None, "name": name, "description": description}
    return {key: value for key, value in said.items() if value is not None}


def _shown(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    shown = {"resource": found["label"], "name": found["name"], "description": found["description"] or None}
    shown |= {"capacity": found["capacity"], "used": found["used"]}
    shown |= {"accounts": " ".join(found["accounts"]) if found["accounts"] is not None else None}
    shown |= {"used by": " ".join(found["used_by"]) or "no automation"}
    show.members(shown)
    for one in found["holders"]:
        what = one["account"] or f"{one['units']} unit{'s' if one['units'] > 1 else ''}"
        typer.echo(f"  task {_number(one)} ({one['automation']}) holds {what} since {show.when(one['since'])}")
    for one in found["waiting"]:
        typer.echo(f"  task {_number(one)} ({one['automation']}) waits since {show.when(one['created_at'])}")


def _number(one: dict[str, Any]) -> str:
    return f"{one['number']}.{one['round']}" if one["round"] > 1 else str(one["number"])
