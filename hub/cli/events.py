"""`botyard events`: what happened, in order; with `--follow` as it happens."""

import json
import sys
import threading
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import LOST, Client
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: botyard events --follow --json")
def events(
    after: Annotated[int, typer.Option(min=0, help="Only events behind this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, without --follow.")] = 100,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with events as they happen.")] = False,
    json_: show.Json = False,
) -> None:
    """Print the event feed: who changed what, from, to, why. With --json one object a line."""
    client = connected()
    if not follow:
        for event in client.get("/events", {"after": after, "limit": limit})["items"]:
            _print(event, json_)
        return
    following = _Following(client, after, json_)
    try:
        while True:
            following.once()
            threading.Event().wait(1.0)
    except KeyboardInterrupt:
        back = f"botyard events --follow --after {following.seen}"
        raise Failure(f"detached. Go on: {back}", Exit.DETACHED) from None


@dataclass(slots=True)
class _Following:
    """The feed, followed from one connection to the next."""

    client: Client
    seen: int
    """Position of the last event that was printed."""
    json: bool

    def once(self) -> None:
        """Print one connection's events."""
        try:
            for event in self.client.events("/events", {"after": self.seen, "follow": True}, ""):
                told = json.loads(event.data)
                _print(told, self.json)
                self.seen = told["pos"]
        except LOST as error:
            show.note(f"(the hub is not reached ({error}); trying again)")


def _print(event: dict[str, Any], json_: bool) -> None:
    if json_:
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
    else:
        change = f"{event['old'] or ''} > {event['new']}" if event["new"] else ""
        sys.stdout.write(f"{event['pos']:>6}  {event['at'][:19]}  {event['kind']:<26} {event['subject']}  {change}\n")
    sys.stdout.flush()
