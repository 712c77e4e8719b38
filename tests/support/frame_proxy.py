"""A TCP proxy before the hub that sees each frame of a link, both ways, and does with it what a test says.

It understands just enough of HTTP and websocket to find whole frames; calls by HTTP pass as they are.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from agent.wire.enrolment import LINK_PATH

_CONTROL = 0x8


class Way(Enum):
    """Where a frame goes."""

    TO_HUB = auto()
    TO_RUNNER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One websocket frame."""

    way: Way
    raw: bytes
    """As it came, mask and all."""
    payload: bytes
    """What it says."""
    is_control: bool
    """A ping, a pong or a close."""
    connection: int
    """Links are numbered as they come, from 1."""


Pass = Callable[[Frame], Iterable[Frame]]
"""What goes on instead of a frame: itself, nothing, twice, or with frames that were kept back. Raises CutError."""


class CutError(Exception):
    """Ends the connection here and now, at both ends."""


def pass_on(frame: Frame) -> Iterable[Frame]:
    """Change nothing."""
    return (frame,)


@dataclass(slots=True)
class FrameProxy:
    """Listens on `port`; `decide` may be changed at any time."""

    target: int
    decide: Pass = pass_on
    host: str = "127.0.0.1"
    port: int = 0
    links: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    server: asyncio.Server | None = None
    serving: "set[asyncio.Task[object]]" = field(default_factory=set)

    async def start(self) -> None:
        """Begin to listen on a free port."""
        self.server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening; open connections are cut."""
        if self.server is not None:
            self.server.close()
            self.cut()
            await asyncio.gather(*self.serving, return_exceptions=True)
            await self.server.wait_closed()

    def cut(self) -> None:
        """End every connection, without a word."""
        for connection in self.serving:
            connection.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current = asyncio.current_task()
        assert current is not None
        self.serving.add(current)
        current.add_done_callback(self.serving.discard)
        ends = [writer]
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.target)
            ends.append(hub_writer)
            head = await reader.readuntil(b"\r\n\r\n")
            hub_writer.write(head)
            async with asyncio.TaskGroup() as group:
                if LINK_PATH.encode() in head.split(b"\r\n", 1)[0]:
                    writer.write(await hub_reader.readuntil(b"\r\n\r\n"))
                    number = next(self.links)
                    group.create_task(self._frames(Way.TO_HUB, number, reader, hub_writer))
                    group.create_task(self._frames(Way.TO_RUNNER, number, hub_reader, writer))
                else:
                    group.create_task(_bytes(reader, hub_writer))
                    group.create_task(_bytes(hub_reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            for one in ends:
                one.transport.abort()

    async def _frames(self, way: Way, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = await _read(way, number, reader)
            for one in (frame,) if frame.is_control else self.decide(frame):
                writer.write(one.raw)
            await writer.drain()


async def _read(way: Way, number: int, reader: asyncio.StreamReader) -> Frame:
    """RFC 6455 §5.2."""
    raw = await reader.readexactly(2)
    size, is_masked = raw[1] & 0x7F, bool(raw[1] & 0x80)
    if size in {126, 127}:
        raw += await reader.readexactly(2 if size == 126 else 8)
        size = int.from_bytes(raw[2:], "big")
    mask = await reader.readexactly(4) if is_masked else b"\0\0\0\0"
    body = await reader.readexactly(size)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    payload = (int.from_bytes(body, "big") ^ key).to_bytes(size, "big")
    raw += (mask if is_masked else b"") + body
    is_control = bool(raw[0] & _CONTROL)
    return Frame(way=way, raw=raw, payload=payload, is_control=is_control, connection=number)


async def _bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
