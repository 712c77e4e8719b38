"""``POST /artifacts`` and ``PUT /artifacts/{name}``: files that a bot hands over while it runs (`bot-packages.md` §6).

They stream into 0600 drafts on the home's file system. Only when all of a request are whole are they taken, each under
its name; from then on they are the runner's, and reach the hub whenever it is there.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aiohttp import BodyPartReader, web

from agent.gateway.answers import json_line
from agent.gateway.bodies import PIECE_BYTES
from agent.gateway.callers import calling_bot
from agent.gateway.desk import DESK, Desk
from agent.gateway.members import FieldError
from agent.gateway.refusals import Refused
from agent.wire.paths import UnsafePathError, check_path
from agent.wire.uploads import ARTIFACT_MAX_BYTES

FILES_MAX = 50
"""In one request."""
_DRAFT = "draft-"
_NAME_MAX_BYTES = 4096
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_HOW = "send multipart/form-data as `curl -F file=@NAME` does, or PUT the bytes to /artifacts/NAME"


@dataclass(slots=True)
class _Draft:
    name: str
    path: Path
    size_bytes: int = 0


def sweep_drafts(folder: Path) -> None:
    """Remove what calls of an earlier daemon left half done. Blocks."""
    for draft in folder.glob(_DRAFT + "*"):
        draft.unlink(missing_ok=True)


async def post(request: web.Request) -> web.Response:
    """``POST /artifacts``: every part with a file name; a text field ``name`` before a part names that file."""
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    if request.content_type != "multipart/form-data":
        raise Refused(415, f"This is no multipart body: {_HOW}")
    async with _drafts() as drafts:
        try:
            await _receive_parts(request, desk, drafts)
        except ValueError as error:
            if isinstance(error, FieldError):
                raise
            raise FieldError("", f"The multipart body cannot be read: {_HOW}") from None
        if not drafts:
            raise FieldError("file", f"no part has a file name: {_HOW}")
        return await _take(desk, bot.execution_id, drafts)


async def put(request: web.Request) -> web.Response:
    """``PUT /artifacts/{name}``: the body is the file."""
    desk = request.app[DESK]
    bot = await calling_bot(request, desk.host)
    async with _drafts() as drafts:
        draft = await _new(desk, request.match_info["name"], drafts)
        await _receive(request.content.iter_chunked(PIECE_BYTES), draft)
        return await _take(desk, bot.execution_id, drafts)


async def _take(desk: Desk, execution_id: str, drafts: list[_Draft]) -> web.Response:
    try:
        for draft in drafts:
            await desk.host.take_artifact(execution_id, draft.path, draft.name)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise FieldError("name", "a file and a folder of this run would have the same name; choose another") from None
    except OSError as error:
        raise Refused(507, "The runner's disk has no room for this file") from error
    desk.host.spoke(execution_id)
    taken = [{"name": draft.name, "size_bytes": draft.size_bytes} for draft in drafts]
    return json_line({"artifacts": taken}, status=202)


async def _receive_parts(request: web.Request, desk: Desk, drafts: list[_Draft]) -> None:
    wanted = ""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise FieldError("", "A part is a multipart body itself; send files one beside the other")
        if not part.filename:
            text = await _text(part)
            wanted = text if part.name == "name" else wanted
            continue
        draft = await _new(desk, wanted or part.filename, drafts)
        wanted = ""
        await _receive(_pieces(part), draft)


async def _text(part: BodyPartReader) -> str:
    data = b""
    while piece := await part.read_chunk(_NAME_MAX_BYTES):
        data += piece
        if len(data) > _NAME_MAX_BYTES:
            raise FieldError(part.name or "", f"longer than {_NAME_MAX_BYTES} bytes; a file needs a file name")
    return data.decode(errors="replace")


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(PIECE_BYTES):
        yield piece


async def _new(desk: Desk, name: str, drafts: list[_Draft]) -> _Draft:
    try:
        check_path(name)
    except UnsafePathError as error:
        raise FieldError("name", f"{error}; a relative path with / is wanted") from None
    if len(drafts) == FILES_MAX:
        raise Refused(413, f"More than {FILES_MAX} files in one request")
    draft = _Draft(name, desk.settings.upload_folder / f"{_DRAFT}{secrets.token_hex(8)}")
    drafts.append(draft)
    return draft


async def _receive(pieces: AsyncIterable[bytes], draft: _Draft) -> None:
    try:
        file = await asyncio.to_thread(_create, draft.path)
    except OSError as error:
        raise Refused(507, "The runner's disk has no room for this file") from error
    try:
        async for piece in pieces:
            draft.size_bytes += len(piece)
            if draft.size_bytes > ARTIFACT_MAX_BYTES:
                raise Refused(413, f"The file is larger than {ARTIFACT_MAX_BYTES} bytes")
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(file.flush)
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        raise Refused(507, "The runner's disk has no room for this file") from error
    finally:
        with suppress(OSError):
            file.close()


@asynccontextmanager
async def _drafts() -> AsyncIterator[list[_Draft]]:
    """The drafts of one request: whatever was not taken goes."""
    drafts: list[_Draft] = []
    try:
        yield drafts
    finally:
        await asyncio.to_thread(_remove, drafts)


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, _FLAGS, 0o600), "wb")


def _remove(drafts: list[_Draft]) -> None:
    for draft in drafts:
        draft.path.unlink(missing_ok=True)
