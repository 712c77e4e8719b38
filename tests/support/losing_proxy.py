"""A TCP proxy between runner and hub that loses answers: the hub has done what it was asked, and nobody hears of it."""

import asyncio
from dataclasses import dataclass, field

from agent.wire.enrolment import LINK_PATH


@dataclass(slots=True)
class LosingProxy:
    """Listens on `port`; while `is_losing`, every second answer of the hub to a call by HTTP is lost.

    The link passes as it is, and a hub that is away is away.
    """

    target: int
    is_losing: bool = False
    lost: list[bytes] = field(default_factory=list)
    """The first line of each request whose answer was lost."""
    port: int = 0
    _is_next: bool = True
    _server: asyncio.Server | None = None
    _serving: "set[asyncio.Task[object]]" = field(default_factory=set)

    async def start(self) -> None:
        """Begin to listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening; open connections are cut."""
        assert self._server is not None
        self._server.close()
        for connection in self._serving:
            connection.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current = asyncio.current_task()
        assert current is not None
        self._serving.add(current)
        current.add_done_callback(self._serving.discard)
        ends = [writer]
        asked: list[bytes] = []
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.target)
            ends.append(hub_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask(reader, hub_writer, asked))
                group.create_task(self._answer(hub_reader, writer, asked))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            for one in ends:
                one.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]) -> None:
        while data := await reader.read(65536):
            if not asked:
                asked.append(data.partition(b"\r\n")[0])
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]) -> None:
        while data := await reader.read(65536):
            # What comes without having been asked for is the rest of an answer, or the link's.
            request = asked[0] if asked else b""
            is_call = bool(request) and LINK_PATH.encode() not in request
            if is_call:
                asked.clear()
            if is_call and self.is_losing:
                is_lost, self._is_next = self._is_next, not self._is_next
                if is_lost:
                    self.lost.append(request)
                    raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError
