"""The hub's one port: adapters mounted, http or https, a proxy's word where it is trusted, the way out in order."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from hub import api, data_folder, health, maestro, runners
from hub.config import Settings
from hub.context import HUB, Hub
from hub.install import routes as install
from hub.proxied import believing
from hub.tls import Certificates

log = logging.getLogger(__name__)

_BACKLOG = 1024
_SHUTDOWN_S = 2.0
_HSTS = "max-age=31536000"
"""S50: a browser that has seen this hub by https comes by nothing else for a year."""


async def try_address(settings: Settings) -> None:
    """Raise OSError where nobody can listen at the address: before a database is made for a hub that cannot serve."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, settings.host, settings.port, start_serving=False)
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def listening(hub: Hub, sessions: runners.Sessions, tls: Certificates | None) -> AsyncIterator[None]:
    """Serve while the block runs; then leave in order. Raises OSError where nobody can listen."""
    app, link = _application(hub, sessions, tls)
    settings = hub.settings
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        context = tls.context if tls else None
        await web.TCPSite(runner, settings.host, settings.port, ssl_context=context, backlog=_BACKLOG).start()
        url = _url(settings.host, runner.addresses[0][1], is_tls=tls is not None)
        await asyncio.to_thread(data_folder.write_address, settings.data, hub.disk, url, hub.identity.hub_id)
        log.info("listening on %s", url)
        yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.stop_grace_s):
                link.stop()
                await link.stopped()
        await runner.cleanup()


def _application(
    hub: Hub, sessions: runners.Sessions, tls: Certificates | None
) -> tuple[web.Application, runners.LinkEndpoint]:
    trusted = hub.settings.trusted_networks
    app = web.Application(client_max_size=0, middlewares=[believing(trusted)] if trusted else [])
    app[HUB] = hub
    api.mount(app, hub)
    maestro.mount(app, hub)
    link = runners.mount(app, hub, sessions)
    health.mount(app, hub, sessions, tls)
    install.mount(app, hub)
    if tls is not None or (hub.settings.public_url or "").startswith("https:"):
        app.on_response_prepare.append(_strict_transport)
    return app, link


async def _strict_transport(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Strict-Transport-Security"] = _HSTS


def _url(host: str, port: int, *, is_tls: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if is_tls else 'http'}://{name}:{port}"
