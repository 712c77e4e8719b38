"""`botyard trigger file`: a task for each file that comes into a folder on a runner."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.connected import connected
from hub.cli.parameters import read_parameters
from hub.domain.quantities import read_duration

EXAMPLES = "Example: botyard trigger file inbox invoices --runner vm1 --folder /srv/inbox --pattern '*.csv'"

Label = Annotated[str, typer.Argument(help="Label of the trigger.")]
Runner = Annotated[str, typer.Option(help="Name of the runner that watches.")]
Folder = Annotated[str, typer.Option(help="Absolute path of the folder on that runner.")]
Pattern = Annotated[
    str | None, typer.Option(help="Names of files: '*.csv'. '*', unless said: all but hidden and unfinished ones.")
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Folders below, too.")]
Stable = Annotated[
    str | None, typer.Option(metavar="TIME", help="A file counts when it did not change for so long: 2s.")
]
Existing = Annotated[
    str | None,
    typer.Option(metavar="ignore|fire", help="What lies there at the runner's first look; ignore, unless said."),
]
Into = Annotated[
    str | None, typer.Option("--into", metavar="PARAMETER", help="Parameter that gets the file's path: file.")
]
Anywhere = Annotated[
    bool, typer.Option("--anywhere", help="Any fit runner may do it, as for a share; otherwise the one that watches.")
]
OffAfter = Annotated[int | None, typer.Option(min=0, max=1000, help="Failures in a row that switch it off; 0: none.")]
Priority = Annotated[int | None, typer.Option(min=0, max=10, help="Of its tasks; 10 first.")]
Parameter = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", help="name=value of its tasks, beside the file's path.")
]


def file(
    label: Label,
    automation: Annotated[str, typer.Argument(help="Label of the automation.")],
    runner: Runner,
    folder: Folder,
    pattern: Pattern = None,
    recursive: Recursive = False,
    stable: Stable = None,
    existing: Existing = None,
    into: Into = None,
    anywhere: Anywhere = False,
    off_after: OffAfter = None,
    priority: Priority = None,
    parameter: Parameter = None,
    paused: Annotated[bool, typer.Option("--paused", help="It watches when it is resumed.")] = False,
    json_: show.Json = False,
) -> None:
    """Define a trigger that makes a task for each file in a folder on a runner, exactly once."""
    client = connected()
    said: dict[str, Any] = {"pattern": pattern, "existing": existing, "parameter": into}
    said |= {"off_after": off_after, "priority": priority, "stable_s": None if stable is None else _seconds(stable)}
    said |= {"recursive": recursive or None, "anywhere": anywhere or None}
    definition = {"kind": "file", "runner": runner, "folder": folder}
    definition |= {name: value for name, value in said.items() if value is not None}
    given = read_parameters(client, automation, None, parameter or [])
    body = {"label": label, "automation": automation, "definition": definition, "parameters": given, "paused": paused}
    made = client.post("/triggers", body)
    if json_:
        show.as_json(made)
        return
    typer.echo(f"{made['label']}: {made['state']}, {shown(made['definition'])}")
    if made["trouble"]:
        show.note(made["trouble"])
    if made["definition"].get("existing", "ignore") == "ignore":
        show.note("files that lie there already are left alone; --existing fire takes them, too")


def shown(said: dict[str, Any]) -> str:
    """What is watched, in a few words."""
    return f"{said.get('pattern', '*')} in {said['folder']} on {said['runner']}"


def _seconds(text: str) -> float:
    try:
        length_s = read_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--stable") from None
    if length_s is None:
        raise typer.BadParameter(f"{text!r} is no time: say 2s, 1m", param_hint="--stable")
    return float(length_s)
