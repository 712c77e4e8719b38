"""Following a task live: its state while it waits, what each attempt prints as it comes, and how it ended.

Events: `state` (the task, whenever it changed), `waiting` (why it does not run), `progress` (how far the bot says that
it is, seen within seconds), `execution` (an attempt begins), `output` (bytes of it), `end` (the finished task, then the
stream ends). The bytes of an attempt come once and in order; a client that was cut off goes on behind the last `output`
event that it has seen, also after the hub was restarted, because offsets are the hub's own.
"""

import asyncio
import base64
import codecs
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from agent.wire.codec import Stream as Channel
from agent.wire.words import TaskState
from hub.api.call import Call
from hub.api.sse import Stream, last_event_id
from hub.api.task_views import Progress, task_view, why_view
from hub.api.tasks import find
from hub.domain.task import TaskView
from hub.services import waiting
from hub.storage import execution_pages
from hub.storage.doorbell import Doorbell
from hub.storage.execution_pages import ExecutionView
from hub.storage.outputs import Piece
from hub.storage.transaction import Transaction

LOOK_AGAIN_S = 2.0
"""A ring of the feed that nobody heard is made good after this long."""
WHY_EVERY_S = 0.5
"""Why a task waits is looked at again at most so often: on a busy hub the feed rings all the time."""
_PLACE = re.compile(r"(exe_[0-9a-f]{32}):(\d{1,18})\Z")


class Encoding(StrEnum):
    """How bytes travel in an event."""

    TEXT = "text"
    BASE64 = "base64"


@dataclass(slots=True)
class _Place:
    """How far a client has read: everything before this offset of this attempt."""

    execution_id: str = ""
    offset: int = 0


@dataclass(slots=True)
class _Follower:
    call: Call[Any, Any]
    stream: Stream
    encode: Callable[[Piece], str]
    first_line: int
    place: _Place
    task_id: str = ""
    seen: tuple[TaskView, list[ExecutionView]] | None = None
    seen_rings: int = 0
    seen_at_s: float = 0.0
    told: str = ""
    told_why: str = ""
    why_at_s: float = 0.0
    """By the loop's clock: then it may be looked at again why the task waits."""
    told_progress: Progress | None = None
    patient_until: float = 0.0
    """By the monotonic clock: until then nobody is told why a granted task does not run yet."""
    over: set[str] = field(default_factory=set)

    async def run(self) -> None:
        bells = self._bells()
        while await self.stream.keep():
            rings = [bell.rings for bell in bells]
            task, attempts = await self.look()
            await self._tell(task)
            next_one = self._next(attempts)
            if next_one is not None:
                await self._print(next_one)
            elif task.state is TaskState.FINISHED:
                await self.stream.send("end", task_view(task).model_dump_json())
                return
            else:
                # An order that is just under way is no reason to wait, until nothing has come of it for a while.
                if task.state is not TaskState.RUNNING or self.call.hub.clock.monotonic() >= self.patient_until:
                    await self._tell_why()
                left_s = self.why_at_s - asyncio.get_running_loop().time()
                waits = [bell.wait(count) for bell, count in zip(bells, rings, strict=True)]
                await _ring(waits, within_s=left_s if left_s > 0 else LOOK_AGAIN_S)

    def _bells(self) -> list[Doorbell]:
        """What may change why it waits: an event, how far a build is, who is fit to run bots."""
        signals = self.call.hub.signals
        return [self.call.hub.store.feed_changed, signals.builds, signals.fitness]

    async def look(self) -> tuple[TaskView, list[ExecutionView]]:
        """The task and its attempts; as seen last where no feed has rung since. Raises NotFound."""
        rings, now_s = self.call.hub.store.feed_changed.rings, self.call.hub.clock.monotonic()
        if self.seen is None or self.seen_rings != rings or now_s >= self.seen_at_s + LOOK_AGAIN_S:
            self.seen, self.seen_rings, self.seen_at_s = await self._read(), rings, now_s
        return self.seen

    async def _read(self) -> tuple[TaskView, list[ExecutionView]]:
        workspace_id = self.call.caller.workspace_id

        def query(tx: Transaction) -> tuple[TaskView, list[ExecutionView]]:
            task = find(tx, workspace_id, self.task_id or self.call.path("task"))
            return task, execution_pages.of_task(tx, workspace_id, task.id)

        task, attempts = await self.call.read(query)
        self.task_id = task.id
        return task, attempts

    async def _tell(self, task: TaskView) -> None:
        """Send the task when something that people wait for has changed."""
        view = task_view(task)
        shown = json.dumps([view.state, view.runner, view.execution, str(view.cancel_requested_at), str(view.report)])
        if shown != self.told:
            self.told = shown
            self.patient_until = self.call.hub.clock.monotonic() + LOOK_AGAIN_S
            await self.stream.send("state", view.model_dump_json())
        if view.progress is not None and view.progress != self.told_progress:
            self.told_progress = view.progress
            await self.stream.send("progress", view.progress.model_dump_json())

    async def _tell_why(self) -> None:
        """Send why the task waits, when that has changed; not before `why_at_s`."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self.why_at_s:
            return
        self.why_at_s = now_s + WHY_EVERY_S
        workspace_id = self.call.caller.workspace_id
        offers = self.call.hub.book.offers(workspace_id)
        reasons = await self.call.read(lambda tx: waiting.why(tx, workspace_id, self.task_id, offers))
        shown = why_view(reasons).model_dump_json()
        if reasons and shown != self.told_why:
            self.told_why = shown
            await self.stream.send("waiting", shown)

    def _next(self, attempts: list[ExecutionView]) -> ExecutionView | None:
        """The first attempt that has started and was not shown to its end; those before the client's place are past."""
        ids = [one.id for one in attempts]
        if self.place.execution_id in ids:
            attempts = attempts[ids.index(self.place.execution_id) :]
        shown = (one for one in attempts if one.state not in {"granted", "void"} and one.id not in self.over)
        return next(shown, None)

    async def _print(self, one: ExecutionView) -> None:
        """Send what the attempt prints until there is no more, or until the client leaves."""
        if one.id != self.place.execution_id:
            self.place = _Place(one.id, await self._offset(one))
        head = {"execution": one.id, "runner": one.runner, "from": self.place.offset}
        await self.stream.send("execution", json.dumps(head), self._id())
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(self._pump(one.id), name=f"output of {one.id}")
            group.create_task(self._watch(one.id, pump), name=f"state of {one.id}")
        if pump.cancelled() and one.id not in self.over:
            raise ConnectionResetError("the client left, or its key ended")

    async def _pump(self, execution_id: str) -> None:
        workspace_id = self.call.caller.workspace_id
        async for piece in self.call.hub.outputs.subscribe(workspace_id, execution_id, self.place.offset):
            if isinstance(piece, Piece):
                self.place.offset = piece.end
                await self.stream.send("output", self.encode(piece), self._id())
        self.over.add(execution_id)

    async def _watch(self, execution_id: str, pump: "asyncio.Task[None]") -> None:
        """Beside the output: tell of changes, keep the connection, and end a pump that nothing can come for."""
        feed = self.call.hub.store.feed_changed
        while not pump.done():
            rings = feed.rings
            task, attempts = await self.look()
            await self._tell(task)
            settled = any(one.id == execution_id and one.is_over for one in attempts)
            have = self.call.hub.outputs.position(self.call.caller.workspace_id, execution_id).have
            if settled and self.place.offset >= have:
                self.over.add(execution_id)
            if execution_id in self.over or not await self.stream.keep():
                pump.cancel()
                return
            await _ring([feed.wait(rings)], pump)

    async def _offset(self, one: ExecutionView) -> int:
        """Where a new client begins: at the start, or at the line that it asked for."""
        if self.first_line == 0 or self.over:
            return 0
        page = await self.call.hub.outputs.read_lines(self.call.caller.workspace_id, one.id, self.first_line, 1)
        if page.lines:
            return page.lines[0].offset
        return self.call.hub.outputs.position(self.call.caller.workspace_id, one.id).have

    def _id(self) -> str:
        return f"{self.place.execution_id}:{self.place.offset}"


async def follow(call: Call[Any, Any], encoding: Encoding, *, first_line: int) -> web.StreamResponse:
    """Stream a task until it has finished. Raises NotFound, before the stream begins."""
    found = _PLACE.match(last_event_id(call))
    place = _Place(found.group(1), int(found.group(2))) if found else _Place()
    stream = Stream(call)
    encode = _as_base64 if encoding is Encoding.BASE64 else _AsText()
    follower = _Follower(call, stream, encode, first_line, place)
    await follower.look()
    async with stream:
        await follower.run()
    return stream.response


class _AsText:
    """Decodes each stream of bytes as UTF-8, a letter that is cut between two pieces with the later one."""

    def __init__(self) -> None:
        new = codecs.getincrementaldecoder("utf-8")
        self._decoders = {channel: new(errors="replace") for channel in Channel}

    def __call__(self, piece: Piece) -> str:
        text = self._decoders[Channel(piece.stream)].decode(piece.data)
        return json.dumps({**_head(piece), "text": text}, ensure_ascii=False)


def _as_base64(piece: Piece) -> str:
    return json.dumps({**_head(piece), "data": base64.b64encode(piece.data).decode()})


def _head(piece: Piece) -> dict[str, Any]:
    return {"from": piece.start, "to": piece.end, "stream": Channel(piece.stream).name.lower(), "at_ms": piece.time_ms}


async def _ring(
    waits: Sequence[Coroutine[Any, Any, int]],
    pump: "asyncio.Task[None] | None" = None,
    *,
    within_s: float = LOOK_AGAIN_S,
) -> None:
    """Wait for one of these rings or for the end of `pump`; no longer than `within_s`."""
    async with asyncio.TaskGroup() as group:
        rung = [group.create_task(one, name="bell") for one in waits]
        await asyncio.wait([*rung, *([pump] if pump else [])], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for one in rung:
            one.cancel()
