"""What may stand between a runner and its hub: a CONNECT proxy with a password, a reverse proxy that speaks TLS."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True, kw_only=True)
class ConnectProxy:
    """An HTTP proxy that only tunnels. It alone knows where `names` are, as one in a company does."""

    names: Mapping[str, str] = field(default_factory=dict)
    credentials: str = ""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """What was tunnelled to, in order."""
    refused: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        head = await _head(reader)
        method, target, *_ = head.split("\r\n", 1)[0].split(" ")
        if self.credentials and _header(head, "Proxy-Authorization") != self._expected:
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif method != "CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
        else:
            self.asked.append(target)
            host, _, port = target.rpartition(":")
            other = await asyncio.open_connection(self.names.get(host, host), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _joined((reader, writer), other)
        writer.close()

    @property
    def _expected(self) -> str:
        return f"Basic {b64encode(self.credentials.encode()).decode()}"


@dataclass(slots=True, kw_only=True)
class ReverseProxy:
    """Ends TLS before a hub that speaks plain http on loopback, and says for whom it asks."""

    hub_port: int
    tls: ssl.SSLContext
    port: int = 0
    served: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; the first request's head gets the headers, which is all that our clients send on one."""
        head = await _head(reader)
        if not head:
            writer.close()
            return
        self.served += 1
        other = await asyncio.open_connection("127.0.0.1", self.hub_port)
        first, rest = head.split("\r\n", 1)
        host = _header(head, "Host")
        kept = "\r\n".join(line for line in rest.split("\r\n") if not line.lower().startswith(("host:", "x-forwarded")))
        said = f"Host: inner:{self.hub_port}\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
        other[1].write(f"{first}\r\n{said}X-Forwarded-Host: {host}\r\n{kept}".encode())
        await _joined((reader, writer), other)


@asynccontextmanager
async def listening(proxy: ConnectProxy | ReverseProxy, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The proxy's port while the block runs; all its connections end with it."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await proxy.serve(reader, writer)
        except (OSError, asyncio.CancelledError, ExceptionGroup, ValueError):
            return
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", proxy.port, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy.port
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def server_context(cert: str, key: str) -> ssl.SSLContext:
    """A plain server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def host_of(url: str) -> str:
    """The host in a URL."""
    return urlsplit(url).hostname or ""


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


def _header(head: str, name: str) -> str:
    for line in head.split("\r\n")[1:]:
        known, _, value = line.partition(":")
        if known.lower() == name.lower():
            return value.strip()
    return ""


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _joined(one: Ends, other: Ends) -> None:
    """Carry bytes both ways until either side ends."""
    try:
        async with asyncio.TaskGroup() as group:
            ways = [group.create_task(_carried(a[0], b[1])) for a, b in ((one, other), (other, one))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
    finally:
        other[1].close()


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return
