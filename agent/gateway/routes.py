"""All routes of the gateway in one table, and the application that serves them."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from agent.gateway import files, own, tasks
from agent.gateway.desk import DESK, Desk
from agent.gateway.forwarding import forward_any, forward_login
from agent.gateway.hang_ups import outlive_the_caller
from agent.gateway.refusals import refuse_in_shape
from agent.gateway.server import LAST_WORDS_S, OWN_API_PATH
from agent.gateway.settings import GatewaySettings
from agent.gateway.under_way import UnderWay
from agent.gateway.upstream import Upstream
from agent.gateway.work import forward_work
from agent.gateway_port import GatewayHost
from agent.ports.clock import Clock
from agent.wire.maestro_answers import API_PREFIX


def routes() -> list[web.RouteDef]:
    """Fixed words before the rest of ``/api/v2``; what is in no row is 404."""
    return [
        web.get(f"{API_PREFIX}/maestro/version", tasks.version),
        web.post(f"{API_PREFIX}/workspace/login", forward_login),
        web.get(f"{API_PREFIX}/task/{{id}}", tasks.look),
        web.post(f"{API_PREFIX}/task/{{id}}", tasks.update),
        web.post(f"{API_PREFIX}/task/{{id}}/finish", tasks.finish),
        web.route("*", API_PREFIX + "/{rest:.*}", forward_any),
        web.get(f"{OWN_API_PATH}/parameters", own.parameters),
        web.get(f"{OWN_API_PATH}/cancelled", own.cancelled),
        web.get(f"{OWN_API_PATH}/secrets/{{name}}", own.secret),
        web.post(f"{OWN_API_PATH}/result", own.result),
        web.post(f"{OWN_API_PATH}/progress", own.progress),
        web.post(f"{OWN_API_PATH}/log", own.log_row),
        web.post(f"{OWN_API_PATH}/outputs", own.outputs),
        web.post(f"{OWN_API_PATH}/artifacts", files.post),
        web.put(f"{OWN_API_PATH}/artifacts/{{name:.+}}", files.put),
        *(
            web.route("*", f"{OWN_API_PATH}/{noun}{rest}", forward_work)
            for noun in ("queues", "items", "batches", "files")
            for rest in ("", "/{rest:.*}")
        ),
    ]


def application(host: GatewayHost, clock: Clock, settings: GatewaySettings) -> web.Application:
    """The gateway as an application; its HTTP client lives and ends with it."""
    app = web.Application(middlewares=[outlive_the_caller, refuse_in_shape])
    app.add_routes(routes())

    async def way_to_hub(app: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(files.sweep_drafts, settings.upload_folder)
        upstream = Upstream(host)
        app[DESK] = Desk(host=host, clock=clock, settings=settings, upstream=upstream, under_way=UnderWay())
        yield
        await app[DESK].under_way.end(LAST_WORDS_S)
        await upstream.close()

    async def stop(app: web.Application) -> None:
        app[DESK].under_way.stop()

    app.cleanup_ctx.append(way_to_hub)
    app.on_shutdown.append(stop)
    return app
