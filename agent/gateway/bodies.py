"""Request bodies: small ones in memory, large ones in a 0600 file, larger ones refused (`core.md` §6)."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aiohttp import web

from agent.gateway.refusals import Refused

IN_MEMORY_BYTES = 256 * 1024
PIECE_BYTES = 256 * 1024
JSON_MAX_BYTES = 1024 * 1024
"""Largest body that is read as JSON here; more is refused, not spooled."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body, which can be sent more than once."""

    size: int
    data: bytes = b""
    file: IO[bytes] | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body from its beginning."""
        if self.file is None:
            if self.data:
                yield self.data
            return
        position = 0
        while position < self.size:
            piece = await asyncio.to_thread(_read_at, self.file, position)
            position += len(piece)
            yield piece

    def close(self) -> None:
        """Give the file back; it has no name any more and ends here."""
        if self.file is not None:
            self.file.close()


async def read_small(request: web.Request, limit: int = JSON_MAX_BYTES) -> bytes:
    """A body that is meant to be read here. Raises Refused 413 above `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    async for piece in request.content.iter_chunked(PIECE_BYTES):
        size += len(piece)
        _check_size(size, limit)
        parts.append(piece)
    return b"".join(parts)


async def receive(request: web.Request, folder: Path, limit: int) -> Body:
    """The whole body, in memory or in an unnamed file of `folder`. Refused: 413 above `limit`, 507 on a full disk."""
    _check_size(request.content_length or 0, limit)
    held = bytearray()
    file: IO[bytes] | None = None
    size = 0
    try:
        async for piece in request.content.iter_chunked(PIECE_BYTES):
            size += len(piece)
            _check_size(size, limit)
            held += piece
            if len(held) >= IN_MEMORY_BYTES:
                if file is None:
                    file = await asyncio.to_thread(_open_in, folder)
                await asyncio.to_thread(file.write, bytes(held))
                held.clear()
        if file is None:
            return Body(size, bytes(held))
        await asyncio.to_thread(_finish, file, bytes(held))
    except BaseException as error:
        if file is not None:
            file.close()
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):
            raise Refused(507, "The runner's disk has no room for this body") from error
        raise
    return Body(size, file=file)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise Refused(413, f"The body is larger than {limit} bytes")


def _open_in(folder: Path) -> IO[bytes]:
    """A file that nobody else can open: 0600 where it has a name at all, gone with the process."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def _finish(file: IO[bytes], rest: bytes) -> None:
    file.write(rest)
    file.flush()


def _read_at(file: IO[bytes], position: int) -> bytes:
    file.seek(position)
    piece = file.read(PIECE_BYTES)
    if not piece:
        raise OSError("the spooled body is shorter than it was")
    return piece
