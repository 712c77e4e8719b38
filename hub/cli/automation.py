"""`botyard automation`: what can be asked for."""

import json
from typing import Annotated, Any

import typer

from hub.cli import limits, retrying, screen, sharing, show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.declared import read_declared
from hub.cli.failing import Exit, Failure
from hub.cli.usage import one_way

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Define what can be asked for.")

Label = Annotated[str, typer.Argument(help="Label of the automation.")]
Bot = Annotated[str | None, typer.Option(help="Name of the bot that it runs.")]
Name = Annotated[str | None, typer.Option(help="Name for people.")]
Description = Annotated[str | None, typer.Option(help="What it does.")]
Parameter = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--parameter",
        help="name, name=default, name:type, or name!:type (required) and name?:type (secret); types: text, integer, "
        "number, boolean, json. Given once, it replaces all.",
    ),
]
Needs = Annotated[list[str] | None, typer.Option("--need", help="name=value: a label that a runner must have.")]
Priority = Annotated[int | None, typer.Option(min=0, max=10, help="0 to 10, 10 first.")]
Report = Annotated[str | None, typer.Option(help="required, optional or default: is exit 0 without a report fine?")]
OnDisconnect = Annotated[str | None, typer.Option(help="keep or stop the bot when its runner's link is gone for long.")]
LostAfter = Annotated[int | None, typer.Option(min=120, help="Seconds until a stopped link counts as lost.")]


@app.command("list", epilog="Example: botyard automation list")
def list_(json_: show.Json = False) -> None:
    """List automations."""
    found = list(connected().all("/automations", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("automation", "bot", "state", "priority", "needs", "parameters"),
        (
            (
                one["label"],
                one["bot"] + ("" if one["released_build"] else " (no release)"),
                one["state"],
                one["priority"],
                show.labels(one["needs"]),
                " ".join(parameter["name"] for parameter in one["parameters"]) or "any",
            )
            for one in found
        ),
    )


@app.command("show", epilog="Example: botyard automation show invoices")
def show_(label: Label, json_: show.Json = False) -> None:
    """Show an automation."""
    found = connected().get(f"/automations/{segment(label)}")
    if json_:
        show.as_json(found)
        return
    shown = {**found, "needs": show.labels(found["needs"]), "parameters": None, "retry": retrying.line(found["retry"])}
    kept = limits.line(found["limits"], run_limit_s=found["run_limit_s"])
    shown |= {"run_limit_s": None, "limits": kept or "run 1d"}
    shown |= dict.fromkeys(("concurrency", "concurrency_key", "uses", "rate")) | {"shares": sharing.line(found)}
    shown |= dict.fromkeys(("desktop", "desktop_size", "applications", "record", "failure_screenshot"))
    shown |= {"screen": screen.line(found)}
    show.members(shown)
    for one in found["parameters"]:
        words = [one["type"], "required" if one["required"] else "", "secret" if one["secret"] else ""]
        default = f"= {json.dumps(one['default'])}" if one["default"] is not None else ""
        typer.echo(f"  {one['name']}: {' '.join(word for word in [*words, default] if word)}")


@app.command(epilog="Example: botyard automation create invoices --bot invoices -p 'month!' --need os=linux")
def create(
    label: Label,
    bot: Annotated[str, typer.Option(help="Name of the bot that it runs.")],
    name: Name = None,
    description: Description = None,
    parameter: Parameter = None,
    need: Needs = None,
    priority: Priority = None,
    report: Report = None,
    on_disconnect: OnDisconnect = None,
    lost_after: LostAfter = None,
    run_limit: limits.RunLimit = None,
    no_progress: limits.NoProgress = None,
    memory: limits.Memory = None,
    processes: limits.Processes = None,
    cpu_cores: limits.CpuCores = None,
    cpu_time: limits.CpuTime = None,
    disk: limits.Disk = None,
    open_files: limits.OpenFiles = None,
    file_size: limits.FileSize = None,
    output_cap: limits.OutputCap = None,
    ladder: limits.Ladder = None,
    attempts: retrying.Attempts = None,
    retry: retrying.Retry = None,
    stop_after: retrying.StopAfter = None,
    concurrency: sharing.Concurrency = None,
    concurrency_key: sharing.ConcurrencyKey = None,
    use: sharing.Uses = None,
    rate: sharing.Rate = None,
    desktop: screen.Desktop = None,
    desktop_size: screen.DesktopSize = None,
    application: screen.Application = None,
    record: screen.Record = None,
    failure_screenshot: screen.FailureScreenshot = None,
    json_: show.Json = False,
) -> None:
    """Define an automation of a deployed bot."""
    bounds = limits.Texts(
        run_limit, no_progress, memory, processes, cpu_cores, cpu_time, disk, open_files, file_size, output_cap, ladder
    )
    said = _said(name, description, parameter, need, priority, report, on_disconnect, lost_after)
    said |= limits.of_automation(bounds) | retrying.of_automation(attempts, retry, stop_after)
    said |= sharing.of_automation(concurrency, concurrency_key, use, rate)
    said |= screen.of_automation(desktop, desktop_size, application, record, failure_screenshot)
    _made(connected().post("/automations", {"label": label, "bot": bot, **said}), json_)


@app.command(epilog="Example: botyard automation edit invoices --priority 9 --pause")
def edit(
    label: Label,
    bot: Bot = None,
    name: Name = None,
    description: Description = None,
    parameter: Parameter = None,
    need: Needs = None,
    priority: Priority = None,
    report: Report = None,
    on_disconnect: OnDisconnect = None,
    lost_after: LostAfter = None,
    run_limit: limits.RunLimit = None,
    no_progress: limits.NoProgress = None,
    memory: limits.Memory = None,
    processes: limits.Processes = None,
    cpu_cores: limits.CpuCores = None,
    cpu_time: limits.CpuTime = None,
    disk: limits.Disk = None,
    open_files: limits.OpenFiles = None,
    file_size: limits.FileSize = None,
    output_cap: limits.OutputCap = None,
    ladder: limits.Ladder = None,
    attempts: retrying.Attempts = None,
    retry: retrying.Retry = None,
    stop_after: retrying.StopAfter = None,
    concurrency: sharing.Concurrency = None,
    concurrency_key: sharing.ConcurrencyKey = None,
    use: sharing.Uses = None,
    rate: sharing.Rate = None,
    desktop: screen.Desktop = None,
    desktop_size: screen.DesktopSize = None,
    application: screen.Application = None,
    record: screen.Record = None,
    failure_screenshot: screen.FailureScreenshot = None,
    pause: Annotated[
        list[bool] | None,
        typer.Option("--pause/--unpause", help="Take no new tasks, or take them again, and start what a stop keeps."),
    ] = None,
    json_: show.Json = False,
) -> None:
    """Change what is named; all else stays."""
    bounds = limits.Texts(
        run_limit, no_progress, memory, processes, cpu_cores, cpu_time, disk, open_files, file_size, output_cap, ladder
    )
    said = _said(name, description, parameter, need, priority, report, on_disconnect, lost_after)
    said |= limits.of_automation(bounds) | retrying.of_automation(attempts, retry, stop_after)
    said |= sharing.of_automation(concurrency, concurrency_key, use, rate)
    said |= screen.of_automation(desktop, desktop_size, application, record, failure_screenshot)
    is_paused = one_way(pause, "--pause", "--unpause")
    state = None if is_paused is None else ("paused" if is_paused else "active")
    named = {key: value for key, value in {"bot": bot, "state": state}.items() if value is not None}
    if not said and not named:
        raise Failure("nothing to change was named; see botyard automation edit --help.", Exit.USAGE)
    _made(connected().patch(f"/automations/{segment(label)}", {**said, **named}), json_)


def _said(
    name: str | None,
    description: str | None,
    parameter: list[str] | None,
    need: list[str] | None,
    priority: int | None,
    report: str | None,
    on_disconnect: str | None,
    lost_after: int | None,
) -> dict[str, Any]:
    """The members that were named."""
    said = {
        "name": name,
        "description": description,
        "parameters": read_declared(parameter) if parameter else None,
        "needs": show.read_labels(need, "--need") if need else None,
        "priority": priority,
        "report": report,
        "on_disconnect": on_disconnect,
        "lost_after_s": lost_after,
    }
    return {key: value for key, value in said.items() if value is not None}


def _made(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    typer.echo(f"{found['label']}: bot {found['bot']}, priority {found['priority']}, {found['state']}")
