"""Bots that hang up: what they said is carried out all the same; what they waited for ends."""

import asyncio
import re
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from agent.gateway.desk import DESK
from agent.gateway.forwarding import KEY_HEADER
from agent.gateway.server import OWN_API_PATH

_TAKES = re.compile(re.escape(OWN_API_PATH) + r"/queues/[^/]+/(?:take|work)")


def takes_items(request: web.Request) -> bool:
    """Whether the call asks for items, which nobody would have if its bot were gone.

    A bot that gives a key of its own may come again for the answer: for it the call goes on.
    """
    is_again = KEY_HEADER in request.headers
    return request.method == "POST" and not is_again and _TAKES.fullmatch(request.path) is not None


def has_hung_up(request: web.Request) -> bool:
    """Whether nobody waits for the answer any more; of a gateway that stops every call looks so."""
    return request.transport is None or request.transport.is_closing()


@web.middleware
async def outlive_the_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a call go on when its bot hangs up, but for those that take items: these are canceled, and see to it."""
    with request.app[DESK].under_way.noted():
        if takes_items(request):
            return await handler(request)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_outcome(request, handler))
            await _until_done(request, serving)
    outcome = serving.result()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _outcome(request: web.Request, handler: Handler) -> web.StreamResponse | Exception:
    """What became of the call; an error as a value, so that it is raised as itself and not as a group."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller raises it
        return error


async def _until_done(request: web.Request, serving: asyncio.Task[Any]) -> None:
    """Wait, also while we are canceled because the bot has hung up."""
    while not serving.done():
        try:
            await asyncio.wait({serving})
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or request.app[DESK].under_way.is_stopping or not has_hung_up(request):
                raise
            task.uncancel()
