"""`botyard key`: who may speak to the hub."""

from typing import Annotated

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make, list and revoke keys.")


@app.command("list", epilog="Example: botyard key list")
def list_(json_: show.Json = False) -> None:
    """List keys."""
    found = list(connected().all("/keys", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("key", "name", "role", "used", "ends"),
        (
            (
                one["id"],
                one["name"],
                one["role"],
                show.when(one["last_used_at"]) or "never",
                "revoked" if one["revoked_at"] else show.when(one["expires_at"]) or "never",
            )
            for one in found
        ),
    )


@app.command(epilog="Example: botyard key create ci --role developer --days 30")
def create(
    name: Annotated[str, typer.Argument(help="What uses it; events and tasks show this name.")] = "sdk",
    role: Annotated[str, typer.Option(help="viewer, operator, developer or admin.")] = "operator",
    days: Annotated[int, typer.Option(min=0, max=3650, help="Days that it is good; 0: until revoked.")] = 90,
    json_: show.Json = False,
) -> None:
    """Make a key: `login` and `key` are what BotCity's SDKs want, `key` alone is BOTYARD_TOKEN."""
    made = connected().post("/keys", {"name": name, "role": role, "days": days or None})
    if json_:
        show.as_json(made)
        return
    show.members({"login": made["login"], "key": made["key"]})
    show.note(f"{made['role']}; shown only now")


@app.command(epilog="Example: botyard key revoke key_0190f3a1c2d84b6e9f00112233445566")
def revoke(key: Annotated[str, typer.Argument(help="Id of the key.")], json_: show.Json = False) -> None:
    """Refuse a key from now on, and every login made with it."""
    found = connected().post(f"/keys/{segment(key)}/revoke")
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['name']}: revoked")
