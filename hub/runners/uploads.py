"""Artifacts that runners bring: ``HEAD`` and ``PUT /runner/v1/artifacts/{sha256}`` (`agent/wire/uploads.py`).

An upload may go on where it broke off: ``Content-Range: bytes 4096-8191/8192`` continues a file of which the hub has
4096 bytes, which is what ``Upload-Offset`` of a HEAD or of a 409 says. Without the header it begins anew.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from agent.ports import Disk
from agent.wire.uploads import ARTIFACT_MAX_BYTES
from hub.errors import Conflict, Invalid
from hub.storage.blobs import READ_BYTES, Blob, Blobs

OFFSET_HEADER = "Upload-Offset"
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")


class TooLarge(Invalid):
    """The file is larger than an artifact may be (413)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Where a request's bytes belong; `total` None: they are the whole file."""

    start: int = 0
    total: int | None = None


class Uploads:
    """Files under way, one draft per workspace and digest. Blocking work goes to threads."""

    def __init__(self, folder: Path, disk: Disk, blobs: Blobs) -> None:
        self._folder = folder
        self._disk = disk
        self._blobs = blobs
        self._busy: set[Path] = set()

    def offset(self, workspace_id: str, sha256: str) -> int:
        """Bytes that are here of an unfinished upload."""
        draft = self._draft(workspace_id, sha256)
        return draft.stat().st_size if draft.exists() else 0

    async def take(self, workspace_id: str, sha256: str, part: Part, request: web.Request) -> Blob | None:
        """Append a request's body; the blob once the file is whole and its digest right, None before.

        Raises Conflict (`upload_offset`) where the part does not begin at the offset, Invalid for another digest.
        """
        draft = self._draft(workspace_id, sha256)
        if draft in self._busy:
            raise Conflict("upload_busy", "This file is being uploaded already.")
        self._busy.add(draft)
        try:
            size = await self._append(draft, part, request)
            if part.total is not None and size < part.total:
                return None
            return await asyncio.to_thread(self._finish, draft, sha256)
        finally:
            self._busy.discard(draft)

    async def _append(self, draft: Path, part: Part, request: web.Request) -> int:
        await asyncio.to_thread(self._disk.make_folder, draft.parent)
        file = await asyncio.to_thread(self._disk.open_append, draft)
        try:
            if part.start > file.size:
                raise Conflict("upload_offset", "The part begins behind what is here.", {"offset": file.size})
            file.truncate(part.start)
            async for piece in request.content.iter_chunked(READ_BYTES):
                if file.size + len(piece) > min(part.total or ARTIFACT_MAX_BYTES, ARTIFACT_MAX_BYTES):
                    raise TooLarge("too_large", f"A file has at most {ARTIFACT_MAX_BYTES} bytes.")
                await asyncio.to_thread(file.write, piece)
            return file.size
        finally:
            file.close()

    def _finish(self, draft: Path, sha256: str) -> Blob:
        try:
            if _digest(draft) != sha256:
                raise Invalid("other_digest", "The bytes have another sha256 than the address says.")
            return self._blobs.add(_pieces(draft))
        finally:
            draft.unlink(missing_ok=True)

    def _draft(self, workspace_id: str, sha256: str) -> Path:
        return self._folder / workspace_id / sha256


def read_part(request: web.Request) -> Part:
    """Where a PUT's bytes belong. Raises Invalid for a Content-Range that can't be read."""
    header = request.headers.get("Content-Range")
    if header is None:
        return Part()
    found = _RANGE.match(header)
    if found is None:
        raise Invalid("bad_range", "Content-Range reads bytes FIRST-LAST/TOTAL.")
    start, last, total = (int(number) for number in found.groups())
    if not start <= last < total:
        raise Invalid("bad_range", "Content-Range reads bytes FIRST-LAST/TOTAL.")
    return Part(start=start, total=total)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece
