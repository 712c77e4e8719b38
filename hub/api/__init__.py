"""REST ``/api/v1``: one file a resource, each a list of declared routes; OpenAPI 3.1 comes from the same declarations.

`route.py` declares, `serve.py` guards and parses, `problem.py` refuses, `description.py` and `docs.py` describe.
"""

import functools
from collections.abc import Sequence

from aiohttp import web

from hub.api import (
    apply,
    artifacts,
    automations,
    batches,
    bots,
    breakers,
    bundles,
    calendars,
    dead_letters,
    docs,
    events,
    held,
    hooks,
    item_files,
    items,
    keys,
    late_reports,
    limits,
    me,
    output,
    queues,
    resources,
    rows,
    runners,
    screens,
    tasks,
    timelines,
    triggers,
    windows,
    workspaces,
)
from hub.api.route import PREFIX, Route
from hub.api.serve import catch_all, guarded, handler_of
from hub.api.sse import STREAMS, Streams, end_streams
from hub.context import Hub

ROUTES: Sequence[Route] = (
    *me.ROUTES,
    *tasks.ROUTES,
    *limits.ROUTES,
    *held.ROUTES,
    *late_reports.ROUTES,
    *timelines.ROUTES,
    *output.ROUTES,
    *artifacts.ROUTES,
    *rows.ROUTES,
    *automations.ROUTES,
    *queues.ROUTES,
    *items.ROUTES,
    *item_files.ROUTES,
    *dead_letters.ROUTES,
    *batches.ROUTES,
    *resources.ROUTES,
    *breakers.ROUTES,
    *triggers.ROUTES,
    *hooks.ROUTES,
    *calendars.ROUTES,
    *apply.ROUTES,
    *bots.ROUTES,
    *runners.ROUTES,
    *screens.ROUTES,
    *bundles.ROUTES,
    *windows.ROUTES,
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
    screens.mount(app, hub)
    app.router.add_post(hooks.PATH, guarded(functools.partial(hooks.receive, hub)))
    app.router.add_route("*", PREFIX + "/{anything:.*}", catch_all(hub, ROUTES))
