"""What a session needs of a runner's connection: aiohttp's websocket and transport have it, a simulator can be it."""

from dataclasses import dataclass
from typing import Protocol

from aiohttp import WSMessage


class RunnerSocket(Protocol):
    """A websocket whose upgrade is done; a subset of `aiohttp.web.WebSocketResponse`, word by word."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        ...

    async def receive(self) -> WSMessage:
        """The next message, pings and pongs included; of a CLOSE type when there is none."""
        ...

    async def send_str(self, data: str) -> None:
        """Send a text frame: handed to the transport before the first wait. Raises ConnectionError."""
        ...

    async def pong(self, message: bytes = b"") -> None:
        """Answer a ping."""
        ...

    async def close(self, *, code: int = ...) -> bool:
        """Close in an orderly way."""
        ...

    def exception(self) -> BaseException | None:
        """What the socket failed with."""
        ...


class RunnerTransport(Protocol):
    """What lies below it; a subset of `asyncio.WriteTransport`."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the system has not taken yet."""
        ...

    def is_closing(self) -> bool:
        """Whether its end has begun."""
        ...

    def close(self) -> None:
        """End it; what was written is still sent."""
        ...

    def abort(self) -> None:
        """End it now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A runner's connection before its handshake."""

    socket: RunnerSocket
    transport: RunnerTransport
    nonce: str
    """The runner's part of the hub's proof, 64 hexadecimal digits."""
    host: str
    """The Host header: the address at which the runner dialled, as the way here tells it."""
    remote: str | None
    """The other end's address, for the log."""
