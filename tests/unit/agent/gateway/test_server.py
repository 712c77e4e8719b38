"""The listening socket: first connection, backlog, hand-over from one daemon to the next (core.md §6)."""

import asyncio
import subprocess
import sys
from pathlib import Path

from aiohttp import ClientSession

from agent.gateway import Gateway, GatewaySettings, own_api_url, server_url
from tests.support.clock import FakeClock
from tests.support.gateway import TOKEN, FakeDaemon, listening_socket

HEADERS = {"token": TOKEN}


def made(folder: Path) -> Gateway:
    return Gateway(FakeDaemon(), FakeClock(), GatewaySettings(upload_folder=folder))


async def test_a_call_before_the_gateway_waits_and_succeeds(tmp_path: Path) -> None:
    """core.md §6: calls during a daemon's restart wait in the backlog."""
    sock = listening_socket()
    url = own_api_url(sock) + "/parameters"
    async with ClientSession() as client, asyncio.TaskGroup() as group:
        call = group.create_task(_status(client, url))
        gateway = made(tmp_path)
        serving = group.create_task(gateway.serve(sock))

        assert await call == 200
        serving.cancel()


async def test_the_next_daemon_takes_the_socket_up(tmp_path: Path) -> None:
    """A copy of the socket outlives the daemon's: closed here is not closed there."""
    sock = listening_socket()
    kept_by_shim = sock.dup()
    url = own_api_url(sock) + "/parameters"
    async with ClientSession() as first, ClientSession() as second:
        gateway = made(tmp_path)
        await gateway.start(sock)
        assert await _status(first, url) == 200
        await gateway.stop()

        async with asyncio.TaskGroup() as group:
            call = group.create_task(_status(second, url))
            following = made(tmp_path)
            await following.start(kept_by_shim)

            assert await call == 200
        await following.stop()


def test_a_runner_without_work_does_not_import_aiohttp() -> None:
    """The gateway's HTTP server is imported at the first connection; the daemon stays light."""
    code = "import sys, agent.gateway; print('aiohttp' in sys.modules)"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "False"


def test_bots_are_told_loopback(tmp_path: Path) -> None:
    """maestro.md §5: `server` is a base URL without /api/v2."""
    with listening_socket() as sock:
        port = sock.getsockname()[1]
        assert server_url(sock) == f"http://127.0.0.1:{port}"
        assert own_api_url(sock) == f"http://127.0.0.1:{port}/bot/v1"


async def _status(client: ClientSession, url: str) -> int:
    async with client.get(url, headers=HEADERS) as response:
        return response.status
