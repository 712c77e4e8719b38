"""`botyard trigger`: what makes tasks by itself, and what it did."""

from typing import Annotated, Any

import typer

from hub.cli import event_trigger, file_trigger, show, trigger_shown, webhook
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.cli.moments import coming
from hub.cli.parameters import read_parameters
from hub.domain.quantities import read_duration

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make tasks by themselves: at times, for items, files, calls, events.",
)

_CREATE = """
Examples:

  botyard trigger create mornings invoices --on 'working days at 06:30' --zone Europe/Berlin

  botyard trigger create sync stock --every 15m --overlap skip -p shop=north

  botyard trigger create workers invoices --queue invoices --items-per-task 50 --max-tasks 4
"""
_PREVIEW = """
Examples:

  botyard trigger preview mornings -n 5 --after 2026-03-27

  botyard trigger preview --cron '30 2 * * *' --zone Europe/Berlin
"""
Label = Annotated[str, typer.Argument(help="Label of the trigger.")]
Cron = Annotated[
    str | None, typer.Option(help="'30 6 * * MON-FRI', or as Quartz has it, seconds first: '0 0 18 LW * ?'.")
]
Every = Annotated[str | None, typer.Option(metavar="TIME", help="An interval: 15m, 2h, 1d.")]
At = Annotated[
    str | None,
    typer.Option("--on", metavar="PHRASE", help="'working days at 06:30', 'last working day of the month at 18:00'."),
]
Zone = Annotated[str | None, typer.Option(help="Time zone: Europe/Berlin. UTC, unless said.")]
Start = Annotated[str | None, typer.Option(help="Nothing before: 2026-03-31T18:00 (local time), +2h.")]
End = Annotated[str | None, typer.Option(help="Nothing after.")]
Calendar = Annotated[str | None, typer.Option(help="Label of a calendar; '' takes it away.")]
OnHoliday = Annotated[str | None, typer.Option(help="skip, before or after: where a day without work goes.")]
Misfire = Annotated[str | None, typer.Option(help="none, last or all: what was missed while the hub was away.")]
Window = Annotated[str | None, typer.Option(metavar="TIME", help="How old what was missed may be: 1d.")]
Cap = Annotated[int | None, typer.Option(min=1, max=100, help="With all: so many at most.")]
Overlap = Annotated[str | None, typer.Option(help="allow, skip, queue or cancel, while an earlier task goes on.")]
OffAfter = Annotated[int | None, typer.Option(min=0, max=1000, help="Failures in a row that switch it off; 0: none.")]
Priority = Annotated[int | None, typer.Option(min=0, max=10, help="Of its tasks; 10 first.")]
OfQueue = Annotated[str | None, typer.Option("--queue", help="Make tasks for the items of this queue.")]
Threshold = Annotated[int | None, typer.Option(min=1, help="With --queue: items that must wait before any task: 1.")]
ItemsPerTask = Annotated[int | None, typer.Option(min=1, help="With --queue: one more task for each so many items: 1.")]
MaxTasks = Annotated[int | None, typer.Option(min=1, max=1000, help="With --queue: unfinished tasks at once: 1.")]
Name = Annotated[str | None, typer.Option(help="Name for people.")]
Parameter = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", help="name=value of its tasks, or name:=JSON.")
]
Count = Annotated[int, typer.Option("-n", "--count", min=1, max=100, help="How many.")]
After = Annotated[str | None, typer.Option(help="From when on: 2026-03-28, +2h. From now on, unless said.")]


app.command("event", epilog=event_trigger.EXAMPLES)(event_trigger.event)
app.command("matches", epilog="Example: botyard trigger matches on-failure --last 500")(event_trigger.matches)
app.command("webhook", epilog=webhook.EXAMPLES)(webhook.webhook)
app.command("file", epilog=file_trigger.EXAMPLES)(file_trigger.file)
app.command("secret", epilog="Example: botyard trigger secret orders-in")(webhook.secret)


@app.command("list", epilog="Example: botyard trigger list")
def list_(json_: show.Json = False) -> None:
    """List triggers."""
    found = list(connected().all("/triggers", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("trigger", "automation", "when", "state", "next"),
        (
            (one["label"], one["automation"], _when(one["definition"]), _state(one), show.when(one["next_at"]))
            for one in found
        ),
    )


@app.command("show", epilog="Example: botyard trigger show invoices-each-morning")
def show_(label: Label, json_: show.Json = False) -> None:
    """Show a trigger."""
    found = connected().get(f"/triggers/{segment(label)}")
    if json_:
        show.as_json(found)
        return
    show.members(trigger_shown.shown(found, _when(found["definition"])))
    for name, value in found["parameters"].items():
        typer.echo(f"  {name}={value}")
    if found["definition"]["kind"] == "file" and found["state"] in {"paused", "off"}:
        show.note("files that come meanwhile and stay there fire when it is resumed")


@app.command(epilog=_CREATE)
def create(
    label: Label,
    automation: Annotated[str, typer.Argument(help="Label of the automation.")],
    queue: OfQueue = None,
    threshold: Threshold = None,
    items_per_task: ItemsPerTask = None,
    max_tasks: MaxTasks = None,
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    zone: Zone = None,
    start: Start = None,
    end: End = None,
    calendar: Calendar = None,
    on_holiday: OnHoliday = None,
    misfire: Misfire = None,
    misfire_window: Window = None,
    misfire_cap: Cap = None,
    overlap: Overlap = None,
    off_after: OffAfter = None,
    priority: Priority = None,
    name: Name = None,
    parameter: Parameter = None,
    paused: Annotated[bool, typer.Option("--paused", help="It fires when it is resumed.")] = False,
    json_: show.Json = False,
) -> None:
    """Define a trigger; it fires from now on."""
    said = {"cron": cron, "every": every, "phrase": at, "zone": zone, "on_holiday": on_holiday, "misfire": misfire}
    said |= {"overlap": overlap}
    numbers = {"misfire_cap": misfire_cap, "off_after": off_after, "priority": priority}
    definition = _definition(said, numbers, start, end, misfire_window)
    definition |= _of_queue(queue, threshold, items_per_task, max_tasks)
    _needs_when(definition)
    client = connected()
    body = {
        "label": label,
        "automation": automation,
        "definition": definition,
        "parameters": read_parameters(client, automation, None, parameter or []),
        "name": name or "",
        "calendar": calendar or None,
        "paused": paused,
    }
    _made(client.post("/triggers", body), json_)


@app.command(epilog="Example: botyard trigger edit mornings --on 'weekdays at 07:00' --overlap skip")
def edit(
    label: Label,
    automation: Annotated[str | None, typer.Option(help="Label of another automation.")] = None,
    queue: OfQueue = None,
    threshold: Threshold = None,
    items_per_task: ItemsPerTask = None,
    max_tasks: MaxTasks = None,
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    zone: Zone = None,
    start: Start = None,
    end: End = None,
    calendar: Calendar = None,
    on_holiday: OnHoliday = None,
    misfire: Misfire = None,
    misfire_window: Window = None,
    misfire_cap: Cap = None,
    overlap: Overlap = None,
    off_after: OffAfter = None,
    priority: Priority = None,
    name: Name = None,
    parameter: Parameter = None,
    json_: show.Json = False,
) -> None:
    """Change what is named; all else stays. Parameters, given once, replace all; --start '' and the like take away."""
    said = {"cron": cron, "every": every, "phrase": at, "zone": zone, "on_holiday": on_holiday, "misfire": misfire}
    said |= {"overlap": overlap}
    numbers = {"misfire_cap": misfire_cap, "off_after": off_after, "priority": priority}
    definition = _definition(said, numbers, start, end, misfire_window)
    client = connected()
    members = {"queue": queue, "threshold": threshold, "items_per_task": items_per_task, "max_tasks": max_tasks}
    definition |= {name: value for name, value in members.items() if value is not None}
    body: dict[str, Any] = {}
    if definition:
        kind = client.get(f"/triggers/{segment(label)}")["kind"]
        body["definition"] = {**definition, "kind": kind}
    body |= {key: value for key, value in {"automation": automation, "name": name}.items() if value is not None}
    body |= {} if calendar is None else {"calendar": calendar or None}
    if parameter:
        of = automation or client.get(f"/triggers/{segment(label)}")["automation"]
        body["parameters"] = read_parameters(client, of, None, parameter)
    if not body:
        raise Failure("nothing to change was named; see botyard trigger edit --help.", Exit.USAGE)
    _made(client.patch(f"/triggers/{segment(label)}", body), json_)


@app.command(epilog="Example: botyard trigger pause mornings")
def pause(label: Label, json_: show.Json = False) -> None:
    """Fire no more; what falls due meanwhile is left out, but for files: they fire when it is resumed."""
    _made(connected().post(f"/triggers/{segment(label)}/pause"), json_)


@app.command(epilog="Example: botyard trigger resume mornings")
def resume(label: Label, json_: show.Json = False) -> None:
    """Fire again from now on, also one that switched itself off."""
    _made(connected().post(f"/triggers/{segment(label)}/resume"), json_)


@app.command(epilog="Example: botyard trigger fire mornings -p month=2026-03")
def fire(label: Label, parameter: Parameter = None, json_: show.Json = False) -> None:
    """Make its task now, in any state; prints the task's id."""
    client = connected()
    of = client.get(f"/triggers/{segment(label)}")["automation"] if parameter else ""
    given = read_parameters(client, of, None, parameter) if parameter else {}
    task = client.post(f"/triggers/{segment(label)}/fire", {"parameters": given})
    if json_:
        show.as_json(task)
        return
    typer.echo(task["id"])
    show.note(f"task {task['number']} is {task['state']}; follow it: botyard logs -f {task['id']}")


@app.command(epilog="Example: botyard trigger delete mornings --yes")
def delete(
    label: Label,
    yes: show.Yes = False,
    json_: show.Json = False,
) -> None:
    """Remove a trigger and its history; its tasks stay."""
    show.confirm(f"Remove {label} with its history?", "say --yes to remove it with its history.", yes=yes)
    found = connected().delete(f"/triggers/{segment(label)}")
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['label']}: deleted")


@app.command(epilog=_PREVIEW)
def preview(
    label: Annotated[str | None, typer.Argument(help="Label of a trigger; absent: what the options say.")] = None,
    cron: Cron = None,
    every: Every = None,
    at: At = None,
    zone: Zone = None,
    start: Start = None,
    end: End = None,
    calendar: Calendar = None,
    on_holiday: OnHoliday = None,
    count: Count = 10,
    after: After = None,
    json_: show.Json = False,
) -> None:
    """Print the next firings, with a note where the clock changes or a calendar moves one."""
    said = {"cron": cron, "every": every, "phrase": at, "zone": zone, "on_holiday": on_holiday}
    definition = _definition(said, {}, start, end, None)
    if (label is None) is (not definition):
        raise Failure("name a trigger, or say when with --cron, --every or --on.", Exit.USAGE)
    moment = coming(after, "--after").isoformat() if after else None
    client = connected()
    if label is not None:
        found = client.get(f"/triggers/{segment(label)}/preview", {"count": count, "after": moment})
    else:
        body = {"definition": definition, "calendar": calendar, "count": count, "after": moment}
        found = client.post("/trigger-preview", body)
    if json_:
        show.as_json(found)
        return
    show.table(
        (f"local ({found['zone']})", "offset", "UTC", "note"),
        (
            (one["local"][:19].replace("T", " "), one["offset"], one["at"][:19].replace("T", " "), one["note"])
            for one in found["items"]
        ),
    )


@app.command(epilog="Example: botyard trigger history mornings")
def history(label: Label, count: Count = 20, json_: show.Json = False) -> None:
    """Print what it did and why, newest first."""
    found = connected().get(f"/triggers/{segment(label)}/history", {"limit": count})
    if json_:
        show.as_json(found)
        return
    show.table(
        ("at", "for", "outcome", "task", "why"),
        (
            (
                show.when(one["at"]),
                (one["scheduled_for"] or "")[:19].replace("T", " "),
                one["outcome"],
                one["task_number"],
                one["why"],
            )
            for one in found["items"]
        ),
    )


def _of_queue(
    queue: str | None, threshold: int | None, items_per_task: int | None, max_tasks: int | None
) -> dict[str, Any]:
    """The members of a queue's trigger that were named, and which kind it is."""
    named = {"queue": queue, "threshold": threshold, "items_per_task": items_per_task, "max_tasks": max_tasks}
    said = {name: value for name, value in named.items() if value is not None}
    if said and queue is None:
        raise Failure("--threshold, --items-per-task and --max-tasks go with --queue.", Exit.USAGE)
    return {**said, "kind": "queue" if said else "schedule"}


def _needs_when(definition: dict[str, Any]) -> None:
    """Raises Failure for what says nothing of when."""
    if definition["kind"] == "schedule" and not {"cron", "every", "phrase"} & {*definition}:
        told = "say when with --cron, --every or --on, or for which items with --queue;"
        raise Failure(f"{told} see botyard trigger create --help.", Exit.USAGE)


def _definition(
    said: dict[str, str | None],
    numbers: dict[str, int | None],
    start: str | None,
    end: str | None,
    window: str | None,
) -> dict[str, Any]:
    """The members that were named; an empty text takes one away."""
    found: dict[str, Any] = {name: value or None for name, value in said.items() if value is not None}
    found |= {name: value for name, value in numbers.items() if value is not None}
    for name, text in (("start", start), ("end", end)):
        if text is not None:
            found[name] = coming(text, f"--{name}").isoformat() if text else None
    if window is not None:
        found["misfire_window_s"] = _seconds(window)
    return found


def _seconds(text: str) -> int:
    try:
        length_s = read_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--misfire-window") from None
    if not length_s or length_s % 1:
        raise typer.BadParameter(f"{text!r} is no window: say 1h, 1d", param_hint="--misfire-window")
    return int(length_s)


def _state(found: dict[str, Any]) -> str:
    return f"{found['state']}: {found['trouble']}" if found["trouble"] else str(found["state"])


def _when(said: dict[str, Any]) -> str:
    if said["kind"] == "queue":
        return f"items in {said['queue']}, {show.many(said.get('max_tasks', 1), 'task')} at most"
    if said["kind"] == "event":
        return event_trigger.words(said)
    if said["kind"] == "file":
        return file_trigger.shown(said)
    if said["kind"] == "webhook":
        return f"calls, {said.get('sign', 'standard')}"
    what = said.get("cron") or said.get("phrase") or f"every {said.get('every')}"
    return f"{what} ({said['zone']})"


def _made(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    next_at = found["next_at"]
    coming_up = f", next {show.when(next_at)} ({next_at[:19].replace('T', ' ')} UTC)" if next_at else ""
    typer.echo(f"{found['label']}: {found['state']}{coming_up}")
