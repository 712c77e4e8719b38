"""Bringing an execution's files: at its end, when the hub asks while it runs, and when the bot hands one over.

One round at a time and execution: look, hash, deliver what the hub does not have in this version, make each a fact. A
round that a crash cut off is simply begun again: what is a fact already is skipped, what was half sent is gone on with.
"""

import asyncio
import logging
import mimetypes
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.artifacts.delivery import Delivered, Delivery, Uplinked, sha256_of
from agent.artifacts.walking import Found, FoundFile, find_files
from agent.execution import IllegalEventError, Phase
from agent.execution_events import ArtifactStored
from agent.ports.files import Disk
from agent.screens.pictures import GIVEN
from agent.spool import SpoolFullError
from agent.wire.facts import ArtifactFact
from agent.wire.paths import UnsafePathError, check_path

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
POSTED = "posted"
"""Folder of an execution with the files that the bot handed to the gateway; their names come before all others."""
AT_ONCE = 4
"""Files of one execution that are under way together: small ones wait for answers, not for the line."""
_TRIES = 3
_FULL_DISK_PAUSE_S = 1.0
_UNREADABLE = "cannot be read"


class BadArtifactNameError(ValueError):
    """No file can have this name; `str` says why."""


class Collector:
    """Brings the files of this home's executions to the hub."""

    def __init__(self, uplink: Uplinked) -> None:
        self._delivery = Delivery(uplink)

    async def collect(self, keeper: "Keeper") -> tuple[str, ...]:
        """Deliver what is there, each as a fact; return what was left out. Waits for the hub as long as it takes."""
        async with keeper.artifacts.turn:
            found = await self._round(keeper)
            for text in found.left_out.lines():
                log.warning("%s: artifact left out: %s", keeper.execution_id, text)
            return found.left_out.lines()

    def collect_now(self, keeper: "Keeper") -> None:
        """Deliver what a running bot has left so far, beside everything else; asked again meanwhile, once more."""
        if keeper.value.phase is not Phase.STARTED:
            return  # Its end brings them, or nothing ran.
        brought = keeper.artifacts
        if brought.turn.locked():
            brought.is_asked = True
            return
        keeper.spawn(self._collect_now(keeper), "collect")

    async def hand_over(self, keeper: "Keeper", draft: Path, name: str) -> None:
        """Take a finished file of a running bot, which may then go on: it is durable here and on its way to the hub.

        `draft` is moved; it lies on the home's file system. A name that came before is replaced.
        Raises BadArtifactNameError, OSError; then the draft is still there.
        """
        try:
            parts = check_path(name).split("/")
        except UnsafePathError as error:
            raise BadArtifactNameError(f"name: {error}; a relative path with / is wanted") from None
        posted = keeper.folder / POSTED
        await asyncio.to_thread(_keep, keeper.house.disk, draft, posted.joinpath(*parts))
        self.collect_now(keeper)

    async def close(self) -> None:
        """Drop connections."""
        await self._delivery.close()

    async def _collect_now(self, keeper: "Keeper") -> None:
        brought = keeper.artifacts
        async with brought.turn:
            again = True
            while again:
                brought.is_asked = False
                await self._round(keeper)
                again = brought.is_asked and keeper.value.phase is Phase.STARTED

    async def _round(self, keeper: "Keeper") -> Found:
        found = await asyncio.to_thread(find_files, keeper.folder, _folders(keeper), keeper.mask)
        rest = iter(found.files)
        async with asyncio.TaskGroup() as group:
            for number in range(min(AT_ONCE, len(found.files))):
                group.create_task(self._bring_each(keeper, rest, found), name=f"artifact {number}")
        return found

    async def _bring_each(self, keeper: "Keeper", rest: Iterator[FoundFile], found: Found) -> None:
        for file in rest:
            try:
                problem = await self._bring(keeper, file)
            except OSError as error:
                problem = error.strerror or _UNREADABLE
            if problem:
                found.left_out.add(f"{file.name}: {problem}")

    async def _bring(self, keeper: "Keeper", file: FoundFile) -> str:
        """Deliver one file in the version that is there; an empty text, or why not. Raises OSError."""
        for _ in range(_TRIES):
            digest = await asyncio.to_thread(sha256_of, file)
            if keeper.artifacts.stored.get(file.name) == digest:
                return ""
            delivered = await self._delivery.deliver(keeper.execution_id, file, digest)
            if delivered is Delivered.STORED:
                return await _note(keeper, file, digest)
            if isinstance(delivered, str):
                return delivered
            file = replace(file, size_bytes=(await asyncio.to_thread(file.path.lstat)).st_size)
        return "changes again and again while it is read"


def is_any_left(keeper: "Keeper") -> bool:
    """Whether anything lies where an execution's files are looked for. Blocks."""
    return any(_holds_anything(folder) for folder in _folders(keeper))


def _folders(keeper: "Keeper") -> list[Path]:
    return [keeper.folder / POSTED, keeper.folder / GIVEN, *(Path(folder) for folder in keeper.order.artifacts)]


def _holds_anything(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except OSError:
        return True  # What it is instead of a folder is said by a proper look.


async def _note(keeper: "Keeper", file: FoundFile, digest: str) -> str:
    fact = ArtifactFact(
        at=keeper.house.clock.now(),
        name=file.name,
        sha256=digest,
        size_bytes=file.size_bytes,
        content_type=mimetypes.guess_type(file.name)[0] or "application/octet-stream",
    )
    try:
        await _told(keeper, ArtifactStored(artifact=fact))
    except IllegalEventError:
        return "came after the last fact"
    keeper.artifacts.stored[file.name] = digest
    return ""


async def _told(keeper: "Keeper", event: ArtifactStored) -> None:
    """Make it a fact, however long the disk is full. Raises IllegalEventError."""
    while True:
        try:
            await keeper.do(event)
        except SpoolFullError:
            log.error("%s: the disk is full: %s waits", keeper.execution_id, event.artifact.name)  # noqa: TRY400
            await asyncio.sleep(_FULL_DISK_PAUSE_S)
        else:
            return


def _keep(disk: Disk, draft: Path, target: Path) -> None:
    """Make the draft's bytes durable under their name. Blocks."""
    disk.make_folder(target.parent)
    file = disk.open_append(draft)
    try:
        file.sync()
    finally:
        file.close()
    draft.replace(target)
    disk.sync_folder(target.parent)
