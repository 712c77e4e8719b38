"""What a bot printed: as lines by absolute number, as the bytes themselves, and live as server-sent events.

Line 0 is the first; a negative `from` counts from the end. The bytes are what the bot wrote, but for masks and gaps.
"""

from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from agent.wire.codec import Stream as Channel
from agent.wire.lines import COMMAND_MAX_BYTES, LineReader
from agent.wire.words import OutputState
from hub.api.byte_range import byte_range
from hub.api.call import Call, Nothing, View
from hub.api.follow import Encoding, follow
from hub.api.output_views import OutputGap, gap_views, gaps_of
from hub.api.route import Route, Spec, route
from hub.api.sse import wants_stream
from hub.api.tasks import find
from hub.domain.access import Role
from hub.domain.line_marks import mark_line
from hub.domain.output import words
from hub.errors import NotFound
from hub.storage import builds, execution_pages
from hub.storage.execution_pages import ExecutionView
from hub.storage.outputs import Line as StoredLine
from hub.storage.transaction import Transaction

PIECE_BYTES = 256 * 1024

ExecutionId = Annotated[
    str,
    Field(pattern=r"^(exe_[0-9a-f]{32})?$", description="One attempt's output; the newest attempt's if absent."),
]


class Lines(BaseModel):
    """Which lines, or from where to follow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int = Field(default=0, alias="from", description="Number of the first line; negative: from the end.")
    limit: int = Field(default=1000, ge=1, le=10_000)
    execution: ExecutionId = ""
    follow: bool = Field(default=False, description="Server-sent events, until the task has finished.")
    encoding: Encoding = Field(
        default=Encoding.TEXT, description="Of followed bytes: `text` (UTF-8, replaced where it is none) or `base64`."
    )


class Raw(BaseModel):
    """Which attempt's bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    execution: ExecutionId = ""


class Line(View):
    """One line without its newline."""

    number: int
    at: datetime
    stream: str = Field(examples=["stdout"])
    text: str
    cut: bool = Field(description="Longer than a page; the raw bytes have all of it.")
    level: str | None = Field(default=None, description="`error`, `warning`, `notice` or `debug`: the bot said so.")
    group: str | None = Field(default=None, description="`begin` or `end` of lines that belong together.")
    title: str | None = Field(default=None, description="Of a line with a level; `file:line` where that is known.")
    said: str | None = Field(default=None, description="The text of a `::error::` line or its like, without `::`.")


class OutputPage(View):
    """Lines of an output, and what is known of its completeness."""

    execution: str | None = Field(description="The attempt; null before the first one.")
    lines: list[Line]
    next: int = Field(description="Number of the line behind the last one here.")
    total: int = Field(description="Lines so far.")
    bytes: int
    state: OutputState
    complete: bool
    says: str = Field(description="What is known of its completeness, in words.", examples=["complete, verified"])
    sha256: str | None
    gaps: list[OutputGap] = Field(description="Bytes that the bot wrote and nobody has.")


@route(
    "GET",
    "/tasks/{task}/output",
    Spec(
        role=Role.VIEWER,
        summary="Read or follow a task's output",
        about=(
            "With `follow=true` (or `Accept: text/event-stream`): events `state`, `waiting`, `execution`, `output`, "
            "`end`. The `id` of an `output` event names the attempt and the offset behind it; send it back as "
            "Last-Event-ID to go on there."
        ),
        streams=True,
    ),
)
async def lines(call: Call[Nothing, Lines]) -> OutputPage | web.StreamResponse:
    """A page of lines, or the stream."""
    query = call.query
    if wants_stream(call, follow=query.follow):
        return await follow(call, query.encoding, first_line=query.first)
    one = await _execution(call, query.execution)
    if one is None:
        return OutputPage(
            execution=None,
            lines=[],
            next=0,
            total=0,
            bytes=0,
            state=OutputState.NONE,
            complete=False,
            says=words(OutputState.NONE, 0, ()),
            sha256=None,
            gaps=[],
        )
    outputs, workspace_id = call.hub.outputs, call.caller.workspace_id
    found = await outputs.read_lines(workspace_id, one.id, query.first, query.limit)
    has_commands = await call.read(lambda tx: _has_commands(tx, workspace_id, one.build_id))
    reader = LineReader() if has_commands else None
    state, gaps = OutputState(one.output_state), gaps_of(one.gaps)
    have = outputs.position(workspace_id, one.id).have
    return OutputPage(
        execution=one.id,
        lines=[_line(line, reader) for line in found.lines],
        next=found.next,
        total=found.total,
        bytes=have,
        state=state,
        complete=state is OutputState.COMPLETE,
        says=words(state, have, gaps),
        sha256=one.output_sha256,
        gaps=gap_views(gaps),
    )


@route(
    "GET",
    "/tasks/{task}/output/raw",
    Spec(
        role=Role.VIEWER,
        summary="Download a task's output",
        about="The bytes as the bot wrote them; understands `Range: bytes=`.",
        media="application/octet-stream",
        streams=True,
    ),
)
async def raw(call: Call[Nothing, Raw]) -> web.StreamResponse:
    """All bytes that there are now, or a range of them."""
    one = await _execution(call, call.query.execution)
    length = 0 if one is None else call.hub.outputs.position(call.caller.workspace_id, one.id).have
    start, end, status = byte_range(call.request.headers.get("Range"), length)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{one.id if one else "output"}.log"',
        "Content-Length": str(end - start),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "sandbox",
    }
    if status == web.HTTPPartialContent.status_code:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{length}"
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(call.request)
    while one is not None and start < end:
        wanted = min(PIECE_BYTES, end - start)
        piece = await call.hub.outputs.read_bytes(call.caller.workspace_id, one.id, start, wanted)
        if not piece:
            break
        await response.write(piece)
        start += len(piece)
    await response.write_eof()
    return response


ROUTES: tuple[Route, ...] = (lines, raw)


async def _execution(call: Call[Nothing, Lines] | Call[Nothing, Raw], wanted: str) -> ExecutionView | None:
    """The attempt that is asked for; the newest that is no void unless said otherwise. Raises NotFound."""
    workspace_id = call.caller.workspace_id

    def query(tx: Transaction) -> list[ExecutionView]:
        return execution_pages.of_task(tx, workspace_id, find(tx, workspace_id, call.path("task")).id)

    found = await call.read(query)
    if not wanted:
        return next((one for one in reversed(found) if one.state != "void"), None)
    one = next((one for one in found if one.id == wanted), None)
    if one is None:
        raise NotFound("no_execution", f"This task has no attempt {wanted!r}; /executions lists them.")
    return one


def _has_commands(tx: Transaction, workspace_id: str, build_id: str) -> bool:
    """Whether `::x::` lines of this build are more than text."""
    build = builds.build(tx, workspace_id, build_id)
    return build is None or (build.launch or {}).get("lines") is not False


def _line(line: StoredLine, reader: LineReader | None) -> Line:
    text = line.data.decode(errors="replace")
    is_short = not line.cut and len(line.data) <= COMMAND_MAX_BYTES
    mark = mark_line(reader, text) if reader is not None and is_short else None
    shown = {} if mark is None else {"level": mark.level, "group": mark.group, "title": mark.title or None}
    return Line(
        number=line.number,
        at=datetime.fromtimestamp(line.time_ms / 1000, UTC),
        stream=channel_name(line.stream),
        text=text,
        cut=line.cut,
        said=None if mark is None else mark.text,
        **shown,
    )


def channel_name(number: int) -> str:
    """`stdout` or `stderr`."""
    return Channel(number).name.lower()
