"""``POST /hooks/{trigger}``: where the world outside calls. No key of ours opens it: the message is signed (S41).

It answers 202 with the task, or, asked with ``?wait=20``, with the task's outcome when that comes in time.
"""

import asyncio
import math
import secrets as random_secrets
from contextlib import suppress
from typing import Any

from aiohttp import web

from hub.api.call import Call, Nothing, Sent, View
from hub.api.problem import Refused
from hub.api.route import Route, Spec, route
from hub.api.trigger_views import called_at
from hub.context import Hub
from hub.domain.access import Role
from hub.domain.webhook import BODY_MAX_BYTES, Delivery
from hub.services import tasks, triggers, webhooks
from hub.services.webhooks import NotSigned, Received
from hub.storage.transaction import Done, Transaction

PATH = "/hooks/{trigger}"
WAIT_MAX_S = 55.0
_LOOK_EVERY_S = 0.3
"""On a busy hub the feed rings all the time: whether the task has finished is looked at no more often."""
_LOOK_AGAIN_S = 5.0
"""A ring that nobody heard is made good after this long."""


class Secret(View):
    """A webhook's address and its new secret, shown once."""

    url: str
    secret: str


@route(
    "POST",
    "/triggers/{trigger}/secret",
    Spec(role=Role.DEVELOPER, summary="Give a webhook a new secret", about="The old one is void at once.", secret=True),
)
async def renew(call: Call[Nothing, Nothing]) -> Sent[Secret]:
    """Where to call, and what to sign with."""
    entropy = random_secrets.token_bytes(32)
    base = call.base_url

    def give(tx: Transaction) -> Done[tuple[str, str]]:
        row = triggers.show(tx, call.caller.workspace_id, call.path("trigger"))
        done = webhooks.renew_secret(tx, call.caller, row, entropy)
        return Done((row.id, done.result), done.effects)

    return await call.write(give, lambda made: Secret(url=called_at(base, made[0]), secret=made[1]))


ROUTES: tuple[Route, ...] = (renew,)


async def receive(hub: Hub, request: web.Request) -> web.StreamResponse:
    """Serve a call from outside."""
    hub.room.check()
    delivery = Delivery(
        headers={name.lower(): value for name, value in request.headers.items()}, body=await _body(request)
    )
    try:
        asked = float(request.query.get("wait", "0"))
        wait_s = min(max(asked, 0.0), WAIT_MAX_S) if math.isfinite(asked) else 0.0
    except ValueError:
        raise Refused(400, "query", "wait is a number of seconds.") from None
    named = request.match_info["trigger"]
    try:
        signed = await hub.store.read(webhooks.verify, named, delivery)
        received = await hub.store.write(webhooks.receive, named, delivery, signed)
    except NotSigned as error:
        raise Refused(401, error.code, error.message) from None
    if received.refused is not None:
        raise received.refused
    if received.task_id is None:
        raise Refused(409, "not_fired", received.why or "No task was made.")
    if not wait_s:
        return _taken(received)
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            return await _outcome(hub, received)
    return _taken(received)


async def _outcome(hub: Hub, received: Received) -> web.Response:
    """The answer when the task has finished; woken by changes of the feed, those that come together as one."""
    while True:
        changed = hub.store.feed_changed.rings
        view = await hub.store.read(tasks.show, received.workspace_id, str(received.task_id))
        if view.outcome is not None:
            body = {"task": view.id, "number": view.number, "outcome": view.outcome, "message": view.message}
            return web.json_response(body)
        await asyncio.sleep(_LOOK_EVERY_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S):
                await hub.store.feed_changed.wait(changed)


def _taken(received: Received) -> web.Response:
    body: dict[str, Any] = {"task": received.task_id, "repeated": received.is_repeated}
    return web.json_response(body, status=200 if received.is_repeated else 202)


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise Refused(413, "too_large", f"A message has at most {BODY_MAX_BYTES} bytes.")
    return bytes(body)
