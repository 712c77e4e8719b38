"""What runners fetch of builds, and the one thing they bring: each answer is authorised by a query (S8, S35).

A runner gets what belongs to a build of its own workspace and nothing else; whoever guesses a digest of another one
learns as much as from a wrong guess.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator

from agent.wire.builds import LOCK_MAX_BYTES, read_manifest
from hub.domain.requirements import LockFile, Requirements
from hub.errors import Conflict, Invalid, NotFound
from hub.services import builds
from hub.services.deployments import recognised_build
from hub.storage import builds as rows
from hub.storage.blobs import READ_BYTES, Blob, BlobGone, Blobs
from hub.storage.builds import BuildRow
from hub.storage.store import Store

_MANIFESTS_KEPT = 64


class BuildFiles:
    """The runners' view of the builds of one hub."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self._contents: OrderedDict[str, frozenset[str]] = OrderedDict()

    async def manifest(self, workspace_id: str, digest: str) -> bytes:
        """A build's manifest, canonical. Raises NotFound (`no_build`, `build_gone`)."""
        await self._known(workspace_id, digest)
        return await self._whole(digest)

    async def file(self, workspace_id: str, digest: str, sha256: str) -> Blob:
        """The size of one file of a build; `read` gives its bytes. Raises NotFound."""
        await self._known(workspace_id, digest)
        if sha256 not in await self._files_of(digest):
            raise NotFound("no_file", "The build has no such file.")
        size = await asyncio.to_thread(self._blobs.size, sha256)
        if size is None:
            raise _gone(sha256)
        return Blob(sha256=sha256, size_bytes=size)

    async def read(self, blob: Blob, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Bytes of a blob that `file` named, in pieces of 256 KiB. Raises NotFound when it vanished meanwhile."""
        end = blob.size_bytes if length is None else min(blob.size_bytes, start + length)
        while start < end:
            piece = await self._whole(blob.sha256, start, min(READ_BYTES, end - start))
            if not piece:
                raise _gone(blob.sha256)
            start += len(piece)
            yield piece

    async def lock(self, workspace_id: str, build_id: str) -> bytes:
        """The resolved list of a build. Raises NotFound where there is none."""
        build = await self._store.read(builds.show, workspace_id, build_id)
        if build.lock_digest is None:
            raise NotFound("no_lock", f"Build {build_id} has no resolved list.")
        return await self._whole(build.lock_digest)

    async def requirements(self, workspace_id: str, build_id: str) -> str:
        """What a runner should resolve for a build: one requirement a line. Raises NotFound, Invalid."""
        build = await self._store.read(builds.show, workspace_id, build_id)
        recognised = await self._recognised(build)
        return recognised.text() if recognised else ""

    async def accept_lock(self, workspace_id: str, runner_id: str, build_id: str, text: bytes) -> bool:
        """Take the list that a runner resolved; False when another one was first, which then counts.

        Raises Invalid for what can't be this build's list, Conflict when none is wanted.
        """
        if len(text) > LOCK_MAX_BYTES:
            raise Invalid("bad_lock", f"The list has {len(text)} bytes, {LOCK_MAX_BYTES} are allowed.")
        build = await self._store.read(builds.show, workspace_id, build_id)
        wanted = await self._recognised(build)
        builds.check_runner_lock(build, wanted.names if wanted else frozenset(), text.decode(errors="replace"))
        blob = await asyncio.to_thread(self._blobs.add, [text])
        return await self._store.write(builds.accept_runner_lock, workspace_id, runner_id, build_id, blob)

    async def _known(self, workspace_id: str, digest: str) -> None:
        if not await self._store.read(rows.builds_of_digest, workspace_id, digest):
            raise NotFound("no_build", "There is no such build here.")

    async def _recognised(self, build: BuildRow) -> Requirements | None:
        try:
            wanted = (await asyncio.to_thread(recognised_build, build, self._blobs)).requirements
        except BlobGone as error:
            raise _gone(error.sha256) from None
        except ValueError as error:
            raise Invalid("build_unreadable", f"This hub can't read the build any more: {error}") from None
        if isinstance(wanted, LockFile):
            raise Conflict("lock_not_wanted", f"Build {build.id} brings its own lock ({wanted.path}).")
        return wanted

    async def _files_of(self, digest: str) -> frozenset[str]:
        known = self._contents.get(digest)
        if known is None:
            manifest = read_manifest(await self._whole(digest), digest)
            known = frozenset(file.sha256 for file in manifest.files)
            self._contents[digest] = known
            while len(self._contents) > _MANIFESTS_KEPT:
                self._contents.popitem(last=False)
        return known

    async def _whole(self, sha256: str, start: int = 0, length: int | None = None) -> bytes:
        try:
            return await asyncio.to_thread(lambda: b"".join(self._blobs.read(sha256, start, length)))
        except BlobGone:
            raise _gone(sha256) from None


def _gone(sha256: str) -> NotFound:
    return NotFound("build_gone", f"The hub has lost a file of this build ({sha256[:12]}). Deploy the build again.")
