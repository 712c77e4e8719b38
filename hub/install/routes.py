"""``/install.sh``, ``/install.ps1`` and the bundles: what a machine fetches that has no key yet.

Open to all: they are this program, which is public, the hub's address as the asker knows it, its identity and its
certificate, which it shows to everybody who connects. What makes a runner is the token, and none of them has one.
"""

import asyncio
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from aiohttp import web

from hub.context import Hub
from hub.install import scripts
from hub.install.scripts import Filling

BUNDLE_PATH = "/install/bundle/{name}"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
Fill = Callable[[str, Filling], str]


def mount(app: web.Application, hub: Hub) -> None:
    """Add the three routes."""
    app.add_routes(
        [
            web.get("/install.sh", partial(_script, hub, "install.sh", scripts.shell)),
            web.get("/install.ps1", partial(_script, hub, "install.ps1", scripts.powershell)),
            web.get(BUNDLE_PATH, partial(_bundle, hub)),
        ]
    )


async def _script(hub: Hub, name: str, fill: Fill, request: web.Request) -> web.Response:
    filling = Filling(
        hub=(hub.settings.public_url or "").rstrip("/") or f"{request.scheme}://{request.host}",
        hub_id=hub.identity.hub_id,
        authority=await asyncio.to_thread(_authority, hub.settings.tls_cert),
        bundles=await hub.bundles.ready(),
    )
    try:
        text = fill(await asyncio.to_thread(template, name), filling)
    except ValueError as error:
        return web.Response(status=400, text=f"{error}\n", headers=_HEADERS)
    return web.Response(text=text, content_type="text/plain", charset="utf-8", headers=_HEADERS)


async def _bundle(hub: Hub, request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    path = await hub.bundles.file(name)
    if path is None:
        return web.Response(status=404, text="there is no such bundle\n", headers=_HEADERS)
    attached = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": "application/zip"}
    return web.FileResponse(path, headers={**_HEADERS, **attached})


@cache
def template(name: str) -> str:
    """A script of `packaging/`: beside us where Botyard is installed, at the root of a checkout otherwise."""
    beside = Path(__file__).parent / "packaging"
    folder = beside if beside.is_dir() else Path(__file__).parents[2] / "packaging"
    return (folder / name).read_text(encoding="utf-8")


def _authority(cert: Path | None) -> str:
    """What to trust for this hub; a proxy's certificate is the proxy's affair."""
    return "" if cert is None else scripts.top_certificate(cert.read_text(encoding="ascii", errors="replace"))
