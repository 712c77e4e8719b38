"""`botyard runner`: bring runners in, look at them, drain and revoke them."""

import sys
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Bring runners in, watch, drain, revoke them.")

Name = Annotated[str, typer.Argument(help="Name or id of the runner.")]


@app.command("list", epilog="Example: botyard runner list")
def list_(json_: show.Json = False) -> None:
    """List runners."""
    found = list(connected().all("/runners", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("runner", "state", "bots", "labels", "heard", "version"),
        (
            (
                one["name"],
                one["state"] + (" (draining)" if one["draining"] else ""),
                f"{one['running']}/{one['slots']}",
                show.labels(one["labels"]),
                "now" if one["connected"] else show.when(one["last_seen_at"] or one["connected_at"]) or "never",
                one["agent_version"],
            )
            for one in found
        ),
    )


@app.command("show", epilog="Example: botyard runner show desk-1")
def show_(name: Name, json_: show.Json = False) -> None:
    """Show a runner."""
    found = connected().get(f"/runners/{segment(name)}")
    if json_:
        show.as_json(found)
        return
    times = {key: show.when(found[key]) for key in ("connected_at", "last_seen_at", "unreachable_since", "created_at")}
    show.members({**found, **times, "labels": show.labels(found["labels"]), "platform": show.labels(found["platform"])})


@app.command(epilog="Example: botyard runner token --label room=accounting")
def token(
    label: Annotated[list[str] | None, typer.Option(help="name=value: a label that the runner gets.")] = None,
    name: Annotated[str | None, typer.Option(help="The runner's name, unless it brings one.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the token can be used.")] = 10,
    json_: show.Json = False,
) -> None:
    """Make a token that brings one runner in, once; prints what to paste on the new machine."""
    client = connected()
    body = {"labels": show.read_labels(label or [], "--label"), "name": name, "minutes": minutes}
    made = client.post("/enrolment-tokens", body)
    # Through standard input: an argument would stand in every process list (S11).
    command = f"echo {made['token']} | botyard-agent enroll {client.url} --token -"
    if json_:
        show.as_json({**made, "command": command})
        return
    typer.echo(command)
    show.note(f"good once, for {minutes} minutes; then, there: botyard-agent run")


@app.command(epilog="Example: botyard runner drain desk-1")
def drain(name: Name, json_: show.Json = False) -> None:
    """Give a runner no new work; its bots are left alone."""
    _changed(connected().post(f"/runners/{segment(name)}/drain"), json_)


@app.command(epilog="Example: botyard runner resume desk-1")
def resume(name: Name, json_: show.Json = False) -> None:
    """Give a drained runner work again."""
    _changed(connected().post(f"/runners/{segment(name)}/resume"), json_)


@app.command(epilog="Example: botyard runner revoke desk-1 --yes")
def revoke(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json_: show.Json = False,
) -> None:
    """Cut a runner off for ever; what it ran is lost."""
    if not yes and not sys.stdin.isatty():
        raise Failure("Nobody is there to confirm: say --yes to cut it off for ever.", code=Exit.USAGE)
    if not yes:
        typer.confirm(f"Cut {name} off for ever? What it runs is lost.", abort=True)
    _changed(connected().post(f"/runners/{segment(name)}/revoke"), json_)


def _changed(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['name']}: {found['state']}{' (draining)' if found['draining'] else ''}")
