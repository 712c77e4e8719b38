"""What machines ask of a hub: ``/healthz`` (it lives), ``/readyz`` (it can work), ``/metrics`` (how much it does)."""

import asyncio
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub.context import Hub
from hub.errors import Unavailable
from hub.runners import Sessions
from hub.storage import events
from hub.tls import Certificates

_READY_S = 5.0


class _HubFigures(Collector):
    """Figures that are read when they are asked for."""

    def __init__(self, hub: Hub, sessions: Sessions, tls: Certificates | None) -> None:
        self._hub = hub
        self._sessions = sessions
        self._tls = tls

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read them now."""
        live = self._sessions.all()
        offers = [self._hub.book.offers(workspace) for workspace in {session.workspace_id for session in live}]
        free = sum(offer.free for by_runner in offers for offer in by_runner.values())
        waiting = len(self._hub.signals.expected_outputs)
        yield GaugeMetricFamily("botyard_runner_sessions", "Runners connected to this hub.", value=len(live))
        yield GaugeMetricFamily("botyard_slots_free", "Slot credits that could be given out now.", value=free)
        yield GaugeMetricFamily("botyard_outputs_awaited", "Ended executions whose output is awaited.", value=waiting)
        if self._tls is not None:
            ends = self._tls.pair.not_after.timestamp()
            yield GaugeMetricFamily("botyard_tls_not_after_seconds", "When the certificate ends.", value=ends)


def mount(app: web.Application, hub: Hub, sessions: Sessions, tls: Certificates | None) -> None:
    """Add the three routes; they need no token and tell nothing of what the hub holds."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_HubFigures(hub, sessions, tls))

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_READY_S):
                await hub.store.read(events.head)
        except (Unavailable, TimeoutError) as error:
            return web.Response(status=503, text=f"not ready: {error}\n")
        # A certificate that ends soon makes nobody less ready; it is said where people and monitors look.
        warning = tls.warning if tls is not None else ""
        return web.Response(text=f"ready\nwarning: {warning}\n" if warning else "ready\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
