"""`botyard hub bundle`: what bare machines fetch from a hub, made and listed on the hub's machine."""

import asyncio
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from hub.cli import show
from hub.cli.failing import Exit, Failure

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make and list what bare machines install.")

Data = Annotated[Path | None, typer.Option(envvar="BOTYARD_HUB_DATA", help="Folder of everything that the hub keeps.")]


@app.command(epilog="Example: botyard hub bundle build --data /var/lib/botyard-hub")
def build(
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="A folder to put it into, for a hub on another machine.")] = None,
    json_: show.Json = False,
) -> None:
    """Make the bundle for machines like this one, of what is installed here: Python, processor and libc are the same.

    A hub makes its own when it is first asked for; this makes it before, or on a machine of another kind.
    """
    from hub.install.building import build as make
    from hub.install.bundles import CannotBuild

    folder = out or _folder(data)
    try:
        path = make(folder)
    except CannotBuild as error:
        raise Failure(f"{error}.") from None
    if json_:
        show.as_json({"file": str(path), "bytes": path.stat().st_size})
        return
    typer.echo(f"{path}: {show.size(path.stat().st_size)}")


@app.command("list", epilog="Example: botyard hub bundle list --data /var/lib/botyard-hub")
def list_(data: Data = None, json_: show.Json = False) -> None:
    """List the bundles that a hub hands out: the newest of each kind in the folder bundles of its data."""
    from dataclasses import asdict

    from hub.install.bundles import Bundles

    folder = _folder(data)
    if not folder.parent.is_dir():
        raise Failure(f"--data: there is no folder {folder.parent}; name the one of botyard hub serve", Exit.USAGE)
    found = asyncio.run(Bundles(folder).there())
    if json_:
        show.as_json({"items": [asdict(one) for one in found]})
        return
    show.table(
        ("platform", "version", "size"), ((one.platform, one.version, show.size(one.size_bytes)) for one in found)
    )


def _folder(data: Path | None) -> Path:
    return (data or platformdirs.user_data_path("botyard-hub", appauthor=False)) / "bundles"
