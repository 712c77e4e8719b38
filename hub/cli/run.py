"""`botyard run`: ask for a task; with `--follow` see it through."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import Client, segment
from hub.cli.connected import connected
from hub.cli.failing import Refusal, exit_of
from hub.cli.following import Following, outcome_line

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard run invoices -p month=2026-03 --follow

  botyard run invoices -p 'options:={"dry": true}' --priority 9

  botyard run invoices --parameters secrets.json

Other people on this machine can read a command line: secrets belong in a file, or on standard input (-).

Exit codes with --follow: 0 succeeded, 1 failed, 3 partial, 4 canceled, 5 timed out, 6 lost or refused, 7 hub not
reached, 130 detached by Ctrl-C (the task goes on).
"""


@app.command(epilog=EXAMPLES)
def run(
    label: Annotated[str, typer.Argument(help="Label of the automation.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="name=value, or name:=JSON for a value that is no text."),
    ] = None,
    parameters: Annotated[
        str | None, typer.Option(metavar="FILE", help="A JSON object of parameters; - reads standard input.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Show the output as it comes, wait for the end.")
    ] = False,
    priority: Annotated[int | None, typer.Option(min=0, max=10, help="0 to 10, 10 first.")] = None,
    not_before: Annotated[datetime | None, typer.Option(help="Wait until then (local time).")] = None,
    test: Annotated[bool, typer.Option("--test", help="Mark it as a trial.")] = False,
    json_: show.Json = False,
) -> int:
    """Ask for a task; prints its id first. With --follow: its output, then how it ended."""
    client = connected()
    task = client.post(
        "/tasks",
        {
            "automation": label,
            "parameters": {**_from_file(parameters), **_parameters(client, label, parameter or [])},
            "priority": priority,
            "not_before": not_before.astimezone().isoformat() if not_before else None,
            "test": test,
        },
    )
    if json_ and not follow:
        show.as_json(task)
        return 0
    sys.stdout.write(task["id"] + "\n")
    sys.stdout.flush()
    if not follow:
        show.note(f"task {task['number']} is {task['state']}; follow it: botyard logs -f {task['id']}")
        return 0
    finished = Following(client, task["id"]).run()
    if json_:
        show.as_json(finished)
    show.note(outcome_line(finished))
    return int(exit_of(finished["outcome"]))


def _from_file(source: str | None) -> dict[str, Any]:
    """The parameters of a file or of standard input; nothing that they hold is repeated in an error."""
    if source is None:
        return {}
    try:
        found = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text("utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{source} can't be read: {error.strerror}", param_hint="--parameters") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{source} holds no JSON object", param_hint="--parameters")
    return found


def _parameters(client: Client, label: str, given: list[str]) -> dict[str, Any]:
    """What was typed, as the types that the automation declares; text where it declares nothing."""
    if not given:
        return {}
    declared = _declared(client, label)
    return dict(_parameter(one, declared) for one in given)


def _declared(client: Client, label: str) -> dict[str, str]:
    try:
        automation = client.get(f"/automations/{segment(label)}")
    except Refusal as refusal:
        if refusal.status == 404:
            return {}
        raise
    return {one["name"]: one["type"] for one in automation["parameters"]}


def _parameter(text: str, declared: dict[str, str]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is no name=value", param_hint="-p")
    if not is_json and declared.get(name, "text") == "text":
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        wanted = declared.get(name, "json")
        raise typer.BadParameter(f"{name} takes {wanted}, and {value!r} is none", param_hint="-p") from None
