"""Server-sent events, for scripts and the command line (browsers have a websocket of their own).

Each event that a client may go on from has an ``id``; a client that was cut off sends it back as ``Last-Event-ID``. A
comment every few seconds keeps proxies from closing, and finds clients that are gone. A key that is revoked or expires
ends its streams within `CHECK_EVERY_S` (`reliability.md` S7).
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from hub.api.call import Call
from hub.services import access

MEDIA_TYPE = "text/event-stream"
BEAT_S = 10.0
CHECK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Streams:
    """Handlers that are streaming; the app ends them first when it stops."""

    handlers: set["asyncio.Task[Any]"] = field(default_factory=set)


STREAMS = web.AppKey("streams", Streams)


def wants_stream(call: Call[Any, Any], *, follow: bool) -> bool:
    """Whether the client asked for a stream: by ``follow=true`` or by what it accepts."""
    return follow or MEDIA_TYPE in call.request.headers.get("Accept", "")


def last_event_id(call: Call[Any, Any]) -> str:
    """Where a client that was cut off wants to go on; empty for a new one."""
    return call.request.headers.get("Last-Event-ID", "").strip()


async def end_streams(app: web.Application) -> None:
    """End all streams; clients come back and go on where they were."""
    for streaming in tuple(app[STREAMS].handlers):
        streaming.cancel()


class Stream:
    """One client's stream; `async with` opens and ends it. Writing to a client that has gone ends it quietly."""

    def __init__(self, call: Call[Any, Any]) -> None:
        self._call = call
        self._secret = call.request.headers.get("Authorization", "").partition(" ")[2].strip()
        self._checked_s = call.hub.clock.monotonic()
        self._wrote_s = self._checked_s
        self.response = web.StreamResponse(
            headers={
                "Content-Type": MEDIA_TYPE,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            }
        )

    async def __aenter__(self) -> Self:
        """Send the headers."""
        await self.response.prepare(self._call.request)
        handler = asyncio.current_task()
        if handler is not None:
            self._call.request.app[STREAMS].handlers.add(handler)
        await self._write(b": botyard\n\n")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """End the stream; a client that left is no error."""
        handler = asyncio.current_task()
        if handler is not None:
            self._call.request.app[STREAMS].handlers.discard(handler)
        if error is None:
            with contextlib.suppress(ConnectionError):
                await self.response.write_eof()
        return _is_client_gone(error)

    async def send(self, event: str, data: str, event_id: str = "") -> None:
        """Send one event; `data` has no line breaks of its own but those that it means."""
        lines = [f"event: {event}"]
        if event_id:
            lines.append(f"id: {event_id}")
        lines += [f"data: {line}" for line in data.split("\n")]
        await self._write(("\n".join(lines) + "\n\n").encode())

    async def keep(self) -> bool:
        """Between events: beat, and say whether to go on; False once the key is no longer good or the client left."""
        now = self._call.hub.clock.monotonic()
        if now - self._wrote_s > BEAT_S:
            await self._write(b": beat\n\n")
        transport = self._call.request.transport
        if transport is None or transport.is_closing():
            return False
        if now - self._checked_s < CHECK_EVERY_S:
            return True
        self._checked_s = now
        return await self._call.hub.store.read(access.authenticate, self._secret) is not None

    async def _write(self, data: bytes) -> None:
        self._wrote_s = self._call.hub.clock.monotonic()
        await self.response.write(data)


def _is_client_gone(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(ConnectionError)[1] is None
    return isinstance(error, ConnectionError)
