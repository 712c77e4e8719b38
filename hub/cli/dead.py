"""`botyard queue dead`: items that nobody tries any more, with why, of one queue or of all."""

from typing import Annotated

import typer

from hub.cli import show
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure

EXAMPLE = """
Examples:

  botyard queue dead invoices

  botyard queue dead --all
"""


def dead(
    queue: Annotated[str | None, typer.Argument(help="Label of the queue.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Of every queue.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first.")] = 50,
    json_: show.Json = False,
) -> None:
    """List items that were given up: why, since when, and how many of each cause."""
    if (queue is None) != all_:
        raise Failure("name a queue, or say --all.", Exit.USAGE)
    found = connected().get("/dead-letters", {"queue": queue, "limit": limit})
    if json_:
        show.as_json(found)
        return
    show.table(
        ("queue", "cause", "items", "newest"),
        ((one["queue"], one["cause"], one["count"], show.when(one["newest"])) for one in found["causes"]),
    )
    if not found["items"]:
        return
    typer.echo()
    show.table(
        ("item", "queue", "reference", "cause", "attempts", "since", "said"),
        (
            (
                one["id"],
                one["queue"],
                one["reference"],
                one["cause"],
                one["attempts"],
                show.when(one["since"]),
                one["message"],
            )
            for one in found["items"]
        ),
    )
    show.note("mend the cause, then: botyard item requeue ITEM, or QUEUE --state failed --error-class application")
