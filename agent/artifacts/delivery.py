"""One file on its way to the hub: asked for by digest, sent from where an earlier try broke off, until it is there.

| the hub says | then |
|---|---|
| HEAD 200 | it has these bytes already, of whatever task: nothing is sent |
| HEAD 404 with `Upload-Offset` | the rest is sent from there, with `Content-Range` (R56) |
| PUT 200, 201, 204 | stored under its digest |
| PUT 422 for a rest | what the hub had was torn: once more, from the first byte |
| PUT 422 for the whole, or the file is shorter by now | it is another file: found and hashed again |
| 400, 403, 404, 413, 415 | final: left out, with the reason |
| 401 | the session is over: with the next one's ticket |
| anything else, or no answer | again, after a pause that doubles up to a minute |
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO, Protocol

from agent.artifacts.walking import FoundFile
from agent.gateway_port import Forward
from agent.wire.uploads import EXECUTION_HEADER, OFFSET_HEADER, artifact_path

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)
PIECE_BYTES = 256 * 1024
_CONNECT_S = 10.0
_SILENCE_S = 60.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_STORED = frozenset({200, 201, 204})
_REFUSED_FOR_GOOD = frozenset({400, 403, 404, 413, 415})
_GONE_TICKET = 401
_OTHER_DIGEST = 422


class Delivered(Enum):
    """How a delivery ended; a refusal is a text instead."""

    STORED = "stored"
    CHANGED = "changed"
    """The file has other bytes by now than those that were hashed."""


class Uplinked(Protocol):
    """Where a session's ticket comes from."""

    async def wait_forward(self, not_epoch: int = 0) -> Forward:
        """Wait until a session is open."""
        ...


@dataclass(slots=True)
class _Try:
    """One attempt: the hub's status, 0 where it did not answer; and whether the file's beginning was the hub's."""

    status: int
    from_start: bool = True


class Delivery:
    """Brings files to the hub, over one HTTP client. Memory is one piece for each file that is under way."""

    def __init__(self, uplink: Uplinked) -> None:
        self._uplink = uplink
        self._http: aiohttp.ClientSession | None = None

    async def deliver(self, execution_id: str, file: FoundFile, digest: str) -> Delivered | str:
        """Send until the hub has it, however long that takes; a text says why it never will. Raises OSError."""
        pause_s, dead_epoch, is_anew = _FIRST_PAUSE_S, 0, False
        while True:
            way = await self._uplink.wait_forward(dead_epoch)
            with await asyncio.to_thread(file.open) as content:
                if os.fstat(content.fileno()).st_size < file.size_bytes:
                    return Delivered.CHANGED
                tried = await self._try(way, _Body(execution_id, file, digest, content), is_anew=is_anew)
            if tried.status in _STORED:
                return Delivered.STORED
            if tried.status == _OTHER_DIGEST and tried.from_start:
                return Delivered.CHANGED
            if tried.status in _REFUSED_FOR_GOOD:
                return f"the hub refused it ({tried.status})"
            is_anew = tried.status == _OTHER_DIGEST
            dead_epoch = way.epoch if tried.status == _GONE_TICKET else 0
            if not is_anew:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Drop connections."""
        if self._http is not None:
            await self._http.close()

    async def _try(self, way: Forward, body: "_Body", *, is_anew: bool) -> _Try:
        import aiohttp

        try:
            return await self._send(way, body, is_anew=is_anew)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            log.info("%s: artifact not sent yet: %s", body.execution_id, str(error) or type(error).__name__)
            return _Try(0)

    async def _send(self, way: Forward, body: "_Body", *, is_anew: bool) -> _Try:
        http = self._client()
        url = way.base_url + artifact_path(body.digest)
        headers = {"Authorization": f"Bearer {way.ticket}", EXECUTION_HEADER: body.execution_id}
        async with http.head(url, headers=headers, **way.how) as answer:
            if answer.status in _STORED or answer.status == _GONE_TICKET:
                return _Try(answer.status)
            start = 0 if is_anew else body.start(answer.headers.get(OFFSET_HEADER, ""))
        headers |= body.headers(start)
        async with (
            asyncio.timeout(_SILENCE_S) as silence,
            http.put(url, data=body.rest(start, silence), headers=headers, **way.how) as answer,
        ):
            return _Try(answer.status, from_start=start == 0)

    def _client(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
            self._http = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self._http


@dataclass(frozen=True, slots=True)
class _Body:
    """An open file as a request's body."""

    execution_id: str
    file: FoundFile
    digest: str
    content: BinaryIO

    def start(self, offset: str) -> int:
        """From where to send; a file that the hub has all of, but for its end, still needs its last byte said again."""
        known = int(offset) if offset.isascii() and offset.isdigit() else 0
        return 0 if known > self.file.size_bytes else max(0, min(known, self.file.size_bytes - 1))

    def headers(self, start: int) -> dict[str, str]:
        size = self.file.size_bytes
        said = {"Content-Length": str(size - start), "Content-Type": "application/octet-stream"}
        # An empty file has no last byte to name.
        return said | ({"Content-Range": f"bytes {start}-{size - 1}/{size}"} if size else {})

    async def rest(self, start: int, silence: asyncio.Timeout) -> AsyncIterator[bytes]:
        """The bytes from `start` to the size that was found, a piece at a time; each piece is a sign of life."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.content.seek, start)
        left = self.file.size_bytes - start
        while left > 0:
            piece = await asyncio.to_thread(self.content.read, min(PIECE_BYTES, left))
            if not piece:
                raise ConnectionError("the file became shorter while it was sent")
            left -= len(piece)
            yield piece
            silence.reschedule(loop.time() + _SILENCE_S)


def sha256_of(file: FoundFile) -> str:
    """The digest of a file up to the size that was found. Blocks. Raises OSError."""
    digest = hashlib.sha256()
    left = file.size_bytes
    with file.open() as content:
        while left > 0 and (piece := content.read(min(PIECE_BYTES, left))):
            digest.update(piece)
            left -= len(piece)
    if left:
        raise OSError(0, "became shorter while it was read", str(file.path))
    return digest.hexdigest()
