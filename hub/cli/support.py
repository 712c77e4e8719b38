"""`botyard support-bundle`: what somebody who helps has to know, in one file, without a secret."""

import os
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from agent.ports.clock import SystemClock
from hub.cli import show
from hub.cli.failing import Exit, Failure

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard support-bundle

  botyard support-bundle problem.zip --data /var/lib/botyard-hub

It holds versions, settings, health, runners, events, what failed lately and how its output ended, sizes, migrations and
logs. Keys, passwords, values of parameters and of outputs are left out. Read it before you send it.
"""


@app.command("support-bundle", epilog=EXAMPLES)
def support_bundle(
    file: Annotated[Path | None, typer.Argument(help="The zip to write; a new one here if absent.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the hub, or of botyard up; the usual places if absent.")
    ] = None,
    json_: show.Json = False,
) -> None:
    """Write a zip for whoever helps you; works also when the hub is down. No secret is in it."""
    if data is not None and not data.is_dir():
        raise typer.BadParameter(f"there is no folder {data}", param_hint="--data")
    target = (file or Path(f"botyard-support-{SystemClock().now().astimezone(UTC):%Y%m%d-%H%M%S}.zip")).absolute()
    from hub.cli.bundle import collect

    made = collect(data)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileNotFoundError:
        raise Failure(f"there is no folder {target.parent}; name another file.", Exit.USAGE) from None
    except FileExistsError:
        raise Failure(f"{target} is there already; name another file.", Exit.USAGE) from None
    with os.fdopen(descriptor, "wb") as out:
        made.write(out)
    if json_:
        show.as_json({"file": str(target), "parts": sorted(made.parts), "missing": made.missing})
        return
    typer.echo(str(target))
    show.note(f"{len(made.parts)} parts; nothing in it is secret as far as Botyard knows: read it before you send it")
    for line in made.missing:
        show.note(f"without {line}")
