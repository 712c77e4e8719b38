"""REST ``/api/v1``: one file a resource, each a list of declared routes; OpenAPI 3.1 comes from the same declarations.

`route.py` declares, `serve.py` guards and parses, `problem.py` refuses, `description.py` and `docs.py` describe.
"""

from collections.abc import Sequence

from aiohttp import web

from hub.api import (
    artifacts,
    automations,
    bots,
    docs,
    events,
    keys,
    limits,
    me,
    output,
    rows,
    runners,
    tasks,
    timelines,
    workspaces,
)
from hub.api.route import PREFIX, Route
from hub.api.serve import catch_all, handler_of
from hub.api.sse import STREAMS, Streams, end_streams
from hub.context import Hub

ROUTES: Sequence[Route] = (
    *me.ROUTES,
    *tasks.ROUTES,
    *limits.ROUTES,
    *timelines.ROUTES,
    *output.ROUTES,
    *artifacts.ROUTES,
    *rows.ROUTES,
    *automations.ROUTES,
    *bots.ROUTES,
    *runners.ROUTES,
    *events.ROUTES,
    *keys.ROUTES,
    *workspaces.ROUTES,
)
"""Every route of ``/api/v1``; `tests/api/test_roles.py` has a line for each."""


def mount(app: web.Application, hub: Hub) -> None:
    """Add the API and its description to the hub's application."""
    app[STREAMS] = Streams()
    app.on_shutdown.append(end_streams)
    app.add_routes([web.route(route.method, route.full_path, handler_of(hub, route)) for route in ROUTES])
    app.add_routes(docs.pages(ROUTES))
    app.router.add_route("*", PREFIX + "/{anything:.*}", catch_all(hub, ROUTES))
