"""The ends of a simulated connection, as the programs hold them: `agent.link.Link`, and what `hub/runners` needs."""

from aiohttp import WSMessage, WSMsgType

from agent.link import LinkClosedError
from agent.wire.limits import PING_S
from tests.simulation.loop import SimLoop
from tests.simulation.pipes import BUFFER_BYTES, End, Frame
from tests.simulation.process import check_alive


class SimLink:
    """The runner's end, with the pings that the websocket library sends for it (`agent.link.dial`)."""

    def __init__(self, loop: SimLoop, end: End) -> None:
        self._loop = loop
        self._end = end
        end.on_other = self._on_other
        loop.call_later(PING_S, self._ping)

    async def send(self, frame: str | bytes) -> None:
        """See `agent.link.Link`."""
        check_alive()
        self._check()
        kind = WSMsgType.TEXT if isinstance(frame, str) else WSMsgType.BINARY
        self._end.outgoing.write(Frame(kind, frame))
        await self._end.outgoing.room()
        self._check()

    async def receive(self) -> str | bytes:
        """See `agent.link.Link`."""
        frame = await self._end.next()
        if frame is None:
            raise LinkClosedError(self._end.why or "closed")
        return frame.data

    async def close(self, reason: str) -> None:
        """See `agent.link.Link`."""
        check_alive()
        self._end.end(reason, tell=True)

    def silent_s(self) -> float:
        """See `agent.link.Link`."""
        return self._loop.now - self._end.heard_s

    def _check(self) -> None:
        if self._end.is_over:
            raise LinkClosedError(self._end.why or "closed")

    def _ping(self) -> None:
        if not self._end.is_over:
            self._end.outgoing.write(Frame(WSMsgType.PING))
            self._loop.call_later(PING_S, self._ping)

    def _on_other(self, frame: Frame) -> None:
        if frame.type is WSMsgType.PING:
            self._end.outgoing.write(Frame(WSMsgType.PONG, frame.data))


class HubSocket:
    """The hub's end, as `hub.runners.port.RunnerSocket`."""

    def __init__(self, end: End) -> None:
        self._end = end

    @property
    def closed(self) -> bool:
        """See the port."""
        return self._end.is_over

    async def receive(self) -> WSMessage:
        """See the port."""
        frame = await self._end.next()
        if frame is None:
            return WSMessage(WSMsgType.CLOSED, None, None)
        return WSMessage(frame.type, frame.data, None)

    async def send_str(self, data: str) -> None:
        """See the port."""
        check_alive()
        if self._end.is_over:
            raise ConnectionResetError("Cannot write to closing transport")
        self._end.outgoing.write(Frame(WSMsgType.TEXT, data))
        await self._end.outgoing.room()

    async def ping(self, message: bytes = b"") -> None:
        """See the port."""
        await self._other(WSMsgType.PING, message)

    async def pong(self, message: bytes = b"") -> None:
        """See the port."""
        await self._other(WSMsgType.PONG, message)

    async def close(self, *, code: int = 1000) -> bool:
        """See the port."""
        check_alive()
        self._end.end(f"the hub closed with {int(code)}", tell=True)
        return True

    def exception(self) -> BaseException | None:
        """See the port."""
        return None

    async def _other(self, kind: WSMsgType, data: bytes) -> None:
        check_alive()
        if self._end.is_over:
            raise ConnectionResetError("Cannot write to closing transport")
        self._end.outgoing.write(Frame(kind, data))


class HubTransport:
    """What lies below the hub's end (`hub.runners.port.RunnerTransport`)."""

    def __init__(self, end: End) -> None:
        self._end = end

    def get_write_buffer_size(self) -> int:
        """See the port: what the system did not take yet."""
        return max(0, self._end.outgoing.buffered - BUFFER_BYTES)

    def is_closing(self) -> bool:
        """See the port."""
        return self._end.is_over

    def close(self) -> None:
        """See the port: what was written is still delivered."""
        self._end.end("closed by the hub", tell=True)

    def abort(self) -> None:
        """See the port."""
        self._end.end("connection reset by peer", tell=True)
