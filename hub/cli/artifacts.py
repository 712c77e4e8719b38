"""`botyard task artifacts`: a task's files, listed and brought to this machine.

Names come from bots, so none becomes a path before it was looked at (S38). Files are written beside their place and
renamed when their sha256 is right; what a cut left is gone on with. A file that is there with other bytes is never
overwritten.
"""

import fnmatch
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.wire.paths import UnsafePathError, check_path
from hub.cli import show
from hub.cli.client import Client, segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.cli.progress import Progress

LOOK_EVERY_S = 0.3
WAIT_AT_MOST_S = 10.0
"""So long `--collect` looks for something new; the runner may take longer for large files."""
STABLE_LOOKS = 4
_PIECE_BYTES = 1024 * 1024

EXAMPLES = """
Examples:

  botyard task artifacts 1042

  botyard task artifacts 1042 --download out '*.pdf' logs/run.txt

  botyard task artifacts 1042 --collect
"""


def artifacts(
    task: Annotated[str, typer.Argument(help="Id or number of the task.")],
    names: Annotated[list[str] | None, typer.Argument(help="Only these; * and ? stand for any characters.")] = None,
    download: Annotated[Path | None, typer.Option(metavar="DIR", help="Bring them into this folder.")] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Have a running task's runner bring what is there now.")
    ] = False,
    json_: show.Json = False,
) -> None:
    """List a task's files, or bring them here."""
    client = connected()
    found = _collected(client, task) if collect else client.get(_listing(task))
    items = chosen(found["items"], names or [], f"task {task}", f"botyard task artifacts {task}")
    if download is not None:
        saved = Saving(client, download).save(items)
        if json_:
            show.as_json({**found, "items": items, "saved": [str(path) for path in saved]})
        else:
            show.note(f"{len(saved)} {'file' if len(saved) == 1 else 'files'} in {download}")
    elif json_:
        show.as_json({**found, "items": items})
    else:
        _print(items)
    _print_left_out(found["left_out"])


@dataclass(slots=True)
class Saving:
    """Brings files into a folder."""

    client: Client
    folder: Path
    address: Callable[[dict[str, Any]], str] = lambda one: f"/artifacts/{one['id']}/file"
    """Where the bytes of a file are."""

    def save(self, items: Sequence[dict[str, Any]]) -> list[Path]:
        """Bring all of them; where they are. Raises Failure before anything is written when one is in the way."""
        places = [(one, self.folder / _place(one)) for one in items]
        wanted = [(one, path) for one, path in places if not _is_here(one, path)]
        in_the_way = [path for _, path in wanted if path.exists() or path.is_symlink()]
        if in_the_way:
            more = f" and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else ""
            raise Failure(f"{in_the_way[0]}{more} is there already with other bytes; name another folder.")
        progress = Progress()
        try:
            for one, path in wanted:
                self._bring(one, path, progress)
        except (FileExistsError, NotADirectoryError):
            raise Failure(f"{self.folder} is a file, or lies below one; name another folder.") from None
        except OSError as error:
            raise Failure(f"{self.folder} can't be written: {error.strerror or error}.") from None
        except KeyboardInterrupt:
            raise Failure("stopped; the same command goes on where it was", Exit.DETACHED) from None
        finally:
            progress.end()
        return [path for _, path in places]

    def _bring(self, one: dict[str, Any], path: Path, progress: Progress) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name[:200]}.part")
        size = one["size_bytes"]
        with part.open("ab") as file:
            if file.tell() > size:
                file.truncate(0)
            have = file.tell()
            # A range of nothing can't be asked for.
            pieces = self.client.download(self.address(one), start=have) if have < size else ()
            for piece in pieces:
                file.write(piece)
                have += len(piece)
                progress.set(_shown(one["name"]), have / size, f"{show.size(have)} of {show.size(size)}")
        if _sha256(part) != one["sha256"]:
            part.unlink()
            raise Failure(f"{one['name']} arrived damaged (its sha256 differs); say it again.")
        part.rename(path)


def _collected(client: Client, task: str) -> Any:
    """Ask the runner, and look until something new has come and nothing more does."""
    before = client.get(_listing(task))
    asked = client.post(f"{_listing(task)}/collect")
    show.note(f"{asked['runner']} was asked for what is there now")
    found, last, stable = before, before, 0
    for _ in range(int(WAIT_AT_MOST_S / LOOK_EVERY_S)):
        threading.Event().wait(LOOK_EVERY_S)
        last, found = found, client.get(_listing(task))
        stable = stable + 1 if found == last else 0
        if found != before and stable >= STABLE_LOOKS:
            return found
    if found == before:
        show.note(f"nothing new within {WAIT_AT_MOST_S:g} s; large files come later")
    return found


def _listing(task: str) -> str:
    return f"/tasks/{segment(task)}/artifacts"


def chosen(items: Sequence[dict[str, Any]], names: Sequence[str], whose: str, listing: str) -> list[dict[str, Any]]:
    """The files that are meant. Raises Failure for a name that none has; `listing` is the command that shows all."""
    found = [one for one in items if not names or any(fnmatch.fnmatchcase(one["name"], name) for name in names)]
    for name in names:
        if not any(fnmatch.fnmatchcase(one["name"], name) for one in items):
            raise Failure(f"{whose} has no file {name!r}; {listing} lists them.")
    return found


def _place(one: dict[str, Any]) -> str:
    """Where a file goes below the folder; a name that could lead out of it, or means something, is not used."""
    try:
        return check_path(one["name"])
    except UnsafePathError:
        return f"artifact-{one['id']}"


def _is_here(one: dict[str, Any], path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size == one["size_bytes"] and _sha256(path) == one["sha256"]
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _print(items: Sequence[dict[str, Any]]) -> None:
    show.table(
        ("name", "size", "type", "came", "number"),
        (
            (
                _shown(one["name"]),
                show.size(one["size_bytes"]),
                one["content_type"],
                show.when(one["created_at"]),
                one["id"],
            )
            for one in items
        ),
    )


def _shown(text: str) -> str:
    """A text that a bot chose, as it may stand in a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _print_left_out(left_out: Sequence[dict[str, Any]]) -> None:
    for one in left_out:
        show.note(f"left out: {_shown(one['text'])}")
