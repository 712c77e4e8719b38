"""What machines ask of a hub: ``/healthz`` (it lives), ``/readyz`` (it can work), ``/metrics`` (how much it does)."""

import asyncio

from aiohttp import web

from hub.context import Hub
from hub.errors import Unavailable
from hub.runners import Sessions
from hub.storage import events
from hub.storage.room import READ_ONLY
from hub.tls import Certificates

_READY_S = 5.0


def mount(app: web.Application, hub: Hub, sessions: Sessions, tls: Certificates | None) -> None:
    """Add the three routes; they need no token and tell nothing of what the hub holds."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_READY_S):
                await hub.store.read(events.head)
        except (Unavailable, TimeoutError) as error:
            return web.Response(status=503, text=f"not ready: {error}\n")
        # A certificate that ends soon makes nobody less ready; it is said where people and monitors look.
        # So is a full disk: reads, cancels and settling work, and runners keep what they can't bring yet (R14).
        warnings = [tls.warning if tls is not None else "", f"read-only: disk. {READ_ONLY}" if hub.room.is_full else ""]
        return web.Response(text="".join(["ready\n", *(f"warning: {text}\n" for text in warnings if text)]))

    async def metrics(_: web.Request) -> web.Response:
        from hub.figures import Figures, exposition

        body = exposition(Figures(hub, sessions, tls))
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})

    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
