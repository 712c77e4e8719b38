"""Packages and files on their way in: what may be said of a package, and bytes to a private file as they come."""

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from aiohttp import web
from pydantic import Field, Json

from hub.api.call import Call, Nothing, Query
from hub.api.problem import Fault, Refused
from hub.domain.package_options import OptionError, parse
from hub.services.deployments import Upload, Wish

UPLOAD_MAX_BYTES = 2 * 1024**3
"""Largest package (`reliability.md` S24: 2 GiB unpacked, so never more packed)."""
SILENCE_S = 60.0
"""An upload without a byte for this long is given up."""
_PIECE_BYTES = 1024 * 1024
_SAID = ("kind", "entry", "args", "command", "python", "report", "artifacts", "lines", "needs")


class Deploy(Query):
    """What is said of a package; what is left open follows from the package itself."""

    name: str = Field(min_length=1, max_length=255, description="File or folder name; gives the bot its default name.")
    bot: str | None = None
    version: str | None = None
    kind: str | None = None
    entry: str | None = None
    args: Json[list[str]] | None = Field(default=None, description='A JSON list, as `["--month", "{month}"]`.')
    command: Json[list[str]] | None = Field(default=None, description="A JSON list that replaces the command line.")
    python: str | None = None
    report: str | None = Field(default=None, description="`required` or `optional`.")
    artifacts: str | None = None
    lines: str | None = Field(default=None, description="`off`: `::error::` and the like are only text.")
    needs: Json[dict[str, str]] | None = Field(default=None, description="A JSON object of labels.")
    automation: bool = Field(default=True, description="Make an automation of the bot's name unless there is one.")

    def wish(self) -> Wish:
        """The same for the service. Raises Refused (422) for what can't be meant."""
        said: dict[str, Any] = {name: getattr(self, name) for name in _SAID}
        try:
            options = parse(said, where="query")
        except OptionError as error:
            field, _, text = str(error).removeprefix("query: ").partition(" ")
            fault = Fault(field=field, message=text, remedy="")
            raise Refused(422, "option", "This can't be said of a package.", [fault]) from None
        return Wish(bot=self.bot, version=self.version, is_label=self.automation, options=options)


@contextlib.asynccontextmanager
async def received(call: Call[Nothing, Deploy]) -> AsyncIterator[Upload]:
    """The body in a file that only the hub reads, gone when the block ends. Raises Refused when it is too large."""
    async with body_in_file(call, "package", UPLOAD_MAX_BYTES) as body:
        if body.size_bytes == 0:
            raise Refused(400, "body", "The body is empty: send the package.")
        yield Upload(path=body.path, name=call.query.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class InFile:
    """A body that came whole."""

    path: Path
    sha256: str
    size_bytes: int


@contextlib.asynccontextmanager
async def body_in_file(call: Call[Any, Any], noun: str, limit_bytes: int) -> AsyncIterator[InFile]:
    """A body of at most so many bytes in a file that only the hub reads, gone when the block ends.

    Raises Refused when it is too large or was announced as longer than it came.
    """
    folder = call.hub.settings.data / "uploads"
    await asyncio.to_thread(call.hub.disk.make_folder, folder)
    with tempfile.TemporaryDirectory(dir=folder) as private:
        yield await _copy(call.request, Path(private) / "body", noun, limit_bytes)


async def _copy(request: web.Request, path: Path, noun: str, limit_bytes: int) -> InFile:
    length, sha256 = 0, hashlib.sha256()
    with path.open("xb") as file:
        while piece := await _piece(request):
            length += len(piece)
            if length > limit_bytes:
                raise Refused(413, "too_large", f"A {noun} has at most {limit_bytes} bytes.")
            await asyncio.to_thread(_write, file, sha256, piece)
    return InFile(path=path, sha256=sha256.hexdigest(), size_bytes=length)


def _write(file: BinaryIO, sha256: "hashlib._Hash", piece: bytes) -> None:
    sha256.update(piece)
    file.write(piece)


async def _piece(request: web.Request) -> bytes:
    """About a megabyte of the body, less only at its end."""
    gathered = bytearray()
    while len(gathered) < _PIECE_BYTES:
        async with asyncio.timeout(SILENCE_S):
            chunk = await request.content.read(_PIECE_BYTES - len(gathered))
        if not chunk:
            break
        gathered += chunk
    return bytes(gathered)
