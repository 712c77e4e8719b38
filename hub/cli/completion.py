"""`botyard completion`: what a shell has to read so that Tab completes commands, labels, tasks and runners."""

import sys
from typing import Annotated

import typer

from agent.ports.shells import SHELLS, how, script
from hub.cli import show

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  eval "$(botyard completion bash)"

  botyard completion fish > ~/.config/fish/completions/botyard.fish
"""


@app.command(epilog=EXAMPLES)
def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print the completion of a shell, for it to read at its start."""
    if shell not in SHELLS:
        raise typer.BadParameter(f"{shell[:32]!r} is none of {', '.join(SHELLS)}", param_hint="SHELL")
    sys.stdout.write(script("botyard", shell))
    if sys.stdout.isatty():
        show.note(f"put it there: {how('botyard', shell)}")
