"""`botyard runner screenshot`, `botyard runner watch`: what is on a runner's desktop now."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.ports.clock import SystemClock
from hub.cli import show
from hub.cli.client import Client, segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
Name = Annotated[str, typer.Argument(help="Name or id of the runner.")]
Slot = Annotated[
    int | None,
    typer.Option("--desktop", min=0, metavar="SLOT", help="The slot whose desktop it is; else the first that has one."),
]


def screenshot(
    name: Name,
    desktop: Slot = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")
    ] = None,
    json_: show.Json = False,
) -> None:
    """Take a picture of a runner's desktop, as PNG. Everybody who may sees in the events that you looked."""
    is_piped = output == Path("-")
    if is_piped and (sys.stdout.isatty() or json_):
        raise Failure("a picture is no text: name a file (-o FILE), or pipe it, without --json.", Exit.USAGE)
    taken_at = SystemClock().now().astimezone()
    if output is not None and not is_piped and output.exists():
        raise Failure(f"{output} is there already; name another file.")
    client = connected()
    slot = _slot(client, name) if desktop is None else desktop
    path = output or Path(f"{segment(name)}-{slot}-{taken_at:%Y%m%d-%H%M%S}.png")
    picture = b"".join(client.download(f"{_desktop(name, slot)}/screenshot"))
    if is_piped:
        sys.stdout.buffer.write(picture)
        return
    try:
        # What is on a screen is not everybody's.
        with os.fdopen(os.open(path, _NEW, 0o600), "wb") as file:
            file.write(picture)
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror or error}.") from None
    if json_:
        show.as_json({"runner": name, "slot": slot, "file": str(path), "bytes": len(picture)})
    else:
        typer.echo(path)


def watch(name: Name, desktop: Slot = None, json_: show.Json = False) -> None:
    """Make an address that shows a runner's desktop live in a browser, to be opened within a minute."""
    client: Client = connected()
    slot = _slot(client, name) if desktop is None else desktop
    made = client.post(f"{_desktop(name, slot)}/views")
    if json_:
        show.as_json(made)
        return
    typer.echo(made["url"])
    show.note("open it within a minute; whoever has it sees the desktop, as long as somebody looks")


def _slot(client: Client, name: str) -> int:
    """The first slot with a desktop; which one is said where there are others.

    Where none is known it is slot 0: the runner's answer says that there is none.
    """
    slots = sorted(one["slot"] for one in client.get(f"/runners/{segment(name)}")["desktops"])
    if len(slots) > 1:
        others = ", ".join(str(slot) for slot in slots[1:])
        show.note(f"the desktop of slot {slots[0]}; --desktop takes another: {others}")
    return slots[0] if slots else 0


def _desktop(name: str, slot: int) -> str:
    return f"/runners/{segment(name)}/desktops/{slot}"
