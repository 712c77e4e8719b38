"""`botyard queue`: where items wait, and what becomes of them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli import dead, held_back, show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.declared import read_declared
from hub.cli.failing import Exit, Failure
from hub.cli.usage import one_way

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Define queues, look at them, pause and resume them."
)

Label = Annotated[str, typer.Argument(help="Label of the queue.")]
Name = Annotated[str | None, typer.Option(help="Name for people.")]
Description = Annotated[str | None, typer.Option(help="What its items are.")]
Field = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--field",
        help="Field of the payload: name, name=default, name:type; name! or name!:type is required. Types: text, "
        "integer, number, boolean, json. Repeatable; without any every payload is taken.",
    ),
]
Display = Annotated[list[str] | None, typer.Option(help="Field that tells people which item it is; repeatable.")]
Unique = Annotated[list[str] | None, typer.Option(help="Field that no two items share (all of them together).")]
UniqueReferences = Annotated[
    list[bool] | None,
    typer.Option("--unique-references/--any-references", help="Every item has a reference of its own."),
]
Schema = Annotated[str | None, typer.Option(metavar="FILE", help="JSON Schema of the payload; - is standard input.")]
Consumption = Annotated[str | None, typer.Option(metavar="fifo|lifo", help="Oldest or newest first.")]
Concurrency = Annotated[int | None, typer.Option(min=0, help="Items in work at once; 0: no limit.")]
Attempts = Annotated[int | None, typer.Option(min=1, help="How often an item is tried in all.")]
Backoff = Annotated[
    str | None,
    typer.Option(
        metavar="BASE..CAP",
        help="Seconds: each retry waits a random time of at most BASE, doubled up to CAP: 30..3600.",
    ),
]
Lease = Annotated[int | None, typer.Option(min=5, help="Seconds that a taken item is its bot's, unless renewed.")]
Expected = Annotated[int | None, typer.Option(min=0, help="Longest seconds of an attempt; 0: any.")]
Keep = Annotated[int | None, typer.Option(min=0, help="Days that ended items are kept; 0: for ever.")]
Success = Annotated[str | None, typer.Option(help="Queue that gets a copy of each finished item; '' for none.")]
Failed = Annotated[str | None, typer.Option(help="Queue that gets a copy of each failed item; '' for none.")]
StopAfter = Annotated[int | None, typer.Option(min=0, help="Failures in a row that pause it; 0: never.")]
Target = Annotated[str | None, typer.Option(help="Application whose circuit breaker guards its items; '' for none.")]


@app.command("list", epilog="Example: botyard queue list")
def list_(json_: show.Json = False) -> None:
    """List queues with what is in them."""
    found = list(connected().all("/queues", {"limit": 200}))
    if json_:
        show.as_json({"items": found})
        return
    columns = ("pending", "postponed", "processing", "in_review", "done", "failed", "timed_out", "dead")
    show.table(
        ("queue", "state", *columns),
        ((one["label"], _state(one), *(one["counts"].get(name, 0) for name in columns)) for one in found),
    )


@app.command("show", epilog="Example: botyard queue show invoices")
def show_(label: Label, json_: show.Json = False) -> None:
    """Show a queue: what is in it, and by which rules it works."""
    _shown(connected().get(f"/queues/{segment(label)}"), json_)


app.command("dead", epilog=dead.EXAMPLE)(dead.dead)


@app.command(epilog="Example: botyard queue create invoices -f number! -f amount:number --unique number")
def create(
    label: Label,
    name: Name = None,
    description: Description = None,
    field: Field = None,
    display: Display = None,
    unique: Unique = None,
    unique_references: UniqueReferences = None,
    schema: Schema = None,
    consumption: Consumption = None,
    concurrency: Concurrency = None,
    attempts: Attempts = None,
    backoff: Backoff = None,
    lease: Lease = None,
    expected: Expected = None,
    keep: Keep = None,
    success_queue: Success = None,
    failure_queue: Failed = None,
    stop_after: StopAfter = None,
    target: Target = None,
    json_: show.Json = False,
) -> None:
    """Define a queue."""
    said = _said(locals())
    retry = _retry({}, attempts, backoff)
    _shown(connected().post("/queues", {"label": label, **said, **retry}), json_)


@app.command(epilog="Example: botyard queue edit invoices --lease 300 --failure-queue to-check")
def edit(
    label: Label,
    name: Name = None,
    description: Description = None,
    field: Field = None,
    display: Display = None,
    unique: Unique = None,
    unique_references: UniqueReferences = None,
    schema: Schema = None,
    consumption: Consumption = None,
    concurrency: Concurrency = None,
    attempts: Attempts = None,
    backoff: Backoff = None,
    lease: Lease = None,
    expected: Expected = None,
    keep: Keep = None,
    success_queue: Success = None,
    failure_queue: Failed = None,
    stop_after: StopAfter = None,
    target: Target = None,
    json_: show.Json = False,
) -> None:
    """Change what is named; all else stays, and so do the items."""
    said = _said(locals())
    client = connected()
    if attempts is not None or backoff is not None:
        said |= _retry(client.get(f"/queues/{segment(label)}")["retry"], attempts, backoff)
    if not said:
        raise Failure("nothing to change was named; see botyard queue edit --help.", Exit.USAGE)
    _shown(client.patch(f"/queues/{segment(label)}", said), json_)


@app.command(epilog="Example: botyard queue pause invoices --why 'SAP is down until noon'")
def pause(
    label: Label,
    why: Annotated[str, typer.Option(help="For those who look.")] = "",
    json_: show.Json = False,
) -> None:
    """Hand out no more items; those in work go on, new ones are taken in."""
    _shown(connected().post(f"/queues/{segment(label)}/pause", {"why": why}), json_)


@app.command(epilog="Example: botyard queue resume invoices")
def resume(label: Label, json_: show.Json = False) -> None:
    """Hand out items again."""
    _shown(connected().post(f"/queues/{segment(label)}/resume"), json_)


@app.command(epilog="Example: botyard queue delete invoices --yes")
def delete(label: Label, yes: show.Yes = False, json_: show.Json = False) -> None:
    """Remove a queue without items."""
    show.confirm(f"Remove the queue {label}?", "say --yes to remove it.", yes=yes)
    gone = connected().delete(f"/queues/{segment(label)}")
    if json_:
        show.as_json(gone)
        return
    typer.echo(f"{label}: removed")


_DIRECT = ("name", "description", "display", "unique", "consumption")
_OR_NONE = {
    "concurrency": "concurrency",
    "expected": "expected_s",
    "keep": "retention_days",
    "success_queue": "success_queue",
    "failure_queue": "failure_queue",
    "stop_after": "stop_after",
    "target": "target",
}
"""Options of which 0 or an empty text takes the thing away, and the members that they are."""


def _said(options: dict[str, Any]) -> dict[str, Any]:
    """The members that were named."""
    said = {name: options[name] for name in _DIRECT if options[name] is not None}
    said |= {member: options[name] or None for name, member in _OR_NONE.items() if options[name] is not None}
    unique = one_way(options["unique_references"], "--unique-references", "--any-references")
    if unique is not None:
        said["unique_references"] = unique
    if options["lease"] is not None:
        said["lease_s"] = options["lease"]
    if options["field"]:
        said["fields"] = read_declared(options["field"], "-f")
    if options["schema"] is not None:
        said["payload_schema"] = _schema(options["schema"])
    return said


def _schema(file: str) -> Any:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise Failure(f"--schema {file}: {error.strerror}.", Exit.USAGE) from None
    except ValueError as error:
        raise Failure(f"--schema {file} is no JSON: {error}.", Exit.USAGE) from None


def _retry(known: dict[str, Any], attempts: int | None, backoff: str | None) -> dict[str, Any]:
    changed = dict(known)
    if attempts is not None:
        changed["attempts"] = attempts
    if backoff is not None:
        base, _, cap = backoff.partition("..")
        if not base.isdigit() or not (cap or base).isdigit():
            raise Failure(f"--backoff {backoff!r} is no BASE..CAP in seconds, such as 30..3600.", Exit.USAGE)
        changed |= {"base_s": int(base), "cap_s": int(cap or base)}
    return {"retry": changed} if changed != known else {}


def _state(one: dict[str, Any]) -> str:
    held = one["breaker"]
    return one["state"] if held is None else f"{one['state']} ({held['application']} is {held['state']})"


def _tries(retry: dict[str, Any]) -> str:
    """How often, and after which wait: a random one below a limit that doubles, so that not all come back at once."""
    base_s, cap_s = retry["base_s"], retry["cap_s"]
    grows = f", doubled up to {cap_s} s" if cap_s > base_s else ""
    return f"{retry['attempts']}, each after a random wait of at most {base_s} s{grows}"


def _shown(found: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(found)
        return
    retry, counts = found["retry"], found["counts"]
    fields = " ".join(one["name"] + ("!" if one["required"] else "") for one in found["fields"])
    show.members(
        {
            "queue": f"{found['label']}  {found['id']}",
            "state": found["state"] + (f": {found['paused_why']}" if found["paused_why"] else ""),
            "held back": held_back.line(found),
            "items": ", ".join(f"{number} {state}" for state, number in counts.items()) or "none",
            "fields": (fields or "any payload") + (" and a JSON Schema" if found["payload_schema"] else ""),
            "unique": "references" if found["unique_references"] else ", ".join(found["unique"]) or None,
            "order": found["consumption"],
            "at once": found["concurrency"],
            "tries": _tries(retry),
            "lease": f"{found['lease_s']} s",
            "expected": f"{found['expected_s']} s" if found["expected_s"] else None,
            "kept": f"{found['retention_days']} days" if found["retention_days"] else "for ever",
            "then": found["success_queue"],
            "failed go to": found["failure_queue"],
            "pauses after": f"{found['stop_after']} failures in a row" if found["stop_after"] else None,
            "target": found["target"],
        }
    )
