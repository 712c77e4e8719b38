"""Artifacts that runners bring: ``HEAD`` and ``PUT /runner/v1/artifacts/{sha256}`` (`agent/wire/uploads.py`).

An upload may go on where it broke off: ``Content-Range: bytes 4096-8191/8192`` continues a file of which the hub has
4096 bytes, which is what ``Upload-Offset`` of a HEAD or of a 409 says. Without the header it begins anew.

A draft is `uploads/<workspace>/<sha256>`, of which a crash leaves what had reached the disk: the digest at the end
decides (R56). Drafts that nobody has gone on with for a day are swept, as is everything else that an earlier hub left
in the folder.
"""

import asyncio
import errno
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from agent.ports import Clock, Disk
from agent.wire.uploads import ARTIFACT_MAX_BYTES
from hub.errors import Conflict, Invalid, Unavailable
from hub.storage.blobs import READ_BYTES, Blob, Blobs

SILENCE_S = 30.0
"""An upload without a byte for this long is given up: its runner begins again where it broke off."""
ORPHAN_S = 24 * 3600.0
"""A draft of this age that nobody has gone on with is removed: its runner would have to begin anew."""
SWEEP_EVERY_S = 3600.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})\Z")

log = logging.getLogger(__name__)


class TooLarge(Invalid):
    """The file is larger than an artifact may be (413)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Where a request's bytes belong; `total` None: they are the whole file."""

    start: int = 0
    total: int | None = None


class Uploads:
    """Files under way, one draft per workspace and digest. Blocking work goes to threads."""

    def __init__(self, folder: Path, disk: Disk, clock: Clock, blobs: Blobs) -> None:
        """Made before the hub listens: what an earlier one left in `folder` is swept."""
        self._folder = folder
        self._disk = disk
        self._clock = clock
        self._blobs = blobs
        self._busy: set[Path] = set()
        self._sweep_at = clock.monotonic()
        self._clear()
        self._sweep_when_due()

    def offset(self, workspace_id: str, sha256: str) -> int:
        """Bytes that are here of an unfinished upload. Blocks."""
        self._sweep_when_due()
        draft = self._draft(workspace_id, sha256)
        try:
            return draft.stat().st_size
        except FileNotFoundError:
            return 0

    async def take(self, workspace_id: str, sha256: str, part: Part, request: web.Request) -> Blob | None:
        """Append a request's body; the blob once the file is whole and its digest right, None before.

        Raises Conflict (`upload_offset`) where the part does not begin at the offset, Invalid for another digest,
        TimeoutError when no more bytes come, Unavailable while the disk is full: what came is kept.
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
        except OSError as error:
            if error.errno not in _FULL:
                raise
            log.error("the disk is full: artifact %s waits at its runner", sha256[:12])  # noqa: TRY400
            raise Unavailable("disk_full", "The hub's disk is full. The runner will try again.") from None
        finally:
            self._busy.discard(draft)

    def sweep(self) -> list[Path]:
        """Remove drafts that nobody has gone on with for a day; what was removed. Blocks."""
        before = self._clock.now().timestamp() - ORPHAN_S
        drafts = [path for folder in self._folder.glob("wsp_*") for path in folder.iterdir()]
        old = [path for path in drafts if path not in self._busy and path.lstat().st_mtime < before]
        for path in old:
            path.unlink(missing_ok=True)
        return old

    def _sweep_when_due(self) -> None:
        """Once an hour, when somebody comes by: there is nothing to sweep where nobody does."""
        now = self._clock.monotonic()
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_EVERY_S
        try:
            self.sweep()
        except OSError as error:
            log.warning("half uploads could not be swept: %s", error)

    def _clear(self) -> None:
        """Remove packages that were on their way to an earlier hub (`hub/api/uploads.py`): nobody goes on with them."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith("wsp_"):
                self._disk.remove_tree(folder)

    async def _append(self, draft: Path, part: Part, request: web.Request) -> int:
        await asyncio.to_thread(self._disk.make_folder, draft.parent)
        file = await asyncio.to_thread(self._disk.open_append, draft)
        try:
            if part.start > file.size:
                raise Conflict("upload_offset", "The part begins behind what is here.", {"offset": file.size})
            file.truncate(part.start)
            while piece := await _piece(request):
                if file.size + len(piece) > min(part.total or ARTIFACT_MAX_BYTES, ARTIFACT_MAX_BYTES):
                    raise TooLarge("too_large", f"A file has at most {ARTIFACT_MAX_BYTES} bytes.")
                await asyncio.to_thread(file.write, piece)
            return file.size
        finally:
            file.close()

    def _finish(self, draft: Path, sha256: str) -> Blob:
        blob = self._blobs.take(draft, sha256)
        if blob is None:
            raise Invalid("other_digest", "The bytes have another sha256 than the address says.")
        return blob

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
    if total > ARTIFACT_MAX_BYTES:
        raise TooLarge("too_large", f"A file has at most {ARTIFACT_MAX_BYTES} bytes.")
    return Part(start=start, total=total)


async def _piece(request: web.Request) -> bytes:
    """What has come of the body, at most a piece; empty at its end. Raises TimeoutError when nothing comes."""
    async with asyncio.timeout(SILENCE_S):
        return await request.content.read(READ_BYTES)
