"""`botyard item`: add items, look what happened to one, requeue, cancel and move them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli import held_back, item_files, item_import, show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.cli.item_named import Item, id_of
from hub.cli.moments import coming

_REQUEUE = """
Examples:

  botyard item requeue invoices --state failed

  botyard item requeue invoices/4711
"""
app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Add items, see what happened to one, order them about."
)

Queue = Annotated[str, typer.Argument(help="Label of the queue.")]
State = Annotated[list[str] | None, typer.Option(help="pending, postponed, processing, done, failed, …; repeatable.")]
Reference = Annotated[str | None, typer.Option(help="Only items of this reference.")]
Tag = Annotated[str | None, typer.Option(help="Only items with this tag.")]
ErrorClass = Annotated[str | None, typer.Option(metavar="business|application|system", help="Only such failures.")]
All = Annotated[bool, typer.Option("--all", help="Every item that may be; without it a filter must be named.")]


@app.command(epilog="Example: botyard item add invoices number=4711 amount:=12.5 --reference 4711 --priority 8")
def add(
    queue: Queue,
    values: Annotated[list[str] | None, typer.Argument(help="name=text or name:=JSON, the payload.")] = None,
    payload: Annotated[str | None, typer.Option(help="The payload as JSON instead.")] = None,
    reference: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    priority: Annotated[int, typer.Option(min=0, max=10, help="10 first.")] = 5,
    not_before: Annotated[str | None, typer.Option(help="2026-03-31, 18:00 or +2h.")] = None,
    deadline: Annotated[str | None, typer.Option(help="Outranks every priority.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by; repeatable.")] = None,
    file: Annotated[list[Path] | None, typer.Option(help="File that belongs to it; repeatable.")] = None,
    json_: show.Json = False,
) -> None:
    """Add an item."""
    body: dict[str, Any] = {
        "payload": _payload(values or [], payload),
        "reference": reference,
        "priority": priority,
        "not_before": coming(not_before, "--not-before").isoformat() if not_before else None,
        "deadline": coming(deadline, "--deadline").isoformat() if deadline else None,
        "tags": tag or [],
    }
    client = connected()
    if file:
        body["files"] = item_files.stored(client, file)
    made = client.post(f"/queues/{segment(queue)}/items", body)
    if json_:
        show.as_json(made)
        return
    typer.echo(f"{made['id']}: {made['state']}")


app.command("import", epilog=item_import.EXAMPLES)(item_import.import_)
app.command(epilog=item_files.LIST)(item_files.files)
app.command(epilog=item_files.ATTACH)(item_files.attach)
app.command(epilog=item_files.DOWNLOAD)(item_files.download)


@app.command("list", epilog="Example: botyard item list invoices --state failed --error-class business")
def list_(
    queue: Queue,
    state: Annotated[str | None, typer.Option(help="pending, postponed, processing, done, failed, ….")] = None,
    reference: Reference = None,
    tag: Tag = None,
    error_class: ErrorClass = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 50,
    json_: show.Json = False,
) -> None:
    """List items, newest first."""
    query = {"limit": min(limit, 500), "state": state, "reference": reference, "tag": tag, "error_class": error_class}
    found = []
    for one in connected().all(f"/queues/{segment(queue)}/items", query):
        found.append(one)
        if len(found) == limit:
            break
    if json_:
        show.as_json({"items": found})
        return
    show.table(
        ("item", "reference", "state", "prio", "tries", "since", "said"),
        (
            (
                one["id"],
                one["reference"],
                one["state"] + (f" ({one['error_class']})" if one["error_class"] else ""),
                one["priority"],
                one["tries"],
                show.when(one["updated_at"]),
                one["message"],
            )
            for one in found
        ),
    )


@app.command("show", epilog="Example: botyard item show invoices/4711")
def show_(item: Item, json_: show.Json = False) -> None:
    """Show what happened to an item: each attempt, and what it did outside."""
    client = connected()
    found = client.get(f"/items/{segment(id_of(client, item))}")
    if json_:
        show.as_json(found)
        return
    held = f"{found['holder']} until {show.when(found['lease_until'])}" if found["holder"] else None
    show.members(
        {
            "item": found["id"],
            "reference": found["reference"],
            "state": found["state"] + (f" ({found['error_class']})" if found["error_class"] else ""),
            "said": found["message"],
            "held back": held_back.line(found),
            "held by": held,
            "not before": show.when(found["not_before"]),
            "deadline": show.when(found["deadline"]),
            "priority": found["priority"],
            "tags": " ".join(found["tags"]) or None,
            "payload": json.dumps(found["payload"], ensure_ascii=False),
            "progress": None if found["progress"] is None else json.dumps(found["progress"], ensure_ascii=False),
            "result": None if found["result"] is None else json.dumps(found["result"], ensure_ascii=False),
            "files": "  ".join(one["name"] for one in found["files"]) or None,
            "copy of": found["source"],
            "added": f"{show.when(found['created_at'])} by {found['created_by']}",
        }
    )
    if found["history"]:
        typer.echo()
        show.table(
            ("attempt", "outcome", "counts", "taken", "ended", "task", "runner", "said"),
            map(_attempt, found["history"]),
        )
    if found["effects"]:
        typer.echo()
        show.table(
            ("effect", "state", "attempt", "since", "result"),
            (
                (
                    one["key"],
                    "not known: ask the other side" if _is_unknown(found, one) else one["state"],
                    one["fence"],
                    show.when(one["settled_at"] or one["intended_at"]),
                    None if one["result"] is None else json.dumps(one["result"], ensure_ascii=False),
                )
                for one in found["effects"]
            ),
        )


@app.command(epilog=_REQUEUE)
def requeue(
    item: Annotated[str, typer.Argument(help="Queue with a filter, an item's id, or QUEUE/REFERENCE.")],
    state: State = None,
    reference: Reference = None,
    tag: Tag = None,
    error_class: ErrorClass = None,
    all_: All = False,
    json_: show.Json = False,
) -> None:
    """Try items anew, with all their tries."""
    _order("requeue", item, _filter(state, reference, tag, error_class), all_=all_, json_=json_)


@app.command(epilog="Example: botyard item cancel invoices --tag 2025 --message 'paid by hand'")
def cancel(
    item: Annotated[str, typer.Argument(help="Queue with a filter, an item's id, or QUEUE/REFERENCE.")],
    state: State = None,
    reference: Reference = None,
    tag: Tag = None,
    error_class: ErrorClass = None,
    all_: All = False,
    message: Annotated[str, typer.Option(help="For those who look later.")] = "",
    json_: show.Json = False,
) -> None:
    """Take items out of the work; those that a bot has are left alone."""
    wanted = _filter(state, reference, tag, error_class)
    _order("cancel", item, wanted, {"message": message}, all_=all_, json_=json_)


@app.command(epilog="Example: botyard item move invoices to-check --state failed")
def move(
    queue: Queue,
    to: Annotated[str, typer.Argument(help="The queue to move to.")],
    state: State = None,
    reference: Reference = None,
    tag: Tag = None,
    error_class: ErrorClass = None,
    all_: All = False,
    json_: show.Json = False,
) -> None:
    """Move items to another queue; what that does not take stays."""
    _order("move", queue, _filter(state, reference, tag, error_class), {"to": to}, all_=all_, json_=json_)


@app.command(epilog="Example: botyard item settle invoices/4711 pay done --result '{\"receipt\": 17}'")
def settle(
    item: Item,
    effect: Annotated[str, typer.Argument(help="Name that the bot gave the side effect.")],
    outcome: Annotated[str, typer.Argument(metavar="done|not_done", help="What the other side says.")],
    result: Annotated[str | None, typer.Option(help="JSON that a later attempt is given.")] = None,
    json_: show.Json = False,
) -> None:
    """Say for an item that nobody holds whether a side effect happened that nobody knows of."""
    client = connected()
    body = {"outcome": outcome, "result": _json(result, "--result") if result else None}
    told = client.post(f"/items/{segment(id_of(client, item))}/once/{segment(effect)}", body)
    if json_:
        show.as_json(told)
        return
    typer.echo(f"{effect}: {told['effect']['state']}")


def _payload(values: list[str], whole: str | None) -> dict[str, Any]:
    if whole is not None:
        found = _json(whole, "--payload")
        if not isinstance(found, dict) or values:
            raise Failure("--payload is a JSON object, and nothing stands beside it.", Exit.USAGE)
        return found
    payload: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.removesuffix(":"):
            raise Failure(f"{text[:80]!r} is no name=text and no name:=JSON.", Exit.USAGE)
        plain = name.removesuffix(":")
        payload[plain] = value if plain == name else _json(value, plain)
    return payload


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure(f"{where} is no JSON: {error}.", Exit.USAGE) from None


def _filter(state: list[str] | None, reference: str | None, tag: str | None, error_class: str | None) -> dict[str, Any]:
    named = {"states": state, "reference": reference, "tag": tag, "error_class": error_class}
    return {name: value for name, value in named.items() if value}


def _order(
    what: str, named: str, wanted: dict[str, Any], more: dict[str, Any] | None = None, *, all_: bool, json_: bool
) -> None:
    """Carry out an order on one item or on all that match, slice by slice."""
    client = connected()
    if named.startswith("itm_") or "/" in named:
        if wanted or all_:
            raise Failure(f"{named} is one item: a filter, or --all, goes with the label of a queue.", Exit.USAGE)
        item = client.post(f"/items/{segment(id_of(client, named))}/{what}", more)
        show.as_json(item) if json_ else typer.echo(f"{item['id']}: {item['state']}")
        return
    if not wanted and not all_:
        raise Failure(
            f"name a filter (--state, --reference, --tag, --error-class), or --all to {what} every item.", Exit.USAGE
        )
    changed = refused = 0
    after: str | None = ""
    while after is not None:
        done = client.post(f"/queues/{segment(named)}/{what}", {**wanted, **(more or {}), "after": after})
        changed, refused, after = changed + done["changed"], refused + done["refused"], done["next"]
        if after is not None:
            show.note(f"{changed} so far")
    if json_:
        show.as_json({"changed": changed, "refused": refused})
        return
    typer.echo(
        f"{changed} changed"
        + (f", {refused} refused: they do not fit their queue, or another has their reference" if refused else "")
    )


def _attempt(one: dict[str, Any]) -> tuple[object, ...]:
    words = one["outcome"] + (f" ({one['error_class']})" if one["error_class"] else "")
    counts = "yes" if one["counted"] else "no"
    task, runner = one["task"], one["runner"]
    return (
        one["number"],
        words,
        counts,
        show.when(one["taken_at"]),
        show.when(one["ended_at"]),
        task,
        runner,
        one["message"],
    )


def _is_unknown(item: dict[str, Any], effect: dict[str, Any]) -> bool:
    """Intended by an attempt that is over."""
    is_over = item["state"] != "processing" or item["fence"] != effect["fence"]
    return bool(effect["state"] == "intended" and is_over)
