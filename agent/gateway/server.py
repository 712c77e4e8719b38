"""Life of the gateway: the listening socket, its first connection, the end.

The socket is bound once by the daemon, and every living shim holds a copy: while no daemon runs, calls wait in its
backlog, and the next daemon takes it up again (`core.md` §6). Nothing here ever shuts it down; closing our copy is all.
"""

import asyncio
import importlib
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.gateway.settings import GatewaySettings
from agent.gateway_port import GatewayHost
from agent.ports.clock import Clock

if TYPE_CHECKING:
    from socket import socket

    from aiohttp import web

OWN_API_PATH = "/bot/v1"
"""Path of our own API for bots: ``BOTYARD_API_URL`` is ``http://127.0.0.1:<port>`` and this."""

_BACKLOG = 512
LAST_WORDS_S = 1.0
"""How long calls under way may take to end when the daemon stops; the SDK's own time-out rides out the rest."""


class Gateway:
    """Serves one listening socket for the daemon. `start` and `stop`, or `serve` as a loop of a TaskGroup."""

    def __init__(self, host: GatewayHost, clock: Clock, settings: GatewaySettings) -> None:
        self._host = host
        self._clock = clock
        self._settings = settings
        self._runner: web.AppRunner | None = None

    async def serve(self, sock: "socket") -> None:
        """Wait for the first connection, then serve until cancelled. Closes its copy of the socket at the end."""
        try:
            await _first_connection(sock)
            await self.start(sock)
            await asyncio.Event().wait()
        finally:
            await self.stop()
            sock.close()

    async def start(self, sock: "socket") -> None:
        """Serve from now on; `sock` is bound to loopback and listening, and belongs to the gateway from here on."""
        if self._runner is not None:
            raise RuntimeError("the gateway serves already")
        # aiohttp takes a quarter of a second to import: in a thread, so that the daemon goes on.
        routes = await asyncio.to_thread(importlib.import_module, "agent.gateway.routes")
        from aiohttp import web

        app: web.Application = routes.application(self._host, self._clock, self._settings)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=LAST_WORDS_S,
            handle_signals=False,
            handler_cancellation=True,  # `hang_ups.py` says what it is for
        )
        await runner.setup()
        self._runner = runner
        sock.setblocking(False)
        await web.SockSite(runner, sock, backlog=_BACKLOG).start()

    async def stop(self) -> None:
        """Take no more calls, end those under way, close our copy of the socket; shims keep theirs."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


def server_url(sock: "socket") -> str:
    """What BotCity's SDK gets as its server: loopback and the port, nothing behind it."""
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


def own_api_url(sock: "socket") -> str:
    """``BOTYARD_API_URL``."""
    return server_url(sock) + OWN_API_PATH


async def _first_connection(sock: "socket") -> None:
    """Return when somebody connects, who waits in the backlog; at once where the loop cannot tell (Windows)."""
    if sys.platform == "win32":
        return
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    with suppress(NotImplementedError):
        loop.add_reader(sock, came.set)
        try:
            await came.wait()
        finally:
            loop.remove_reader(sock)
