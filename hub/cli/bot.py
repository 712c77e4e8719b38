"""`botyard bot`: bots, their builds, their releases."""

from typing import Annotated

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look at bots and builds; release a build.")

Name = Annotated[str, typer.Argument(help="Name of the bot.")]


@app.command("list", epilog="Example: botyard bot list")
def list_(json_: show.Json = False) -> None:
    """List bots."""
    found = list(connected().all("/bots", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    rows = ((one["name"], one["released_version"] or "none", show.when(one["created_at"])) for one in found)
    show.table(("bot", "released", "since"), rows)


@app.command("show", epilog="Example: botyard bot show invoices")
def show_(name: Name, json_: show.Json = False) -> None:
    """Show a bot's builds, newest first."""
    client = connected()
    bot = client.get(f"/bots/{segment(name)}")
    builds = client.get(f"/bots/{segment(name)}/builds")["items"]
    if json_:
        show.as_json({**bot, "builds": builds})
        return
    show.table(
        ("version", "state", "kind", "size", "deployed", "digest", "problem"),
        (
            (
                one["version"],
                "released" if one["is_released"] else one["state"],
                one["kind"],
                show.size(one["size_bytes"]),
                show.when(one["created_at"]),
                one["digest"][:12],
                one["problem"],
            )
            for one in builds
        ),
    )


@app.command(epilog="Example: botyard bot release invoices 1.2.0")
def release(
    name: Name,
    version: Annotated[str, typer.Argument(help="Version of a ready build.")],
    json_: show.Json = False,
) -> None:
    """Make a build the one that new executions get."""
    build = connected().post(f"/bots/{segment(name)}/builds/{segment(version)}/release")
    if json_:
        show.as_json(build)
        return
    typer.echo(f"{build['bot']} {build['version']} is released")
