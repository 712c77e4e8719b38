"""`botyard events`: what happened, in order; with `--follow` as it happens."""

import json
import os
import re
import shutil
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import LOST, Client, Query, segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure, Refusal
from hub.cli.moments import past
from hub.cli.scripted import printing

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard events -f

  botyard events --since 2h --type task.settled

  botyard events --task 1042 --json
"""
AGAIN_S = 1.0
"""Between two connections of a stream that was cut off."""
_KIND = re.compile(r"[a-z_]+(\.[a-z_]+)?")


@app.command(epilog=EXAMPLES)
def events(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with events as they happen.")] = False,
    since: Annotated[str | None, typer.Option(help="2h (ago), or a moment: only events since then.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="task.settled, or task for all of them.")] = None,
    task: Annotated[str | None, typer.Option(help="Id or number: only events of this task.")] = None,
    after: Annotated[int | None, typer.Option(min=0, help="Only events behind this position, oldest first.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=1000, help="How many of the past.")] = 100,
    json_: show.Json = False,
) -> None:
    """Print the last events: who changed what, from, to. The newest comes last. With --json one object a line."""
    if kind is not None and not _KIND.fullmatch(kind):
        raise typer.BadParameter(f"{kind[:64]!r} is no type; say task.settled, or task", param_hint="--type")
    moment = past(since, "--since").isoformat() if since else None
    client = connected()
    query: Query = {
        "after": after,
        "limit": limit,
        "newest": after is None,
        "since": moment,
        "type": kind,
        "task": client.get(f"/tasks/{segment(task)}")["id"] if task else None,
    }
    printer = _Json() if json_ else _Lines()
    if not follow:
        found = client.get("/events", query)["items"]
        for event in found:
            printer.print(event)
        if not found and not json_:
            sys.stdout.write("none\n")
        return
    following = Following(client=client, query=query, print=printer.print)
    try:
        following.run()
    except KeyboardInterrupt:
        back = f"botyard events --follow --after {following.seen}"
        raise Failure(f"detached. Go on: {back}", Exit.DETACHED) from None


@dataclass(slots=True, kw_only=True)
class Following:
    """The feed, followed from one connection to the next, through restarts of the hub."""

    client: Client
    query: Query
    print: Any
    """Called with each event, once."""
    stop: threading.Event = field(default_factory=threading.Event)
    seen: str = field(default="", init=False)
    """Position of the last event that was printed."""
    _is_lost: bool = field(default=False, init=False)

    def run(self) -> None:
        """Print until somebody sets `stop`. Raises Refusal."""
        while True:
            self.once()
            if self.stop.wait(AGAIN_S):
                return

    def once(self) -> None:
        """Print one connection's events."""
        try:
            for event in self.client.events("/events", {**self.query, "follow": True}, self.seen):
                with printing():
                    self.print(json.loads(event.data))
                self.seen, self._is_lost = event.id, False
        except Refusal as refusal:
            if refusal.status != 503:
                raise
        except LOST as error:
            if not self._is_lost:
                show.note(f"(the hub is not reached ({error}); going on when it is back)")
            self._is_lost = True


class _Json:
    def print(self, event: dict[str, Any]) -> None:
        """One object a line."""
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()


class _Lines:
    """One line an event, as wide as the terminal; a pipe gets everything."""

    def __init__(self) -> None:
        known = sys.stdout.isatty() or "COLUMNS" in os.environ
        self._width = shutil.get_terminal_size().columns if known else None
        self._day = ""

    def print(self, event: dict[str, Any]) -> None:
        """Time, kind, what changed, by whom, and what it was about; a line of its own where a day begins."""
        then = datetime.fromisoformat(event["at"]).astimezone()
        if (day := f"{then:%Y-%m-%d}") != self._day:
            self._day = day
            sys.stdout.write(f"{day}\n")
        change = f"{event['old'] or ''} > {event['new']}".strip() if event["new"] else ""
        words = [change, _about(event), f"by {event['actor']}"]
        line = f"{event['pos']:>7}  {then:%H:%M:%S}  {event['kind']:<24}  {'  '.join(word for word in words if word)}"
        sys.stdout.write(show.cut(line, self._width) + "\n")
        sys.stdout.flush()


def _word(value: object) -> str:
    """A text as it is, the rest as JSON: what --json shows, and no Python."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _about(event: dict[str, Any]) -> str:
    """What it was about, in as few words as tell it."""
    data = event["data"] or {}
    known = {name: value for name, value in data.items() if value not in (None, "", {}, [])}
    said = " ".join(f"{name}={show.one_line(_word(value))}" for name, value in known.items())
    return f"{event['subject']}  {said}".strip()
