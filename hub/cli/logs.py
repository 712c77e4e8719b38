"""`botyard logs`: what a bot printed, byte for byte."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import Client, segment
from hub.cli.connected import connected
from hub.cli.following import Following, outcome_line

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard logs 1042

  botyard logs -f tsk_0190f3a1c2d84b6e9f00112233445566

  botyard logs 1042 --tail 50
"""

PAGE = 1000
_EXECUTION = re.compile(r"exe_[0-9a-f]{32}")


@app.command(epilog=EXAMPLES)
def logs(
    task: Annotated[str, typer.Argument(help="Id or number of the task.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the task has finished.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=1, help="Only the last lines.")] = None,
    execution: Annotated[str | None, typer.Option(help="The output of this attempt.")] = None,
    json_: show.Json = False,
) -> None:
    """Print a task's output: the bytes as the bot wrote them. With --json one object a line, or a piece with -f."""
    if execution is not None and not _EXECUTION.fullmatch(execution):
        told = f"{execution[:64]!r} is no attempt; botyard task show {task} --json names them (exe_…)"
        raise typer.BadParameter(told, param_hint="--execution")
    client = connected()
    path = f"/tasks/{segment(task)}/output"
    if follow:
        following = Following(client, task, first_line=-tail if tail else 0, quiet=True)
        if json_:
            following.write = _piece
        finished = following.run()
        show.note(outcome_line(finished))
        return
    if json_:
        for line in _lines(client, path, -tail if tail else 0, execution):
            _object(line)
        return
    if tail:
        page = client.get(path, {"from": -tail, "limit": tail, "execution": execution})
        for line in page["lines"]:
            sys.stdout.write(line["text"] + "\n")
        _note_missing(client, path, execution)
        return
    for piece in client.download(path + "/raw", {"execution": execution}):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    _note_missing(client, path, execution)


def _note_missing(client: Client, path: str, execution: str | None) -> None:
    """Say beside the bytes what is not among them: a part is never shown as the whole."""
    page = client.get(path, {"from": -1, "limit": 1, "execution": execution})
    if page["execution"] is not None and not page["complete"]:
        show.note(f"(output {page['says']})")


def _lines(client: Client, path: str, first: int, execution: str | None) -> Iterator[dict[str, Any]]:
    """Lines from that one on, page by page, to the last one that is there now."""
    while True:
        page = client.get(path, {"from": first, "limit": PAGE, "execution": execution})
        yield from page["lines"]
        if not page["lines"] or page["next"] >= page["total"]:
            return
        first = page["next"]


def _piece(told: dict[str, Any], fresh: bytes) -> None:
    """A piece of a followed output; a letter that was cut in two shows as such."""
    text = fresh.decode(errors="replace")
    _object({"from": told["to"] - len(fresh), "stream": told["stream"], "at_ms": told["at_ms"], "text": text})


def _object(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
