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
    basin = _Basin(folder, limit)
    try:
        async for piece in request.content.iter_chunked(PIECE_BYTES):
            await basin.take(piece)
        return await basin.body()
    except BaseException:
        basin.close()
        raise


class _Basin:
    """Collects a body: in memory first, in a file from `IN_MEMORY_BYTES` on."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self._size = 0

    async def take(self, piece: bytes) -> None:
        self._size += len(piece)
        _check_size(self._size, self._limit)
        self._held += piece
        if len(self._held) >= IN_MEMORY_BYTES:
            await self._to_file()

    async def body(self) -> Body:
        if self._file is None:
            return Body(self._size, bytes(self._held))
        await self._to_file()
        return Body(self._size, file=self._file)

    async def _to_file(self) -> None:
        data = bytes(self._held)
        self._held.clear()
        try:
            if self._file is None:
                self._file = await asyncio.to_thread(_open_in, self._folder)
            await asyncio.to_thread(_write, self._file, data)
        except OSError as error:
            raise Refused(507, "The runner's disk has no room for this body") from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise Refused(413, f"The body is larger than {limit} bytes")


def _open_in(folder: Path) -> IO[bytes]:
    """A file that nobody else can open: 0600 where it has a name at all, gone with the process."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)
    file.flush()


def _read_at(file: IO[bytes], position: int) -> bytes:
    file.seek(position)
    piece = file.read(PIECE_BYTES)
    if not piece:
        raise OSError("the spooled body is shorter than it was")
    return piece
