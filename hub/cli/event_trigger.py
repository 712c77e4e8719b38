"""`botyard trigger event`: tasks for what happens in the hub, for what lasts, and for what stays away."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.cli.parameters import read_parameters
from hub.cli.webhook import mapped

EXAMPLES = """
Examples:

  botyard trigger event failed tell --on task.settled --state failed --map task=event.task

  botyard trigger event away tell --on runner.disconnected --for 10m --map runner=event.runner

  botyard trigger event quiet tell --on task.settled --of backup --absent 1d --dry-run
"""
Label = Annotated[str, typer.Argument(help="Label of the trigger.")]
On = Annotated[
    list[str] | None, typer.Option("--on", metavar="KIND", help="Kind of event, as task.settled, runner.*. Repeatable.")
]
Of = Annotated[str | None, typer.Option("--of", metavar="AUTOMATION", help="Only of this automation's tasks.")]
Queue = Annotated[str | None, typer.Option(help="Only of this queue and its items.")]
Runner = Annotated[str | None, typer.Option(help="Only of this runner: name or id.")]
State = Annotated[
    list[str] | None, typer.Option("--state", help="Only what became so: failed, lost, dead, … Repeatable.")
]
When = Annotated[str | None, typer.Option(help="CEL expression: event.data.reason == 'exit_code'.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="parameter=expression over event (over since with --absent). Repeatable."),
]
For = Annotated[str | None, typer.Option("--for", metavar="TIME", help="Only if it lasts so long: 10m, 2h.")]
Unless = Annotated[
    list[str] | None,
    typer.Option("--unless", metavar="KIND", help="With --for: what ends it; known for most opposites. Repeatable."),
]
Absent = Annotated[str | None, typer.Option(metavar="TIME", help="If no such event comes for so long: 1h, 1d.")]
Overlap = Annotated[str | None, typer.Option(help="allow, skip, queue or cancel, while an earlier task goes on.")]
OffAfter = Annotated[int | None, typer.Option(min=0, max=1000, help="Failures in a row that switch it off; 0: none.")]
Priority = Annotated[int | None, typer.Option(min=0, max=10, help="Of its tasks; 10 first.")]
Parameter = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", help="name=value of its tasks, beside the event's.")
]
Last = Annotated[int, typer.Option(min=1, max=2000, help="So many of the last events.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what it would have done with the last events.")]


def event(
    label: Label,
    automation: Annotated[str, typer.Argument(help="Label of the automation that it makes tasks of.")],
    on: On = None,
    of: Of = None,
    queue: Queue = None,
    runner: Runner = None,
    state: State = None,
    when: When = None,
    map_: Map = None,
    for_: For = None,
    unless: Unless = None,
    absent: Absent = None,
    overlap: Overlap = None,
    off_after: OffAfter = None,
    priority: Priority = None,
    parameter: Parameter = None,
    paused: Annotated[bool, typer.Option("--paused", help="It fires when it is resumed.")] = False,
    dry_run: DryRun = False,
    last: Last = 1000,
    json_: show.Json = False,
) -> None:
    """Define a trigger that listens to events; events from now on count."""
    named: dict[str, Any] = {"on": on, "automation": of, "queue": queue, "runner": runner, "state": state, "when": when}
    named |= {"for": for_, "unless": unless, "absent": absent}
    named |= {"overlap": overlap, "off_after": off_after, "priority": priority}
    definition: dict[str, Any] = {"kind": "event"}
    definition |= {name: value for name, value in named.items() if value not in (None, [])}
    if map_:
        definition["map"] = mapped(map_)
    if not on:
        raise Failure(
            "say which events with --on, as --on task.settled; botyard events shows what happens.", Exit.USAGE
        )
    client = connected()
    if dry_run:
        print_tried(client.post("/event-preview", {"definition": definition, "last": last}), json_=json_)
        return
    given = read_parameters(client, automation, None, parameter or [])
    body = {"label": label, "automation": automation, "definition": definition, "parameters": given, "paused": paused}
    made = client.post("/triggers", body)
    if json_:
        show.as_json(made)
        return
    typer.echo(f"{made['label']}: {made['state']}, {words(made['definition'])}")


def matches(label: Label, last: Last = 1000, json_: show.Json = False) -> None:
    """Print what a trigger of events would have done with the last events."""
    print_tried(connected().get(f"/triggers/{segment(label)}/matches", {"last": last}), json_=json_)


def print_tried(found: dict[str, Any], *, json_: bool) -> None:
    """Print what a trigger would have done."""
    if json_:
        show.as_json(found)
        return
    show.table(
        ("at", "event", "why", "parameters"),
        (
            (
                one["at"][:19].replace("T", " "),
                one["event"],
                one["why"],
                one["fault"] or " ".join(f"{name}={value}" for name, value in one["parameters"].items()),
            )
            for one in found["items"]
        ),
    )
    since = f" since {found['since'][:19].replace('T', ' ')} UTC" if found["since"] else ""
    looked_at, fires = show.many(found["looked_at"], "event"), show.many(found["fires"], "task")
    show.note(f"{looked_at}{since}: {found['matched']} match, {fires}")
    if found["unread"]:
        show.note(f"for some events {found['unread']}; those count as not matching")


def words(said: dict[str, Any]) -> str:
    """A definition in a few words."""
    told = " or ".join(said["on"])
    told += "".join(f" of {said[name]}" for name in ("automation", "queue", "runner") if said.get(name))
    told += f" ({', '.join(said['state'])})" if said.get("state") else ""
    if said.get("for"):
        return f"{told} for {said['for']}"
    return f"no {told} for {said['absent']}" if said.get("absent") else told
