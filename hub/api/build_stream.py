"""Following a build live: on its way to ready, then on each runner that shall have it. What `botyard deploy` shows.

Events: `build`, the whole view, whenever something in it has changed, and `same` every two seconds in which nothing
has, so that a client can look at its clock. The stream ends when the client leaves: only it knows what it waits for.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hub.api.call import Call, View
from hub.api.sse import Stream
from hub.services import build_progress
from hub.services.build_progress import BuildProgress

LOOK_AGAIN_S = 2.0
"""A ring that nobody heard is made good after this long."""


async def follow(call: Call[Any, Any], view: Callable[[BuildProgress], View]) -> web.StreamResponse:
    """Stream a build as it is and as it becomes. Raises NotFound, before the stream begins."""
    told = ""
    stream = Stream(call)
    found = await _read(call)
    async with stream:
        while await stream.keep():
            rings = (call.hub.store.feed_changed.rings, call.hub.signals.builds.rings)
            found = await _read(call)
            shown = view(found).model_dump_json()
            if shown != told:
                told = shown
                await stream.send("build", shown)
            else:
                await stream.send("same", "{}")
            await _ring(call, rings)
    return stream.response


async def _read(call: Call[Any, Any]) -> BuildProgress:
    workspace_id, bot, named = call.caller.workspace_id, call.path("bot"), call.path("build")
    return await call.read(lambda tx: build_progress.show(tx, workspace_id, bot, named))


async def _ring(call: Call[Any, Any], seen: tuple[int, int]) -> None:
    """Wait until the feed, or a runner's word about a build, has rung; at most `LOOK_AGAIN_S`."""
    bells = (call.hub.store.feed_changed, call.hub.signals.builds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_AGAIN_S), asyncio.TaskGroup() as group:
            rung = [group.create_task(bell.wait(count)) for bell, count in zip(bells, seen, strict=True)]
            await asyncio.wait(rung, return_when=asyncio.FIRST_COMPLETED)
            for one in rung:
                one.cancel()
