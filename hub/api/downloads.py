"""Stored files on their way out: as attachments of no type that a browser would open (S29), whole or a range."""

import asyncio
from typing import Any
from urllib.parse import quote

from aiohttp import web

from hub.api.byte_range import byte_range
from hub.api.call import Call
from hub.errors import NotFound
from hub.storage.blobs import READ_BYTES, BlobGone, Blobs

PRIVATE = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


async def send(call: Call[Any, Any], name: str, sha256: str, size_bytes: int) -> web.StreamResponse:
    """A blob under a name; understands `Range: bytes=`. Raises NotFound when the store has lost its bytes."""
    start, end, status = byte_range(call.request.headers.get("Range"), size_bytes)
    headers = {
        **PRIVATE,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": _attachment(name),
        "Content-Length": str(end - start),
        "Accept-Ranges": "bytes",
        "ETag": f'"{sha256}"',
    }
    if status == web.HTTPPartialContent.status_code:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    blobs = call.hub.blobs
    first = await piece(blobs, name, sha256, start, min(READ_BYTES, end - start))
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(call.request)
    while start < end and first:
        await response.write(first)
        start += len(first)
        first = await piece(blobs, name, sha256, start, min(READ_BYTES, end - start))
    await response.write_eof()
    return response


async def piece(blobs: Blobs, name: str, sha256: str, start: int, length: int) -> bytes:
    """Bytes of a file. Raises NotFound when the store has lost them."""
    try:
        return await asyncio.to_thread(lambda: b"".join(blobs.read(sha256, start, length)))
    except BlobGone:
        text = f"The hub has lost the bytes of {name!r} ({sha256[:12]}); restore its data folder."
        raise NotFound("artifact_gone", text) from None


def _attachment(name: str) -> str:
    """A header that saves under the file's last name, whatever characters the bot chose (RFC 6266)."""
    last = name.rpartition("/")[2] or "artifact"
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._- ") else "_" for char in last)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"
