"""Only a valid 101 is a hub; whatever else answers is told in words that a person understands (R52)."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from agent.link import LinkClosedError, dial, make_nonce, parse_address

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _accept(head: bytes) -> bytes:
    """RFC 6455 §4.2.2."""
    key = next(
        line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def _page(_: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\nplease log in"


def _redirect(_: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\nContent-Length: 0\r\n\r\n"


def _redirect_to_a_socket(_: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n"


def _wrong_answer(head: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(_accept(head)).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )


def _no_answer(_: bytes) -> bytes:
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def _not_http(_: bytes) -> bytes:
    return b"220 mail.example ESMTP\r\n"


def _nothing(_: bytes) -> bytes:
    return b""


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """Something at an address that answers an upgrade like this, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (_page, "but something with 200: the login page"),
        (_redirect, "but something with 302: the login page"),
        (_redirect_to_a_socket, "but something with 302: the login page"),
        (_wrong_answer, "not a hub of ours"),
        (_no_answer, "not a hub of ours"),
        (_not_http, "not a hub of ours"),
        (_nothing, "not a hub of ours"),
    ],
)
async def test_what_is_no_hub_is_not_spoken_to(answer: Callable[[bytes], bytes], says: str) -> None:
    """R52: a login page, a redirect, a 101 of somebody who does not know the key, no HTTP at all."""
    async with answering(answer) as url:
        with pytest.raises(LinkClosedError, match=says):
            await dial(parse_address(url, insecure=False), make_nonce(), None)
