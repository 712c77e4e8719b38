"""Deploying: an uploaded package becomes a stored, recognised build; then its requirements are resolved.

`Deployments.deploy` answers as soon as the build is written down. `ResolverLoop` does the rest, also for builds that a
hub which died in the middle left behind.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from agent.ports.clock import Clock
from agent.wire.builds import read_manifest
from hub.domain.access import Caller
from hub.domain.automation import label_name_faults
from hub.domain.package_names import check_bot_name, check_version, default_bot, default_version
from hub.domain.package_options import PackageOptions
from hub.domain.packages import PackageError, Recognised, recognise
from hub.domain.python_versions import PythonChoice
from hub.domain.requirements import LockFile, Requirements
from hub.domain.unpacking import ArchiveError
from hub.errors import Invalid
from hub.services import builds
from hub.services.builds import NewBuild, Received
from hub.services.packages import Unpacked, load, open_archive, unpack
from hub.services.packages.wheels import Wheels, wheels_of
from hub.services.resolve import Locked, NotHere, OwnWheels, RequirementResolver, Resolution, Unresolvable
from hub.storage import builds as rows
from hub.storage.blobs import BlobGone, Blobs
from hub.storage.builds import BuildRow
from hub.storage.store import Store, StoreUnavailable

SWEEP_S = 30.0
_AT_ONCE = 2
_BATCH = 20
_SLICE = 500

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A package on the hub's disk, and what its sender called it."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the sender of a package says about it; None where the rules of design.md §1 shall decide."""

    bot: str | None = None
    version: str | None = None
    is_label: bool = False
    """The bot's name becomes the label of an automation too: refused, before anything is kept, when it can't be one."""
    options: PackageOptions = field(default_factory=PackageOptions)


class Deployments:
    """Takes packages in."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, resolver: "ResolverLoop") -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._resolver = resolver
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def deploy(self, caller: Caller, upload: Upload, wish: Wish) -> Received:
        """Unpack, recognise and write down a package; requirements are resolved after this answers.

        Raises Invalid (the package or an option), Conflict (the version is another build's). The upload's file is the
        caller's to remove.
        """
        async with self._room:
            unpacked = await asyncio.to_thread(_unpack, upload, self._blobs)
        new = _new_build(unpacked, upload, wish, self._clock.now().date())
        await self._own(caller.workspace_id, unpacked)
        received = await self._store.write(builds.receive, caller, new)
        self._resolver.wake()
        return received

    async def _own(self, workspace_id: str, unpacked: Unpacked) -> None:
        """Stage the build's blobs in slices (core.md §5); they say nothing until `receive` names the build."""
        manifest = unpacked.manifest
        sizes = {file.sha256: file.size for file in manifest.files}
        owned = sorted((sizes | {unpacked.digest: len(manifest.canonical())}).items())
        for first in range(0, len(owned), _SLICE):
            await self._store.write(builds.own_blobs, workspace_id, dict(owned[first : first + _SLICE]))


class ResolverLoop:
    """Resolves the requirements of received builds, a few at a time."""

    def __init__(self, store: Store, blobs: Blobs, resolver: RequirementResolver) -> None:
        self._store = store
        self._blobs = blobs
        self._resolver = resolver
        self._bell = asyncio.Event()

    def wake(self) -> None:
        """Look at once whether there is something to resolve."""
        self._bell.set()

    async def run(self) -> None:
        """Work until cancelled; at its start also on what an earlier hub left unfinished."""
        while True:
            self._bell.clear()
            try:
                await self.resolve_waiting()
            except StoreUnavailable as error:
                _log.warning("builds wait to be resolved: %s", error)
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._bell.wait()
            except TimeoutError:
                continue

    async def resolve_waiting(self) -> None:
        """Resolve every build that waits for the hub now."""
        waiting = await self._store.read(rows.unresolved, _BATCH)
        for first in range(0, len(waiting), _AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for build in waiting[first : first + _AT_ONCE]:
                    group.create_task(self._resolve(build), name=f"resolve {build.id}")
        if len(waiting) == _BATCH:
            self.wake()

    async def _resolve(self, build: BuildRow) -> None:
        if not await self._store.write(builds.begin_resolving, build.workspace_id, build.id):
            return
        try:
            recognised = await asyncio.to_thread(recognised_build, build, self._blobs)
        except (BlobGone, ValueError) as error:
            # Lost files, or a package that this version of the hub no longer takes: other builds must not wait for it.
            await self._store.write(builds.reject, build.workspace_id, build.id, f"it can't be read any more: {error}")
            return
        if recognised.requirements is None or recognised.python is None:
            await self._store.write(builds.reject, build.workspace_id, build.id, "it has no requirements to resolve")
            return
        try:
            found = await self._resolved(build, recognised.requirements, recognised.python)
        except BlobGone as error:
            await self._store.write(builds.reject, build.workspace_id, build.id, f"it can't be read any more: {error}")
            return
        match found:
            case Locked(text=text):
                lock = await asyncio.to_thread(self._blobs.add, [text.encode()])
                await self._store.write(builds.finish_resolving, build.workspace_id, build.id, lock)
            case NotHere(why=why):
                await self._store.write(builds.leave_to_runner, build.workspace_id, build.id, why)
            case Unresolvable(problem=problem):
                await self._store.write(builds.reject, build.workspace_id, build.id, problem)

    async def _resolved(self, build: BuildRow, wanted: Requirements | LockFile, python: PythonChoice) -> Resolution:
        if isinstance(wanted, LockFile):
            return await self._resolver.export(wanted)
        wheels = await asyncio.to_thread(_own_wheels, build.digest, self._blobs)
        if wheels is None and not wanted.no_index:
            return await self._resolver.resolve(wanted.text(), python.floor)
        own = OwnWheels(wheels=wheels, no_index=wanted.no_index)
        return await self._resolver.resolve(wanted.text(), python.floor, own)


def recognised_build(build: BuildRow, blobs: Blobs) -> Recognised:
    """A stored build as it was recognised when it was deployed. Blocks. Raises BlobGone, ValueError (PackageError)."""
    launch = builds.launch_of(build)
    said = PackageOptions(
        kind=launch.kind, entry=launch.entry or None, command=launch.command or None, python=launch.python or None
    )
    return recognise(load(build.digest, blobs).package, said)


def _own_wheels(digest: str, blobs: Blobs) -> Wheels | None:
    return wheels_of(read_manifest(b"".join(blobs.read(digest)), digest), blobs)


def _unpack(upload: Upload, blobs: Blobs) -> Unpacked:
    try:
        return unpack(open_archive(upload.path, upload.name), blobs)
    except ArchiveError as error:
        raise Invalid(error.code, str(error)) from None


def _new_build(unpacked: Unpacked, upload: Upload, wish: Wish, today: date) -> NewBuild:
    try:
        recognised = recognise(unpacked.package, wish.options)
        bot = check_bot_name(wish.bot or default_bot(upload.name))
        faults = label_name_faults(bot) if wish.is_label else []
        version = check_version(wish.version or default_version(unpacked.package, unpacked.digest, today))
    except PackageError as error:
        raise Invalid(error.code, str(error), {"looked_for": list(error.looked_for)}) from None
    if faults:
        text = f"bot {bot!r} can't name its automation too ({faults[0].remedy}); name it with --bot"
        raise Invalid("label", text, {"errors": [one.as_json() for one in faults]})
    manifest = unpacked.manifest
    return NewBuild(
        bot=bot,
        version=version,
        digest=unpacked.digest,
        file_count=len(manifest.files),
        size_bytes=manifest.total_bytes,
        recognised=recognised,
    )
