"""The event feed: everything that changed, in order of its dense position; as pages, or as a live stream."""

import asyncio
import contextlib
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from hub.api.call import Call, Nothing, Query, View
from hub.api.route import Route, Spec, route
from hub.api.sse import Stream, last_event_id, wants_stream
from hub.domain.access import Role
from hub.storage import events
from hub.storage.events import Event as Row

LOOK_AGAIN_S = 5.0
"""A ring that nobody heard is made good after this long (`core.md` §5)."""
BATCH = 200


class From(Query):
    """Where to begin."""

    after: int = Field(default=0, ge=0, description="Events behind this position; Last-Event-ID wins.")
    limit: int = Field(default=100, ge=1, le=1000)
    task: str = Field(default="", pattern=r"^(tsk_[0-9a-f]{32})?$", description="Only events of this task.")
    follow: bool = Field(default=False, description="Go on with events as they happen, as server-sent events.")


class Event(View):
    """One change: who, what, from, to, cause."""

    pos: int = Field(description="Dense: no event is missing between two positions of the whole hub.")
    at: datetime
    kind: str = Field(examples=["task.finished"])
    subject: str = Field(description="Id of what changed.")
    task_id: str | None
    execution_id: str | None
    runner_id: str | None
    actor: str
    old: str | None
    new: str | None
    cause: str | None
    data: dict[str, Any] | None


class EventPage(View):
    """Events in order; ask again with `after` = `next`."""

    items: list[Event]
    next: int = Field(description="Position of the last event here, or the `after` that was asked for.")


@route(
    "GET",
    "/events",
    Spec(
        role=Role.VIEWER,
        summary="Read or follow the event feed",
        about="With `follow=true`: server-sent events whose `id` is the position; go on with Last-Event-ID.",
        streams=True,
    ),
)
async def listing(call: Call[Nothing, From]) -> EventPage | web.StreamResponse:
    """A page of events, or the stream."""
    if wants_stream(call, follow=call.query.follow):
        return await _follow(call)
    found = await _read(call, call.query.after, call.query.limit)
    return EventPage(items=[_view(row) for row in found], next=found[-1].pos if found else call.query.after)


ROUTES: tuple[Route, ...] = (listing,)


async def _follow(call: Call[Nothing, From]) -> web.StreamResponse:
    """Events until the client leaves or its key ends."""
    seen = last_event_id(call)
    after = int(seen) if seen.isdecimal() else call.query.after
    stream = Stream(call)
    async with stream:
        while await stream.keep():
            rings = call.hub.store.feed_changed.rings
            found = await _read(call, after, BATCH)
            for row in found:
                await stream.send(row.kind, _view(row).model_dump_json(), str(row.pos))
                after = row.pos
            if not found:
                await _ring(call, rings)
    return stream.response


async def _ring(call: Call[Nothing, From], rings: int) -> None:
    """Wait until something happened, or for `LOOK_AGAIN_S`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_AGAIN_S):
            await call.hub.store.feed_changed.wait(rings)


async def _read(call: Call[Nothing, From], after: int, limit: int) -> list[Row]:
    workspace_id, task = call.caller.workspace_id, call.query.task
    if task:
        return await call.read(lambda tx: events.story(tx, workspace_id, task, after=after, limit=limit))
    return await call.read(lambda tx: events.read_after(tx, after, limit, workspace_id))


def _view(row: Row) -> Event:
    return Event(**{name: getattr(row, name) for name in Event.model_fields})
