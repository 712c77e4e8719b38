"""`botyard runner`: bring runners in, look at them, drain and revoke them."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from hub.cli import condition, looking, show, window
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Bring runners in, watch, drain, revoke them.")

_QUARANTINE = (
    "was seen twice (a copy of its machine, home or disk) and gets no new work: "
    "botyard-agent enroll --again there, with a new token; then botyard runner revoke it"
)
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
                _state(one),
                f"{one['running']}/{one['slots']}",
                show.labels(one["labels"]),
                "now" if one["connected"] else show.when(one["last_seen_at"] or one["connected_at"]) or "never",
                one["agent_version"],
            )
            for one in found
        ),
    )
    for one in found:
        if one["state"] == "quarantined":
            show.note(f"{one['name']} {_quarantine(one)}")


@app.command("show", epilog="Example: botyard runner show desk-1")
def show_(name: Name, json_: show.Json = False) -> None:
    """Show a runner: its link, its slots, what it runs, which builds it has ready, what it can't do."""
    found = connected().get(f"/runners/{segment(name)}")
    if json_:
        show.as_json(found)
        return
    platform = dict(found["platform"])
    limits = platform.pop("limits", None)
    show.members(
        {
            "runner": f"{found['name']}  {found['id']}",
            "state": _state(found),
            "link": _link(found),
            "labels": show.labels(found["labels"]),
            "slots": f"{found['free']} of {found['slots']} free",
            "version": found["agent_version"],
            "platform": show.labels(platform),
            "applications": ", ".join(found["applications"]) or None,
            "enforces limits by": limits,
            "enrolled": show.when(found["created_at"]),
        }
    )
    condition.echo(found)
    for one in found["busy"]:
        typer.echo(f"  slot {one['slot']}: {_task(one)} {one['state']} since {show.when(one['since'])}")
    if found["builds"]:
        typer.echo()
        show.table(("build", "version", "on it", "progress", "digest", "said"), map(_build, found["builds"]))


@app.command(epilog="Example: botyard runner token --label room=accounting")
def token(
    label: Annotated[list[str] | None, typer.Option(help="name=value: a label that the runner gets.")] = None,
    name: Annotated[str | None, typer.Option(help="The runner's name, unless it brings one.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the token can be used.")] = 10,
    json_: show.Json = False,
) -> None:
    """Make a token that brings one runner in, once; prints the line to paste on the new machine."""
    from hub.cli import joining

    body = {"labels": show.read_labels(label or [], "--label"), "name": name, "minutes": minutes}
    client = connected()
    pin, there = joining.pin_of(client), client.get("/bundles")
    joining.check_address(client.url, there)  # before there is a token that nobody gets to see
    made = client.post("/enrolment-tokens", body)
    # Through standard input: an argument would stand in every process list (S11).
    command = f"echo {made['token']} | botyard-agent enroll {client.url} --token -"
    lines = joining.lines(client.url, made["token"], pin)
    if json_:
        show.as_json(
            {**made, "command": command, "install": asdict(lines), "warnings": joining.doubts(client.url, there)}
        )
        return
    typer.echo(f"# Linux: a service of the machine; without sudo: in your own session\n{lines.linux}\n")
    typer.echo(f"# macOS\n{lines.macos}\n")
    typer.echo("# Windows: PowerShell; as administrator, with -User NAME behind it, for bots in that user's session")
    typer.echo(f"{lines.windows}\n")
    typer.echo(f"# where botyard-agent is installed already\n{command}")
    for doubt in joining.doubts(client.url, there):
        show.note(doubt)
    show.note(f"one of them, once, within {minutes} minutes")


@app.command(epilog="Example: botyard runner drain desk-1 --reason 'new graphics driver' --wait")
def drain(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, for people: shown with it and where tasks wait.")] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Until its bots have ended; Ctrl-C only ends the waiting.")
    ] = False,
    json_: show.Json = False,
) -> None:
    """Give a runner no new work, over every restart, until it is resumed; its bots are left alone."""
    client = connected()
    found = client.post(f"/runners/{segment(name)}/drain", {"reason": reason})
    if wait:
        from hub.cli.draining import until_idle

        found = until_idle(client, found["id"])
    _changed(found, json_)


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
    client = connected()
    if not yes and not sys.stdin.isatty():
        raise Failure("nobody is there to confirm: say --yes to cut it off for ever.", code=Exit.USAGE)
    if not yes:
        found = client.get(f"/runners/{segment(name)}")
        runs = ", ".join(_task(one) for one in found["busy"]) or "nothing"
        typer.confirm(f"Cut {found['name']} off for ever? It runs {runs}; that is lost.", abort=True, err=True)
    _changed(client.post(f"/runners/{segment(name)}/revoke"), json_)


app.add_typer(window.app, name="window")
app.command(epilog="Example: botyard runner screenshot desk-1 --desktop 2 -o desk.png")(looking.screenshot)
app.command(epilog="Example: botyard runner watch desk-1")(looking.watch)


def _changed(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['name']}: {_state(found)}")


def _quarantine(one: dict[str, Any]) -> str:
    """Why it gets no work for its machine's sake, and what ends that."""
    if one["is_copied"]:
        return _QUARANTINE
    why = show.one_line(one["quarantine_reason"] or "its machine failed again and again")
    return f"gets no new work: {why}; mend the machine, then botyard runner resume {one['name']}"


def _state(one: dict[str, Any]) -> str:
    reason = f": {show.one_line(one['drain_reason'])}" if one["drain_reason"] else ""
    state = str(one["state"]) + (f" (draining{reason})" if one["draining"] else "")
    state += f" ({', '.join(one['faults'])})" if one["faults"] else ""
    return state + (f" (maintenance: {show.one_line(one['window']['reason'])})" if one["window"] else "")


def _link(one: dict[str, Any]) -> str:
    """Since when the link stands, or is gone."""
    if one["connected"]:
        return f"since {show.when(one['connected_at'])}"
    gone = one["unreachable_since"] or one["last_seen_at"] or one["connected_at"]
    return f"gone since {show.when(gone)}" if gone else "never there"


def _task(one: dict[str, Any]) -> str:
    number = str(one["number"]) + (f".{one['round']}" if one["round"] > 1 else "")
    return f"task {number} ({one['automation']})"


def _build(one: dict[str, Any]) -> tuple[object, ...]:
    """A build's row: what is prepared needs no progress."""
    is_ready = one["state"] == "prepared"
    name = one["bot"] + (" (released)" if one["is_released"] else "")
    progress = show.when(one["updated_at"]) if is_ready else f"{one['progress']:.0%}"
    return (name, one["version"], one["state"], progress, one["digest"][:12], one["message"])
