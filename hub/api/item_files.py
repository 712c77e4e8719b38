"""Files of items: sent as they are, listed, downloaded, taken away; bytes first, for items that are added with files.

What somebody attached is never trusted (S29): a download is an attachment of no type that a browser would open.
"""

import asyncio
import hmac

from aiohttp import web
from pydantic import Field

from hub.api.call import Call, Nothing, Query, Sent, View
from hub.api.downloads import send
from hub.api.item_views import ItemFile, file_view
from hub.api.problem import Fault, Refused
from hub.api.route import Route, Spec, route
from hub.api.uploads import InFile, body_in_file
from hub.domain.access import Role
from hub.domain.item_file import FILE_MAX_BYTES
from hub.services import item_files
from hub.storage.blobs import Blob

_BYTES = "application/octet-stream"


class Bytes(Query):
    """What is said of the bytes."""

    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Refused when they have another.")


class Attaching(Bytes):
    """Under which lease a file comes."""

    fence: int | None = Field(default=None, ge=1, description="The lease under which the item is held; else nobody.")


class Stored(View):
    """Bytes that items may name."""

    sha256: str
    size_bytes: int


class ItemFiles(View):
    """The files of an item."""

    items: list[ItemFile]


@route(
    "POST",
    "/files",
    Spec(
        role=Role.OPERATOR,
        summary="Send bytes for an item",
        about="An item that is added then names them by `sha256` in its `files`: it comes with its files at once.",
        status=201,
        upload=_BYTES,
        bots=True,
    ),
)
async def store(call: Call[Nothing, Bytes]) -> Sent[Stored]:
    """How the bytes are called."""
    async with body_in_file(call, "file", FILE_MAX_BYTES) as body:
        blob = await _kept(call, body, call.query.sha256)
    return await call.write(
        lambda tx: item_files.own(tx, call.caller, blob),
        lambda one: Stored(sha256=one.sha256, size_bytes=one.size_bytes),
    )


@route("GET", "/items/{item}/files", Spec(role=Role.VIEWER, summary="List an item's files", bots=True))
async def listing(call: Call[Nothing, Nothing]) -> ItemFiles:
    """By name."""
    workspace_id, item_id = call.caller.workspace_id, call.path("item")
    found = await call.read(lambda tx: item_files.of_item(tx, workspace_id, item_id))
    return ItemFiles(items=[file_view(row) for row in found])


@route(
    "PUT",
    "/items/{item}/files/{file}",
    Spec(
        role=Role.OPERATOR,
        summary="Attach a file to an item",
        about="The body is the file; one of that name makes room. With `fence` by whoever holds the item (409 "
        "`lease_lost` when that is over), without it while nobody does.",
        upload=_BYTES,
        bots=True,
    ),
)
async def attach(call: Call[Nothing, Attaching]) -> Sent[ItemFile]:
    """What the item has now under that name."""
    caller, item_id, name, asked = call.caller, call.path("item"), call.path("file"), call.query
    if not await call.is_answered():  # else the lease may be over since, and what was done is done
        # Before the bytes come, so that nobody sends a gigabyte for a refusal; and once more with them.
        await call.hub.store.write(item_files.check, caller, item_id, name, asked.fence)
    async with body_in_file(call, "file", FILE_MAX_BYTES) as body:
        blob = await _kept(call, body, asked.sha256)
    return await call.about(body.sha256).write(
        lambda tx: item_files.attach(tx, caller, item_id, name, blob, asked.fence), file_view
    )


@route(
    "GET",
    "/items/{item}/files/{file}",
    Spec(
        role=Role.VIEWER,
        summary="Download an item's file",
        about="Understands `Range: bytes=`. `ETag` is the sha256.",
        media=_BYTES,
        streams=True,
        bots=True,
    ),
)
async def download(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """All bytes, or a range of them."""
    workspace_id = call.caller.workspace_id
    row = await call.read(lambda tx: item_files.show(tx, workspace_id, call.path("item"), call.path("file")))
    return await send(call, row.name, row.sha256, row.size_bytes)


@route("DELETE", "/items/{item}/files/{file}", Spec(role=Role.OPERATOR, summary="Take a file from an item"))
async def remove(call: Call[Nothing, Nothing]) -> Sent[ItemFile]:
    """What it was."""
    return await call.write(
        lambda tx: item_files.remove(tx, call.caller, call.path("item"), call.path("file")), file_view
    )


ROUTES: tuple[Route, ...] = (store, listing, attach, download, remove)


async def _kept(call: Call[Nothing, Bytes] | Call[Nothing, Attaching], body: InFile, said: str | None) -> Blob:
    """The bytes in the store, durable. Raises Refused (422) when they are others than was said."""
    if said is not None and not hmac.compare_digest(said, body.sha256):
        fault = Fault(field="sha256", message=f"the bytes have {body.sha256}", remedy="send them again")
        raise Refused(422, "other_digest", "Other bytes came than were announced.", [fault])
    blob = await asyncio.to_thread(call.hub.blobs.take, body.path, body.sha256)
    if blob is None:
        raise Refused(503, "other_digest", "The bytes changed on the hub's disk. Send them again.")
    return blob
