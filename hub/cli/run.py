"""`botyard run`: ask for a task; with `--follow` see it through."""

import sys
from typing import Annotated

import typer

from hub.cli import show
from hub.cli.connected import connected
from hub.cli.failing import exit_of
from hub.cli.following import Following, outcome_line, unprinted
from hub.cli.moments import coming
from hub.cli.parameters import read_parameters

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard run invoices -p month=2026-03 --follow

  botyard run invoices -p 'options:={"dry": true}' --priority 9

  botyard run invoices --parameters secrets.json

  botyard run report --after 12 --after 13 --after-when finished

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
    not_before: Annotated[
        str | None, typer.Option(help="Wait until then: +2h, 18:00, 2026-03-31T18:00 (local time).")
    ] = None,
    after: Annotated[
        list[str] | None, typer.Option("--after", metavar="TASK", help="Wait for this task; give it again for more.")
    ] = None,
    after_when: Annotated[
        str | None, typer.Option(help="succeeded (all of them; default), finished (all), any (one that succeeds).")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Mark it as a trial.")] = False,
    json_: show.Json = False,
) -> int:
    """Ask for a task; prints its id first. With --follow: its output, then how it ended.

    With --json and --follow nothing is printed but the finished task.
    """
    moment = coming(not_before, "--not-before") if not_before else None
    client = connected()
    task = client.post(
        "/tasks",
        {
            "automation": label,
            "parameters": read_parameters(client, label, parameters, parameter or []),
            "priority": priority,
            "not_before": moment.isoformat() if moment else None,
            "after": _after(after or [], after_when),
            "test": test,
        },
    )
    if json_ and not follow:
        show.as_json(task)
        return 0
    if json_:
        finished = Following(client, task["id"], write=unprinted).run()
        show.as_json(finished)
        return int(exit_of(finished["outcome"]))
    sys.stdout.write(task["id"] + "\n")
    sys.stdout.flush()
    if not follow:
        show.note(f"task {task['number']} is {task['state']}; follow it: botyard logs -f {task['id']}")
        return 0
    finished = Following(client, task["id"]).run()
    show.note(outcome_line(finished))
    return int(exit_of(finished["outcome"]))


def _after(named: list[str], when: str | None) -> dict[str, object] | None:
    """What it waits for, as the hub is asked."""
    if not named and when:
        raise typer.BadParameter("it says how tasks must end: name them with --after", param_hint="--after-when")
    if when not in {None, "succeeded", "finished", "any"}:
        raise typer.BadParameter(f"{when!r} is none of succeeded, finished, any", param_hint="--after-when")
    return {"tasks": named, **({"when": when} if when else {})} if named else None
