"""Files of builds by content: `files/<sha256>`, fetched once, however many builds hold them.

| moment | on the disk |
|---|---|
| while it is fetched | `files/incoming/<sha256>`: a part, gone on with by range after a cut or a restart |
| fetched, size and sha256 right | synced, read-only, renamed to `files/<sha256>`, folder synced |
| anything wrong with it | the part is removed, and fetched anew once |

So what has its final name is whole (R53). Whoever uses it checks it again: disks rot (`tree.py`).
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agent.builds.errors import HubUnreachableError, PreparationError
from agent.builds.hub_files import HubFiles
from agent.ports.files import AppendFile, Disk
from agent.wire.builds import ManifestFile, file_path

AT_ONCE = 4
"""Files fetched side by side; memory is one piece each."""

TRIES = 5
"""Cuts in a row, without a byte between them, after which one fetch gives up."""

_FIRST_PAUSE_S = 0.2
_READ_BYTES = 1024 * 1024


class FileStore:
    """The files of this home. One daemon uses it; two fetches of one file at once do not happen in it."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._disk = disk

    def path(self, sha256: str) -> Path:
        """Where a file is, or would be."""
        return self._root / sha256

    def has(self, file: ManifestFile) -> bool:
        """Whether a file is here with its length; its content was checked when it came."""
        try:
            return self.path(file.sha256).stat().st_size == file.size
        except FileNotFoundError:
            return False

    def remove(self, sha256: str) -> None:
        """Forget a file that was found damaged, so that it is fetched again."""
        self.path(sha256).unlink(missing_ok=True)

    async def fetch(
        self, digest: str, wanted: Iterable[ManifestFile], hub: HubFiles, on_bytes: Callable[[int], None]
    ) -> None:
        """Fetch the files of a build that are not here. `on_bytes` is told how many more bytes are here.

        Raises HubUnreachableError, GoneAtHubError, PreparationError; what was fetched stays.
        """
        self._disk.make_folder(self._incoming)
        missing = {file.sha256: file for file in wanted if not self.has(file)}
        rest = iter(missing.values())
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(min(AT_ONCE, len(missing))):
                    group.create_task(self._fetch_each(digest, rest, hub, on_bytes), name=f"fetch {number}")
        except ExceptionGroup as failures:
            # The first one says it; the others were told to stop or met the same hub.
            raise failures.exceptions[0] from None

    async def _fetch_each(
        self, digest: str, rest: Iterator[ManifestFile], hub: HubFiles, on_bytes: Callable[[int], None]
    ) -> None:
        for file in rest:
            await self._fetch(digest, file, hub)
            on_bytes(file.size)

    async def _fetch(self, digest: str, file: ManifestFile, hub: HubFiles) -> None:
        part = self._incoming / file.sha256
        for _ in range(2):
            if await self._complete(digest, file, part, hub):
                await asyncio.to_thread(self._keep, part, file.sha256)
                return
            part.unlink(missing_ok=True)
        raise PreparationError(f"{file.path} arrived damaged twice (sha256 differs)", is_permanent=False)

    async def _complete(self, digest: str, file: ManifestFile, part: Path, hub: HubFiles) -> bool:
        """Bring the part to its full length, over any number of cuts; tell whether its sha256 is right."""
        opened = await self._open(part)
        try:
            await _append_all(opened, hub, file_path(digest, file.sha256), file.size)
            await asyncio.to_thread(opened.sync)
            return opened.size == file.size and await asyncio.to_thread(sha256_of, part) == file.sha256
        finally:
            opened.close()

    async def _open(self, part: Path) -> AppendFile:
        opening = asyncio.get_running_loop().run_in_executor(None, self._disk.open_append, part)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on; what it opens is nobody's then.
            opening.add_done_callback(_close_opened)
            raise

    def _keep(self, part: Path, sha256: str) -> None:
        final = self.path(sha256)
        part.replace(final)
        # Not before: a part that a crash left read-only could not be gone on with.
        final.chmod(0o444)
        self._disk.sync_folder(self._root)


def _close_opened(opening: asyncio.Future[AppendFile]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def sha256_of(path: Path) -> str:
    """The digest of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


async def _append_all(opened: AppendFile, hub: HubFiles, path: str, size: int) -> None:
    idle_tries = 0
    while opened.size < size:
        before = opened.size
        try:
            await _append(opened, hub, path, size)
        except HubUnreachableError:
            idle_tries = 0 if opened.size > before else idle_tries + 1
            if idle_tries >= TRIES:
                raise
            await asyncio.sleep(_FIRST_PAUSE_S * 2**idle_tries)


async def _append(opened: AppendFile, hub: HubFiles, path: str, size: int) -> None:
    before = opened.size
    async for piece in hub.download(path, opened.size):
        if opened.size + len(piece) > size:
            raise PreparationError("the hub sent more than the manifest says", is_permanent=False)
        opened.write(piece)
    if opened.size == before:
        raise HubUnreachableError("it sent nothing")
