"""The runners' side of the hub: their websocket, their enrolment, the files that they fetch and bring.

`socket.py` is the way in, `session.py` one connection's life, `worker.py` what it asks of the database, `http.py` the
ticketed requests beside it. Services see of all this only `hub.services.live`.
"""

from aiohttp import web

from agent.wire.enrolment import LINK_PATH
from hub.context import Hub
from hub.runners.http import RunnerHttp
from hub.runners.sessions import Sessions
from hub.runners.socket import LinkEndpoint

__all__ = ["LinkEndpoint", "Sessions", "mount"]


def mount(app: web.Application, hub: Hub, sessions: Sessions) -> LinkEndpoint:
    """Serve everything below ``/runner/v1``; the result is told when the hub stops."""
    endpoint = LinkEndpoint(hub, sessions)
    app.add_routes([web.get(LINK_PATH, endpoint.serve), *RunnerHttp(hub, sessions).routes()])
    return endpoint
