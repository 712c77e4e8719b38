"""A TCP proxy between runner and hub that can hold one kind of message of the hub: a slow network, on demand.

It understands just enough of HTTP and websocket to find the frames that the hub sends on a link; all else passes as is.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from agent.wire.enrolment import LINK_PATH


@dataclass(slots=True)
class HoldingProxy:
    """Listens on `port`; `hold` seconds pass before a held message (and all behind it) goes on."""

    target: int
    held_type: str = "start"
    hold_s: float = 0.0
    port: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first message is being held."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it went on, or was dropped because nobody is there any more."""
    server: asyncio.Server | None = None
    serving: "set[asyncio.Task[object]]" = field(default_factory=set)

    async def start(self) -> None:
        """Begin to listen on a free port of loopback."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening; open connections are cut."""
        if self.server is not None:
            self.server.close()
            for connection in self.serving:
                connection.cancel()
            await asyncio.gather(*self.serving, return_exceptions=True)
            await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current = asyncio.current_task()
        assert current is not None
        self.serving.add(current)
        current.add_done_callback(self.serving.discard)
        hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            hub_writer.write(head)
            is_link = LINK_PATH.encode() in head.split(b"\r\n", 1)[0]
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, hub_writer))
                group.create_task(self._frames(hub_reader, writer) if is_link else _pass_on(hub_reader, writer))
        except (OSError, asyncio.IncompleteReadError, ExceptionGroup):
            pass
        finally:
            hub_writer.close()
            writer.close()

    async def _frames(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The hub's direction of a link: the upgrade's answer, then unmasked frames one by one."""
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        while True:
            frame, payload = await _read_frame(reader)
            if f'"type":"{self.held_type}"'.encode() in payload and self.hold_s:
                self.held.set()
                try:
                    await asyncio.sleep(self.hold_s)
                finally:
                    self.released.set()
            writer.write(frame)
            await writer.drain()


async def _read_frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(2)
    size = head[1] & 0x7F
    extra = b""
    if size in {126, 127}:
        extra = await reader.readexactly(2 if size == 126 else 8)
        size = int.from_bytes(extra, "big")
    payload = await reader.readexactly(size)
    return head + extra + payload, payload


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction until it ends; its end must not cut the other one short, where a message may be held."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
