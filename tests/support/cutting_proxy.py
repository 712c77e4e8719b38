"""A TCP proxy before a PostgreSQL server that cuts a connection at its next COMMIT: before it arrives, or after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto

from sqlalchemy.engine import make_url


class Cut(Enum):
    """What to do at the next COMMIT."""

    NEVER = auto()
    BEFORE = auto()
    """The server never sees it: the transaction aborts."""
    AFTER = auto()
    """The server commits, its answer is lost."""


class CuttingProxy:
    """Forwards bytes; `cut` is armed for one COMMIT, `is_down` refuses everybody."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self.cut = Cut.NEVER
        self.stays_down = False
        self.is_down = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.is_down:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        self._open |= {writer, server_writer}
        lost = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, server_writer, lost))
                group.create_task(self._answers(server_reader, writer, lost))
        finally:
            for one in (writer, server_writer):
                one.close()
                self._open.discard(one)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await _some(reader):
            if b"COMMIT" in data and self.cut is not Cut.NEVER:
                before, self.cut = self.cut is Cut.BEFORE, Cut.NEVER
                self.is_down = self.stays_down
                lost.set()
                if before:
                    break
            writer.write(data)
        writer.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while (data := await _some(reader)) and not lost.is_set():
            writer.write(data)
        writer.close()


async def _some(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionError:
        return b""


@asynccontextmanager
async def cutting_proxy(url: str) -> AsyncIterator[tuple[CuttingProxy, str]]:
    """Run a proxy before the server of `url`; give it and the address that leads through it."""
    target = make_url(url)
    proxy = CuttingProxy(str(target.host), int(target.port or 5432))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        server.close()
        for writer in list(proxy._open):
            writer.close()
        await server.wait_closed()
