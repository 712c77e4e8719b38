"""An execution's files, brought to the hub at its end in every case, also after a kill (`bot-packages.md` §6).

Found without following links, hashed, sent by digest with the session's ticket, tried again until the hub has them; a
file is then a fact. What is left out is named with its reason: nothing is dropped in silence (G5).
"""

import asyncio
import hashlib
import logging
import mimetypes
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol

from agent.bot_files import NOT_REGULAR, is_folder_inside, open_inside
from agent.execution_events import ArtifactStored
from agent.gateway_port import Forward
from agent.wire.facts import ArtifactFact
from agent.wire.uploads import ARTIFACT_MAX_BYTES, ARTIFACTS_MAX, EXECUTION_HEADER, artifact_path

if TYPE_CHECKING:
    import aiohttp

    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
_PIECE_BYTES = 256 * 1024
_CONNECT_S = 10.0
_SILENCE_S = 60.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_LEFT_OUT_MAX = 200
_LEFT_OUT_TEXT = 300
_STORED = frozenset({200, 201, 204})
_REFUSED_FOR_GOOD = frozenset({400, 403, 404, 413, 415, 422})
_GONE_TICKET = 401
NOT_A_FOLDER = "not a folder of the execution"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """One file that a bot left behind; ``name`` is relative to its folder, with ``/``."""

    name: str
    root: Path
    path: Path
    size_bytes: int

    def open(self) -> BinaryIO:
        """Open it, unless it has become something else meanwhile. Raises OSError."""
        return open_inside(self.root, self.path)


class Uplinked(Protocol):
    """Where a session's ticket comes from."""

    async def wait_forward(self, not_epoch: int = 0) -> Forward:
        """Wait until a session is open."""
        ...


def find_files(root: Path, folders: Sequence[Path]) -> tuple[list[FoundFile], list[str]]:
    """Regular files below `folders`, which lie below `root`, by name; and what is left out, with the reason.

    Blocks. No link is followed on the way, the folders themselves included (S38).
    """
    found: list[FoundFile] = []
    left_out: list[str] = []
    for folder in folders:
        for file in _walk(root, folder):
            if isinstance(file, str):
                left_out.append(file)
            elif file.size_bytes > ARTIFACT_MAX_BYTES:
                left_out.append(f"{file.name}: larger than {ARTIFACT_MAX_BYTES} bytes")
            elif len(found) >= ARTIFACTS_MAX:
                left_out.append(f"{file.name}: more than {ARTIFACTS_MAX} files")
            else:
                found.append(file)
            if len(left_out) > _LEFT_OUT_MAX:
                return found, left_out
    return found, left_out


def _walk(root: Path, folder: Path) -> Iterator[FoundFile | str]:
    """Files, and for what is none a text that says so."""
    if not is_folder_inside(root, folder):
        if os.path.lexists(folder):
            yield f"{folder.name}: {NOT_A_FOLDER}"
        return
    unread: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=unread.append, followlinks=False):
        folders.sort()
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(parent, name)
            shown = _shown(path, folder)
            try:
                found = path.lstat()
            except OSError as error:
                yield f"{shown}: {error.strerror}"
                continue
            if stat.S_ISREG(found.st_mode):
                yield FoundFile(name=shown, root=root, path=path, size_bytes=found.st_size)
            else:
                yield f"{shown}: {NOT_REGULAR}"
    yield from (f"{_shown(Path(one.filename), folder)}: {one.strerror}" for one in unread)


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix().encode("utf-8", "replace").decode()


class Collector:
    """Brings the files of ended executions to the hub."""

    def __init__(self, uplink: Uplinked) -> None:
        self._uplink = uplink
        self._http: aiohttp.ClientSession | None = None

    async def collect(self, keeper: "Keeper") -> tuple[str, ...]:
        """Deliver what is there, each as a fact; return what was left out. Waits for the hub as long as it takes."""
        folders = [Path(folder) for folder in keeper.order.artifacts]
        files, left_out = await asyncio.to_thread(find_files, keeper.folder, folders)
        for file in files:
            if file.name in keeper.stored_artifacts:
                continue
            problem = await self._bring(keeper, file)
            if problem:
                log.warning("%s: artifact %s left out: %s", keeper.execution_id, file.name, problem)
                left_out.append(f"{file.name}: {problem}")
        # They travel in one fact: bounded in number and length.
        return tuple(keeper.mask(text)[:_LEFT_OUT_TEXT] for text in left_out[:_LEFT_OUT_MAX])

    async def close(self) -> None:
        """Drop connections."""
        if self._http is not None:
            await self._http.close()

    async def _bring(self, keeper: "Keeper", file: FoundFile) -> str:
        try:
            digest = await asyncio.to_thread(_sha256, file)
        except OSError as error:
            return error.strerror or "cannot be read"
        problem = await self._deliver(keeper.execution_id, file, digest)
        if not problem:
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            fact = ArtifactFact(
                at=keeper.house.clock.now(),
                name=keeper.mask(file.name),
                sha256=digest,
                size_bytes=file.size_bytes,
                content_type=kind,
            )
            await keeper.do(ArtifactStored(artifact=fact))
            keeper.stored_artifacts.add(file.name)
        return problem

    async def _deliver(self, execution_id: str, file: FoundFile, digest: str) -> str:
        """Send until the hub has it; an empty text, or why it never will."""
        pause_s, dead_epoch = _FIRST_PAUSE_S, 0
        while True:
            way = await self._uplink.wait_forward(dead_epoch)
            try:
                content = file.open()
            except OSError as error:
                return error.strerror or "cannot be read"
            with content:
                status = await self._try(way, execution_id, content, digest)
            if status in _STORED:
                return ""
            if status in _REFUSED_FOR_GOOD:
                return f"the hub refused it ({status})"
            dead_epoch = way.epoch if status == _GONE_TICKET else 0
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _try(self, way: Forward, execution_id: str, content: IO[bytes], digest: str) -> int:
        """One attempt: the hub's status, 0 where it did not answer."""
        import aiohttp

        try:
            return await self._send(way, execution_id, content, digest)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("%s: artifact not sent yet: %s", execution_id, str(error) or type(error).__name__)
            return 0

    async def _send(self, way: Forward, execution_id: str, content: IO[bytes], digest: str) -> int:
        import aiohttp

        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
            self._http = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        url = way.base_url + artifact_path(digest)
        headers = {"Authorization": f"Bearer {way.ticket}", EXECUTION_HEADER: execution_id}
        tls = way.ssl_context if way.ssl_context is not None else True
        async with self._http.head(url, headers=headers, ssl=tls, allow_redirects=False) as answer:
            if answer.status in _STORED or answer.status == _GONE_TICKET:
                return answer.status
        async with self._http.put(url, data=content, headers=headers, ssl=tls, allow_redirects=False) as answer:
            return answer.status


def _sha256(file: FoundFile) -> str:
    digest = hashlib.sha256()
    with file.open() as content:
        while piece := content.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
