"""`botyard apply`: makes automations, queues, triggers, calendars and resources as the files of a team say."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import Client
from hub.cli.connected import connected
from hub.cli.document_files import Placed, fault, read_all
from hub.cli.failing import Exit, Failure, Refusal

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard apply -f team/ --dry-run

  botyard apply -f team/ --yes

  botyard export | botyard apply -f - --check

A file holds documents apart by ---, each with kind (calendar, resource, queue, automation or
trigger), label, and what `botyard export` shows. A member that is left out gets its default;
only a pause and the values of secret parameters stay as they are. Nothing is deleted: what no
document names is left alone.
"""
_SIGNS = {"create": "+", "change": "~"}
_SHOWN = 100
_TRIES = 3


@app.command(epilog=EXAMPLES)
def apply(
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", help="File, folder with all below it, or - for stdin.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    check: Annotated[bool, typer.Option("--check", help="The same, and exit 1 if anything would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of documents, for editors.")] = False,
    json_: show.Json = False,
) -> None:
    """Make things as files say: shows the plan, asks, does all of it or nothing; again changes nothing."""
    if schema:
        show.as_json(connected().get("/apply/schema"))
        return
    if not file:
        raise Failure("say what to apply: -f FILE, -f FOLDER or -f -. See botyard apply --help.", Exit.USAGE)
    placed, client = read_all(file), connected()
    plan = _asked(client, placed, dry_run=True)
    is_look = dry_run or check
    for _ in range(_TRIES):
        if not json_:
            _tell(plan)
        if is_look or not _changed(plan):
            break
        _confirm(yes=yes)
        found = _asked(client, placed, plan=plan["plan"])
        if found is not None:
            plan = found
            break
        show.note("something changed meanwhile, and nothing was done; the plan is now:")
        plan = _asked(client, placed, dry_run=True)
    else:
        raise Failure("the workspace keeps changing; nothing was done. Try again.")
    if json_:
        show.as_json(plan)
    elif plan["applied"]:
        _tell_done(plan)
    if check and _changed(plan):
        raise typer.Exit(int(Exit.FAILED))


def _asked(client: Client, placed: Sequence[Placed], **options: Any) -> Any:
    """The hub's plan; None where it is no longer the one that was shown. Raises Failure with a line for each fault."""
    try:
        return client.post("/apply", {"documents": [one.value for one in placed], **options})
    except Refusal as refusal:
        if refusal.problem_code == "plan_changed":
            return None
        if refusal.status == 413:
            raise Failure("that is more than 1 MiB in all; apply a part at a time.", Exit.USAGE) from None
        refusal.faults = sorted((_placed(placed, one) for one in refusal.faults), key=_position)
        refusal.details = tuple(_line(one) for one in refusal.faults)
        raise


def _placed(placed: Sequence[Placed], one: dict[str, Any]) -> dict[str, Any]:
    """A fault of the hub with its place in the files."""
    first, _, rest = str(one.get("field", "")).partition(".")
    index, _, member = rest.partition(".")
    if first != "documents" or not index.isdecimal() or int(index) >= len(placed):
        return one
    return {**one, "field": member, "place": placed[int(index)].place(member)}


def _position(one: dict[str, Any]) -> tuple[str, int]:
    """Where a fault stands, for their order; one without a place comes first."""
    file, _, line = str(one.get("place", "")).rpartition(":")
    return file, int(line) if line.isdecimal() else 0


def _line(one: dict[str, Any]) -> str:
    place = ": ".join(text for text in (one.get("place"), one.get("field")) if text)
    return fault(place or "request", str(one.get("message")), str(one.get("remedy") or ""))


def _changed(plan: Any) -> list[Any]:
    return [one for one in plan["steps"] if one["action"] != "unchanged"]


def _tell(plan: Any) -> None:
    for step in _changed(plan):
        typer.echo(f"{_SIGNS[step['action']]} {step['kind']} {step['label']}")
        for change in step["changes"]:
            typer.echo(f"    {show.plain(change['member'])}: {_value(change['old'])} -> {_value(change['new'])}")
    count = Counter(step["action"] for step in plan["steps"])
    if not _changed(plan):
        typer.echo(f"nothing to change: {count['unchanged']} as they should be")
        return
    typer.echo(f"to create {count['create']}, to change {count['change']}, unchanged {count['unchanged']}")


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = show.plain(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _tell_done(plan: Any) -> None:
    count = Counter(step["action"] for step in plan["steps"])
    typer.echo(f"done: created {count['create']}, changed {count['change']}")
    for step in plan["steps"]:
        if step["note"]:
            show.note(f"{step['kind']} {step['label']}: {step['note']}")


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("nobody is there to confirm: say --yes to apply it, or --dry-run to look.", Exit.USAGE)
    typer.confirm("Apply?", abort=True, err=True)
