"""`botyard item files|attach|download`: files of an item, shown, sent and brought to this machine."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.wire.paths import UnsafePathError, check_path
from hub.cli import show
from hub.cli.artifacts import Saving, chosen
from hub.cli.client import Client, Upload, segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.cli.item_named import Item, id_of

LIST = "Example: botyard item files invoices/4711"
ATTACH = "Example: botyard item attach invoices/4711 scan.pdf letter.txt"
DOWNLOAD = "Example: botyard item download invoices/4711 '*.pdf' --to out"
_BYTES = "application/octet-stream"

Paths = Annotated[list[Path], typer.Argument(help="Files of this machine.")]


def files(item: Item, json_: show.Json = False) -> None:
    """List an item's files."""
    client = connected()
    found = client.get(_listing(id_of(client, item)))
    if json_:
        show.as_json(found)
        return
    show.table(
        ("name", "size", "came", "sha256"),
        (
            (one["name"], show.size(one["size_bytes"]), show.when(one["created_at"]), one["sha256"][:12])
            for one in found["items"]
        ),
    )


def attach(
    item: Item,
    paths: Paths,
    name: Annotated[str | None, typer.Option(help="Another name than the file has here; for one file.")] = None,
    json_: show.Json = False,
) -> None:
    """Attach files to an item that nobody holds; one of the same name makes room."""
    if name is not None and len(paths) > 1:
        raise Failure("--name is for one file.", Exit.USAGE)
    for path in paths:
        _check(path, name or path.name)
    client = connected()
    listing = _listing(id_of(client, item))
    made = [_send(client, path, f"{listing}/{segment(name or path.name)}", "PUT") for path in paths]
    if json_:
        show.as_json({"items": made})
        return
    for one in made:
        typer.echo(f"{one['name']}: {show.size(one['size_bytes'])}")


def download(
    item: Item,
    names: Annotated[list[str] | None, typer.Argument(help="Only these; * and ? stand for any characters.")] = None,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Into this folder.")] = Path(),
    json_: show.Json = False,
) -> None:
    """Bring an item's files here."""
    client = connected()
    listing = _listing(id_of(client, item))
    wanted = chosen(client.get(listing)["items"], names or [], f"item {item}", f"botyard item files {item}")
    saved = Saving(client, to, lambda one: f"{listing}/{segment(one['name'])}").save(wanted)
    if json_:
        show.as_json({"items": wanted, "saved": [str(path) for path in saved]})
        return
    show.note(f"{len(saved)} {'file' if len(saved) == 1 else 'files'} in {to}")


def stored(client: Client, paths: list[Path]) -> list[dict[str, str]]:
    """Send files for an item that is to be added; what it calls them. Raises Failure before anything is sent."""
    for path in paths:
        _check(path, path.name)
    return [{"name": path.name, "sha256": _send(client, path, "/files", "POST")["sha256"]} for path in paths]


def _send(client: Client, path: Path, address: str, method: str) -> Any:
    """Send a file, which is refused unless it arrives as it is here."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        file.seek(0)
        body = Upload(file=file, size_bytes=size, content_type=_BYTES)
        return client.upload(address, body, {"sha256": sha256}, method)


def _check(path: Path, name: str) -> None:
    """Raises Failure for what is no file, or can't be called so at the other end."""
    if not path.is_file():
        raise Failure(f"{path}: {'no file' if path.exists() else 'No such file or directory'}.", Exit.USAGE)
    try:
        check_path(name)
    except UnsafePathError as error:
        raise Failure(f"{error}: give it another name (--name).", Exit.USAGE) from None


def _listing(item_id: str) -> str:
    return f"/items/{segment(item_id)}/files"
