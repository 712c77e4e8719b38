"""The event feed: everything that changed, in order of its dense position; as pages, or as a live stream."""

import asyncio
import contextlib
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import AwareDatetime, Field

from hub.api.call import Call, Nothing, Query, View
from hub.api.problem import Fault, Refused
from hub.api.route import Route, Spec, route
from hub.api.sse import Stream, last_event_id, wants_stream
from hub.domain.access import Role
from hub.domain.event_kinds import FAMILIES, KINDS, remedy_of
from hub.storage import events
from hub.storage.events import Event as Row
from hub.storage.events import EventFilter
from hub.storage.transaction import Transaction

LOOK_AGAIN_S = 5.0
"""A ring that nobody heard is made good after this long (`core.md` §5)."""
BATCH = 200


class From(Query):
    """Where to begin."""

    after: int = Field(default=0, ge=0, description="Events behind this position; Last-Event-ID wins.")
    limit: int = Field(default=100, ge=1, le=1000)
    newest: bool = Field(default=False, description="The last `limit` events instead of the first; still in order.")
    since: AwareDatetime | None = Field(default=None, description="Only events of this moment and later.")
    type: str = Field(
        default="",
        pattern=r"^([a-z_]+(\.[a-z_]+)?)?$",
        description="Only of this kind, as `task.settled`; `task` alone is all kinds of tasks.",
    )
    task: str = Field(default="", pattern=r"^(tsk_[0-9a-f]{32})?$", description="Only events of this task.")
    runner: str = Field(default="", pattern=r"^(rnr_[0-9a-f]{32})?$", description="Only events of this runner.")
    follow: bool = Field(default=False, description="Go on with events as they happen, as server-sent events.")


class Event(View):
    """One change: who, what, from, to, cause."""

    pos: int = Field(description="Dense: no event is missing between two positions of the whole hub.")
    at: datetime
    kind: str = Field(examples=["task.settled"])
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
        about=(
            "With `follow=true`: server-sent events whose `id` is the position; go on with Last-Event-ID. "
            "With `newest` too, the stream begins with the last `limit` events."
        ),
        streams=True,
    ),
)
async def listing(call: Call[Nothing, From]) -> EventPage | web.StreamResponse:
    """A page of events, or the stream."""
    if wants_stream(call, follow=call.query.follow):
        return await _follow(call)
    after = await _begin(call)
    found = await _read(call, after, call.query.limit, newest=call.query.newest)
    return EventPage(items=[_view(row) for row in found], next=found[-1].pos if found else after)


ROUTES: tuple[Route, ...] = (listing,)


async def _follow(call: Call[Nothing, From]) -> web.StreamResponse:
    """Events until the client leaves or its key ends."""
    seen = last_event_id(call)
    stream = Stream(call)
    async with stream:
        if seen.isdecimal():
            after = int(seen)
        else:
            after = await _send_newest(call, stream) if call.query.newest else await _begin(call)
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


async def _begin(call: Call[Nothing, From]) -> int:
    """The position behind which the wanted events stand."""
    since, workspace_id = call.query.since, call.caller.workspace_id
    if since is None:
        return call.query.after
    return max(call.query.after, await call.read(lambda tx: events.before(tx, workspace_id, since)))


async def _send_newest(call: Call[Nothing, From], stream: Stream) -> int:
    """Send the last events; the position from which to follow, so that none is missed and none comes twice."""

    def query(tx: Transaction) -> tuple[int, list[Row]]:
        return events.head(tx), events.page(tx, call.caller.workspace_id, _wanted(call, begin, newest=True))

    begin = await _begin(call)
    head, found = await call.read(query)
    for row in found:
        await stream.send(row.kind, _view(row).model_dump_json(), str(row.pos))
    return max(head, begin, *(row.pos for row in found))


async def _read(call: Call[Nothing, From], after: int, limit: int, *, newest: bool = False) -> list[Row]:
    wanted = _wanted(call, after, newest=newest, limit=limit)
    return await call.read(lambda tx: events.page(tx, call.caller.workspace_id, wanted))


def _wanted(call: Call[Nothing, From], after: int, *, newest: bool, limit: int | None = None) -> EventFilter:
    query = call.query
    if query.type and query.type not in KINDS | FAMILIES:
        remedy = remedy_of(query.type).replace(".*", "")
        fault = Fault(field="type", message=f"{query.type[:64]!r} is no kind of event", remedy=remedy)
        raise Refused(400, "query", "The query can't be read.", [fault])
    return EventFilter(
        after=after,
        kind=query.type,
        task_id=query.task,
        runner_id=query.runner,
        newest=newest,
        limit=query.limit if limit is None else limit,
    )


def _view(row: Row) -> Event:
    return Event(**{name: getattr(row, name) for name in Event.model_fields})
