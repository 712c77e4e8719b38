"""Packages on their way in: what may be said of one in the query, and its bytes to a private file as they come."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

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
    folder = call.hub.settings.data / "uploads"
    await asyncio.to_thread(call.hub.disk.make_folder, folder)
    with tempfile.TemporaryDirectory(dir=folder) as private:
        path = Path(private) / "package"
        await _copy(call, path)
        yield Upload(path=path, name=call.query.name)


async def _copy(call: Call[Nothing, Deploy], path: Path) -> None:
    length = 0
    with path.open("xb") as file:
        while piece := await _piece(call):
            length += len(piece)
            if length > UPLOAD_MAX_BYTES:
                raise Refused(413, "too_large", f"A package has at most {UPLOAD_MAX_BYTES} bytes.")
            await asyncio.to_thread(file.write, piece)
    if length == 0:
        raise Refused(400, "body", "The body is empty: send the package.")


async def _piece(call: Call[Nothing, Deploy]) -> bytes:
    """About a megabyte of the body, less only at its end."""
    gathered = bytearray()
    while len(gathered) < _PIECE_BYTES:
        async with asyncio.timeout(SILENCE_S):
            chunk = await call.request.content.read(_PIECE_BYTES - len(gathered))
        if not chunk:
            break
        gathered += chunk
    return bytes(gathered)
