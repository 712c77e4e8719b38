"""A task's files: listed, described, downloaded, previewed; and asked for while the bot runs.

What a bot left behind is never trusted (S29): downloads are attachments of no type that a browser would open, and only
small raster images, known by their first bytes, are sent as what they are.
"""

import asyncio
from datetime import datetime

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from hub.api.call import Call, Nothing, Sent, View
from hub.api.downloads import PRIVATE, piece, send
from hub.api.route import Route, Spec, route
from hub.api.tasks import find
from hub.domain.access import Role
from hub.domain.preview import HEAD_BYTES, PreviewKind, preview
from hub.services import artifacts
from hub.services.artifacts import Asked, Listing
from hub.storage.artifacts import ArtifactRow
from hub.storage.transaction import Transaction


class Artifact(View):
    """A file that a bot left behind."""

    id: int
    task: str
    execution: str | None = Field(description="The attempt that made it.")
    name: str = Field(description="Relative, with `/` between its parts.")
    size_bytes: int
    sha256: str
    content_type: str = Field(description="Guessed from the name.")
    created_at: datetime


class LeftOut(View):
    """A file that was not brought, with the reason."""

    execution: str
    text: str


class Artifacts(View):
    """All files of a task."""

    items: list[Artifact]
    left_out: list[LeftOut] = Field(description="What the bot left behind and nobody brought, and why.")


class Collecting(View):
    """The runner was asked; files appear in the listing as they come."""

    execution: str
    runner: str


class Preview(View):
    """The beginning of a file."""

    artifact: Artifact
    kind: PreviewKind = Field(description="`none`: only what is known of it can be shown.")
    lines: list[str] = Field(description="Of `text`, and of `json`, which is indented.")
    rows: list[list[str]] = Field(description="Of a `table` (CSV), the first one with its names.")
    cut: bool = Field(description="There is more than is shown.")


class Shown(BaseModel):
    """How much of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: int = Field(default=200, ge=1, le=2000, description="At most so many lines or rows.")


@route(
    "GET",
    "/tasks/{task}/artifacts",
    Spec(role=Role.VIEWER, summary="List a task's files", about="Also while it runs, as far as they have come."),
)
async def listing(call: Call[Nothing, Nothing]) -> Artifacts:
    """The files of a task, and what was left out."""
    workspace_id = call.caller.workspace_id

    def query(tx: Transaction) -> Listing:
        task = find(tx, workspace_id, call.path("task"))
        return artifacts.of_task(tx, workspace_id, task.id, task.number)

    found = await call.read(query)
    return Artifacts(
        items=[_view(row) for row in found.files],
        left_out=[LeftOut(execution=one.execution_id, text=one.text) for one in found.left_out],
    )


@route(
    "POST",
    "/tasks/{task}/artifacts/collect",
    Spec(
        role=Role.OPERATOR,
        summary="Bring a running task's files now",
        about="The runner brings what is there; a file that changes later is replaced at the end.",
        status=202,
    ),
)
async def collect(call: Call[Nothing, Nothing]) -> Sent[Collecting]:
    """The attempt that was asked."""
    caller = call.caller
    return await call.write(
        lambda tx: artifacts.collect(
            tx, caller.workspace_id, find(tx, caller.workspace_id, call.path("task")).id, caller.actor
        ),
        _asked,
    )


@route("GET", "/artifacts/{artifact}", Spec(role=Role.VIEWER, summary="Describe a file"))
async def show(call: Call[Nothing, Nothing]) -> Artifact:
    """What is known of a file."""
    return _view(await _row(call))


@route(
    "GET",
    "/artifacts/{artifact}/file",
    Spec(
        role=Role.VIEWER,
        summary="Download a file",
        about="The bytes as the bot wrote them; understands `Range: bytes=`. `ETag` is the sha256.",
        media="application/octet-stream",
        streams=True,
    ),
)
async def download(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """All bytes, or a range of them."""
    row = await _row(call)
    return await send(call, row.name, row.sha256, row.size_bytes)


@route(
    "GET",
    "/artifacts/{artifact}/preview",
    Spec(
        role=Role.VIEWER,
        summary="Look into a file",
        about=(
            "The first lines of a text, JSON indented, the rows of a CSV file. A PNG, JPEG, GIF or WebP picture of at "
            "most 5 MiB is answered as the picture itself."
        ),
        streams=True,
    ),
)
async def look(call: Call[Nothing, Shown]) -> Preview | web.StreamResponse:
    """A file's beginning, as text, rows or picture."""
    row = await _row(call)
    head = await piece(call.hub.blobs, row.name, row.sha256, 0, HEAD_BYTES)
    made = await asyncio.to_thread(preview, row.name, head, row.size_bytes, call.query.lines)
    if made.kind is PreviewKind.IMAGE:
        body = await piece(call.hub.blobs, row.name, row.sha256, 0, row.size_bytes)
        return web.Response(body=body, headers={**PRIVATE, "Content-Type": made.media})
    return Preview(
        artifact=_view(row),
        kind=made.kind,
        lines=list(made.lines),
        rows=[list(cells) for cells in made.rows],
        cut=made.is_cut,
    )


ROUTES: tuple[Route, ...] = (listing, collect, show, download, look)


async def _row(call: Call[Nothing, Nothing] | Call[Nothing, Shown]) -> ArtifactRow:
    """The file that the path names. Raises NotFound."""
    workspace_id, named = call.caller.workspace_id, call.path("artifact")
    return await call.read(lambda tx: artifacts.show(tx, workspace_id, named))


def _view(row: ArtifactRow) -> Artifact:
    return Artifact(
        id=row.id,
        task=row.task_id,
        execution=row.execution_id,
        name=row.name,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        content_type=row.content_type,
        created_at=row.created_at,
    )


def _asked(asked: Asked) -> Collecting:
    return Collecting(execution=asked.execution_id, runner=asked.runner)
