"""Stock asyncio's TLS buffer can be made smaller, and TLS still works (core.md §5)."""

import asyncio
import ssl
from asyncio import sslproto
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub import stock_tls
from hub.tls import Certificates
from tests.support.certificates import Authority


async def test_the_buffer_of_a_stock_connection_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when CPython renames what `slim` sets, or no longer makes the buffer of it."""
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)
    stock_tls.slim()
    authority = Authority(tmp_path)
    issued = authority.issue()
    seen: list[int] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(len(writer.transport._ssl_protocol._ssl_buffer))  # type: ignore[attr-defined]
        writer.write(await reader.readexactly(300_000))
        await writer.drain()
        writer.close()

    context = Certificates(issued.cert, issued.key, lambda: datetime.now(UTC)).context
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    known = ssl.create_default_context(cafile=str(authority.ca))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1], ssl=known)
    sent = bytes(range(250)) * 1200
    writer.write(sent)
    assert await reader.readexactly(len(sent)) == sent
    assert seen == [stock_tls.BUFFER_BYTES]
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
