"""`botyard deploy`: a folder, an archive or a file becomes a build, released and prepared."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from agent.wire.words import Kind
from hub.cli import show
from hub.cli.connected import connected
from hub.cli.deploying import Deploying
from hub.cli.failing import Exit, Failure
from hub.cli.usage import one_way

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard deploy samples/invoices

  botyard deploy ./bot.zip --bot invoices --version 1.2.0 --no-release

  botyard deploy ./report.sh --args '--month {month}'

A bot may carry a botyard.toml with kind, entry, args, command, python, report, artifacts,
needs and lines ("off": ::error:: and the like are only text); options win over it.
"""


@app.command(epilog=EXAMPLES)
def deploy(
    path: Annotated[Path, typer.Argument(help="Folder, zip, tar.gz or single file.")],
    bot: Annotated[str | None, typer.Option(help="Name of the bot; the folder's name if absent.")] = None,
    version: Annotated[str | None, typer.Option(help="Version; from VERSION or pyproject.toml if absent.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"Instead of what is recognised: {', '.join(Kind)}.")] = None,
    entry: Annotated[str | None, typer.Option(help="File, module:function, script or task to start.")] = None,
    args: Annotated[str | None, typer.Option(help="Arguments as in a shell; {name} is a parameter.")] = None,
    command: Annotated[str | None, typer.Option(help="A whole command line instead of the kind's own.")] = None,
    release: Annotated[
        list[bool] | None, typer.Option("--release/--no-release", help="Make it the one that new tasks get (usual).")
    ] = None,
    automation: Annotated[
        list[bool] | None,
        typer.Option(
            "--automation/--no-automation", help="Make an automation of the bot's name, if there is none (usual)."
        ),
    ] = None,
    json_: show.Json = False,
) -> None:
    """Deploy a bot; waits until it is ready, released, and prepared on a runner."""
    said = {
        "bot": bot,
        "version": version,
        "kind": kind,
        "entry": entry,
        "args": _words(args, "--args"),
        "command": _words(command, "--command"),
        "automation": one_way(automation, "--automation", "--no-automation") is not False,
    }
    is_released = one_way(release, "--release", "--no-release") is not False
    deploying = Deploying(client=connected())
    try:
        build = deploying.deploy(path, said, release=is_released)
    except KeyboardInterrupt:
        raise Failure("stopped; what was uploaded stays, deploy again to go on", Exit.DETACHED) from None
    if json_:
        show.as_json(build)
        return
    typer.echo(f"{build['bot']} {build['version']} {build['digest'][:12]}")
    if build["automation"]:
        show.note(f"run it: botyard run {build['automation']} --follow")


def _words(line: str | None, option: str) -> str | None:
    """A line taken apart as a shell does. Raises typer.BadParameter for one with an open quote."""
    if not line:
        return None
    try:
        return json.dumps(shlex.split(line))
    except ValueError as error:
        raise typer.BadParameter(f"{line[:80]!r} is no shell line: {error}", param_hint=option) from None
