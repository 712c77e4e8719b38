"""Files over HTTP, against a real server that misbehaves (R53)."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from agent.builds.errors import GoneAtHubError, HubUnreachableError, PreparationError
from agent.builds.http import TicketedHub
from agent.gateway_port import Forward

BODY = bytes(range(256)) * 40


class Server:
    """A hub's file routes, and how they should go wrong."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.status = 0
        self.knows_ranges = True
        self.cut_at = len(BODY)
        self.uploaded = b""

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Some bytes."""
        self.seen.append(request)
        if self.status:
            return web.Response(status=self.status, text="why")
        start = request.http_range.start or 0 if self.knows_ranges else 0
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(BODY) - start
        await response.prepare(request)
        await response.write(BODY[start : self.cut_at])
        if self.cut_at < len(BODY) and request.transport is not None:
            request.transport.close()
        return response

    async def put(self, request: web.Request) -> web.StreamResponse:
        """Take some bytes."""
        self.seen.append(request)
        self.uploaded = await request.read()
        return web.Response(status=self.status or 201, text="why")


@pytest.fixture
def server() -> Server:
    """The server's behaviour."""
    return Server()


@pytest.fixture
async def hub(server: Server) -> AsyncIterator[TicketedHub]:
    """A client of the running server."""
    app = web.Application()
    app.add_routes([web.get("/file", server.get), web.put("/file", server.put)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    forward = Forward(base_url=f"http://127.0.0.1:{port}", ticket="secret", epoch=1, ssl_context=None)
    yield TicketedHub(lambda: forward)
    await runner.cleanup()


async def whole(hub: TicketedHub, start: int = 0) -> bytes:
    """Everything from `start` on."""
    return b"".join([piece async for piece in hub.download("/file", start)])


async def test_bytes_come_with_the_sessions_ticket(hub: TicketedHub, server: Server) -> None:
    """P2: the ticket is for HTTP."""
    assert BODY == await whole(hub)
    assert "Bearer secret" == server.seen[0].headers["Authorization"]


@pytest.mark.parametrize("knows_ranges", [True, False])
async def test_a_download_goes_on_in_its_middle(hub: TicketedHub, server: Server, knows_ranges: bool) -> None:
    """R53: also behind a proxy that knows no ranges."""
    server.knows_ranges = knows_ranges

    assert BODY[5000:] == await whole(hub, 5000)


async def test_a_cut_is_told_after_what_came(hub: TicketedHub, server: Server) -> None:
    server.cut_at = 3000
    came = bytearray()

    async def receive() -> None:
        async for piece in hub.download("/file"):
            came.extend(piece)

    with pytest.raises(HubUnreachableError):
        await receive()
    assert BODY[: len(came)] == came


@pytest.mark.parametrize(
    ("status", "error", "is_permanent"),
    [
        (404, GoneAtHubError, True),
        (401, HubUnreachableError, False),
        (503, HubUnreachableError, False),
        (422, PreparationError, True),
        (302, HubUnreachableError, False),
    ],
)
async def test_refusals_are_told_apart(
    hub: TicketedHub, server: Server, status: int, error: type[PreparationError], is_permanent: bool
) -> None:
    server.status = status
    with pytest.raises(error) as refused:
        await whole(hub)
    assert is_permanent == refused.value.is_permanent


async def test_a_list_is_uploaded_and_a_second_one_is_no_failure(hub: TicketedHub, server: Server) -> None:
    """The first list wins; the other runner just goes on."""
    await hub.upload("/file", b"list")
    assert b"list" == server.uploaded
    server.status = 409
    await hub.upload("/file", b"other")
    server.status = 422
    with pytest.raises(PreparationError, match="why"):
        await hub.upload("/file", b"bad")


async def test_without_a_session_nothing_is_reached() -> None:
    with pytest.raises(HubUnreachableError):
        await whole(TicketedHub(lambda: None))
