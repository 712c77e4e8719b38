"""A TCP proxy between runner and hub that counts what is brought by HTTP; it cuts or stalls it at a byte."""

import asyncio
from dataclasses import dataclass, field

from agent.wire.enrolment import LINK_PATH


@dataclass(slots=True)
class UploadProxy:
    """Listens on `port`; the runner's websocket passes as it is."""

    target: int
    cut_after: int | None = None
    """Cut the connection once so many more bytes went by; armed once."""
    stall_after: int | None = None
    """Let nothing more through once so many more bytes went by, until `go` is set."""
    port: int = 0
    brought: int = 0
    """Bytes that runners sent by HTTP and that the hub was given."""
    cuts: int = 0
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    server: asyncio.Server | None = None
    serving: "set[asyncio.Task[object]]" = field(default_factory=set)

    async def start(self) -> None:
        """Begin to listen on a free port of loopback."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening; open connections are cut."""
        assert self.server is not None
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
        hub_writer: asyncio.StreamWriter | None = None
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.target)
            head = await reader.readuntil(b"\r\n\r\n")
            hub_writer.write(head)
            is_link = LINK_PATH.encode() in head.split(b"\r\n", 1)[0]
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, hub_writer) if is_link else self._count(reader, hub_writer))
                group.create_task(_pass_on(hub_reader, writer))
        except (OSError, asyncio.IncompleteReadError, ExceptionGroup):
            pass
        finally:
            for one in (hub_writer, writer):
                if one is not None:
                    one.transport.abort()

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(16 * 1024):
            if self.stall_after is not None and (left := self.stall_after) <= len(data):
                self.stall_after = None
                await self._give(writer, data[:left])
                data = data[left:]
                self.stalled.set()
                await self.go.wait()
            if self.cut_after is not None and self.cut_after <= len(data):
                await self._give(writer, data[: self.cut_after])
                self.cut_after = None
                self.cuts += 1
                raise ConnectionResetError
            await self._give(writer, data)
        raise ConnectionResetError

    async def _give(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.brought += len(data)
        self.stall_after = None if self.stall_after is None else self.stall_after - len(data)
        self.cut_after = None if self.cut_after is None else self.cut_after - len(data)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError
