"""`botyard logs`: what a bot printed, byte for byte."""

import sys
from typing import Annotated

import typer

from hub.cli import show
from hub.cli.client import segment
from hub.cli.connected import connected
from hub.cli.following import Following, outcome_line

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard logs 1042

  botyard logs -f tsk_0190f3a1c2d84b6e9f00112233445566

  botyard logs 1042 --tail 50
"""


@app.command(epilog=EXAMPLES)
def logs(
    task: Annotated[str, typer.Argument(help="Id or number of the task.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the task has finished.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=1, help="Only the last lines.")] = None,
    execution: Annotated[str | None, typer.Option(help="The output of this attempt.")] = None,
) -> None:
    """Print a task's output: the bytes as the bot wrote them."""
    client = connected()
    path = f"/tasks/{segment(task)}/output"
    if follow:
        finished = Following(client, task, first_line=-tail if tail else 0, quiet=True).run()
        show.note(outcome_line(finished))
        return
    if tail:
        page = client.get(path, {"from": -tail, "limit": tail, "execution": execution})
        for line in page["lines"]:
            sys.stdout.write(line["text"] + "\n")
        return
    for piece in client.download(path + "/raw", {"execution": execution}):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
