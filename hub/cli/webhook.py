"""`botyard trigger webhook`: tasks for signed calls from outside, and the secret that they are signed with."""

from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.cli.parameters import read_parameters

EXAMPLES = "Example: botyard trigger webhook orders-in invoices --map month=body.invoice.month"

Label = Annotated[str, typer.Argument(help="Label of the trigger.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="parameter=expression over body and headers; none: the body's members. Repeatable."),
]
Sign = Annotated[str, typer.Option(metavar="standard|token", help="Standard Webhooks, or a bearer token.")]
Overlap = Annotated[str | None, typer.Option(help="allow, skip, queue or cancel, while an earlier task goes on.")]
Parameter = Annotated[
    list[str] | None, typer.Option("-p", "--parameter", help="name=value of its tasks, beside the payload's.")
]


def webhook(
    label: Label,
    automation: Annotated[str, typer.Argument(help="Label of the automation.")],
    map_: Map = None,
    sign: Sign = "standard",
    overlap: Overlap = None,
    parameter: Parameter = None,
    json_: show.Json = False,
) -> None:
    """Define a trigger that listens to calls from outside; prints its address and its secret, once."""
    client = connected()
    definition: dict[str, Any] = {"kind": "webhook", "sign": sign}
    if map_:
        definition["map"] = mapped(map_)
    if overlap:
        definition["overlap"] = overlap
    given = read_parameters(client, automation, None, parameter or [])
    made = client.post(
        "/triggers", {"label": label, "automation": automation, "definition": definition, "parameters": given}
    )
    _told({**made, **client.post(f"/triggers/{segment(label)}/secret")}, json_)


def secret(label: Label, json_: show.Json = False) -> None:
    """Give a webhook a new secret; the old one is void at once."""
    _told(connected().post(f"/triggers/{segment(label)}/secret"), json_)


def mapped(typed: list[str]) -> dict[str, str]:
    """Parameter to expression. Raises Failure for what is no pair."""
    pairs = [text.partition("=") for text in typed]
    for name, equals, expression in pairs:
        if not name or not equals or not expression:
            raise Failure(f"--map {name + equals + expression!r} is no parameter=expression.", Exit.USAGE)
    return {name: expression for name, _, expression in pairs}


def _told(made: dict[str, Any], json_: bool) -> None:
    if json_:
        show.as_json(made)
        return
    show.members({"call": made["url"], "secret": made["secret"]})
    show.note("the secret is shown this once; botyard trigger secret makes another")
