"""One build from "wanted" to "prepared": fetch, lay out, make the environment, write it down (core.md §1).

    fetching 0 … 0.5 ──> installing 0.5 … 1 ──> prepared
        └───────────────────┴──> failed (permanent: not tried again by itself)

What was made is remembered in `prepared/<build id>.json`, so that a start needs neither hub nor index nor a look for
Pythons: the environment that the build was prepared with is the one that it runs in.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agent.builds.environments import Environment, Environments
from agent.builds.errors import PreparationError
from agent.builds.hub_files import HubFiles, read_all
from agent.builds.installing import Source
from agent.builds.node import NodePackages
from agent.builds.platforms import needs_here
from agent.builds.programs import Programs
from agent.builds.store import FileStore
from agent.builds.tree import DamagedFileError, Trees
from agent.builds.uses import BUILD, ENVIRONMENT, NODE, named
from agent.ports.files import Disk
from agent.wire.builds import (
    LOCK_MAX_BYTES,
    MANIFEST_MAX_BYTES,
    Manifest,
    ManifestError,
    lock_path,
    manifest_path,
    read_manifest,
    wheels_in,
)
from agent.wire.messages import Preparation
from agent.wire.task import BuildReference, WireModel
from agent.wire.words import Kind, PreparationState

Tell = Callable[[Preparation], None]

_FETCHED = 0.5
_LAID_OUT = 0.6
_DAMAGED_TRIES = 3


class Prepared(WireModel):
    """What a build was prepared with; `environment` is None where it needs no Python, `node` no packages of Node."""

    reference: BuildReference
    environment: str | None = None
    node: str | None = None
    former: tuple[str, ...] = ()
    """Environments of earlier preparations: a bot that was started then may still stand on one."""

    def names(self) -> frozenset[str]:
        """What it stands on, as `Uses` and `room.Entry` name it."""
        environments = (*self.former, *((self.environment,) if self.environment else ()))
        found = {named(BUILD, self.reference.digest), *(named(ENVIRONMENT, key) for key in environments)}
        return frozenset(found | ({named(NODE, self.node)} if self.node else set()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What builds are started with, besides their own files."""

    environments: Environments
    node: NodePackages
    programs: Programs


class Preparer:
    """Prepares builds of this home, one call at a time."""

    def __init__(self, root: Path, disk: Disk, store: FileStore, trees: Trees, tools: Tools) -> None:
        """`root` keeps what was prepared."""
        self._root = root
        self._disk = disk
        self._store = store
        self._trees = trees
        self._environments = tools.environments
        self._node = tools.node
        self._programs = tools.programs

    async def prepare(self, build: BuildReference, hub: HubFiles, tell: Tell) -> Prepared:
        """Make everything that a start of this build needs. Raises PreparationError; what was made stays for next time.

        Nothing is fetched that is here, and nothing is asked of the hub when all is.
        """
        story = _Story(build, tell)
        await self._programs.check(build.launch, story.installing)
        await self._lay_out(build, hub, story)
        environment = await self._environment(build, hub, story)
        node = await self._packages_of_node(build, story)
        key = environment.key if environment else None
        prepared = Prepared(reference=build, environment=key, node=node, former=self._former(build.build_id, key))
        await asyncio.to_thread(self._write_down, prepared)
        return prepared

    def recorded(self, build_id: str) -> Prepared | None:
        """What a build was prepared with, whether it still stands or not. Blocks."""
        return self._read(self._root / f"{build_id}.json")

    def forget(self, build_id: str) -> None:
        """The build is going to be removed here. Blocks for one call of the kernel."""
        (self._root / f"{build_id}.json").unlink(missing_ok=True)

    def _former(self, build_id: str, key: str | None) -> tuple[str, ...]:
        before = self.recorded(build_id)
        known = (*before.former, before.environment) if before is not None else ()
        return tuple(one for one in dict.fromkeys(known) if one and one != key)

    def known(self) -> list[Prepared]:
        """Everything that was prepared by this or an earlier daemon and still stands. Blocks."""
        found = (self._read(path) for path in sorted(self._root.glob("bld_*.json")))
        return [prepared for prepared in found if prepared is not None and self.stands(prepared)]

    def stands(self, prepared: Prepared) -> bool:
        """Whether the tree and the environment of a prepared build are still there. Blocks."""
        if self._trees.manifest(prepared.reference.digest) is None:
            return False
        if prepared.node is not None and self._node.ready(prepared.node) is None:
            return False
        return prepared.environment is None or self._environments.ready(prepared.environment) is not None

    async def wheels(self, build: BuildReference, hub: HubFiles, tell: Tell) -> tuple[Path, ...]:
        """Folders of the build's own wheels, which are brought here where there are any. Raises PreparationError."""
        if await asyncio.to_thread(self._trees.manifest, build.digest) is None:
            manifest = await self._manifest(build.digest, hub)
            if not wheels_in(file.path for file in manifest.files):
                return ()
            await self._lay_out(build, hub, _Story(build, tell))
        return await asyncio.to_thread(self._trees.wheels, build.digest)

    async def _lay_out(self, build: BuildReference, hub: HubFiles, story: "_Story") -> None:
        if await asyncio.to_thread(self._trees.manifest, build.digest) is not None:
            return
        story.at(PreparationState.FETCHING, 0.0, "fetching files")
        manifest = await self._manifest(build.digest, hub)
        for _ in range(_DAMAGED_TRIES):
            await self._fetch(build.digest, manifest, hub, story)
            try:
                await asyncio.to_thread(self._trees.lay_out, manifest, build.digest)
            except DamagedFileError:
                continue
            except OSError as error:
                raise PreparationError(f"the build can't be laid out: {error}", is_permanent=False) from None
            story.at(PreparationState.INSTALLING, _LAID_OUT, "files are here")
            return
        raise PreparationError("files of the build are damaged again and again: check the disk", is_permanent=False)

    async def _fetch(self, digest: str, manifest: Manifest, hub: HubFiles, story: "_Story") -> None:
        missing = [file for file in manifest.files if not self._store.has(file)]
        total = sum(file.size for file in missing) or 1
        fetched = 0

        def on_bytes(count: int) -> None:
            nonlocal fetched
            fetched += count
            story.at(PreparationState.FETCHING, _FETCHED * fetched / total, "fetching files")

        try:
            await self._store.fetch(digest, missing, hub, on_bytes)
        except OSError as error:
            raise PreparationError(f"files can't be written: {error}", is_permanent=False) from None

    async def _manifest(self, digest: str, hub: HubFiles) -> Manifest:
        try:
            return read_manifest(await read_all(hub, manifest_path(digest), MANIFEST_MAX_BYTES), digest)
        except (ManifestError, ValueError) as error:
            raise PreparationError(f"the hub's manifest is not this build's: {error}", is_permanent=False) from None

    async def _environment(self, build: BuildReference, hub: HubFiles, story: "_Story") -> Environment | None:
        needs = needs_here(build.launch)
        if not needs.python:
            return None
        story.at(PreparationState.INSTALLING, _LAID_OUT, "preparing Python")
        lock = await self._lock(build, hub) if build.lock else None
        source = Source(
            tree=self._trees.path(build.digest),
            digest=build.digest,
            install=build.launch.install,
            run_once=needs.run_once,
            wheels=await asyncio.to_thread(self._trees.wheels, build.digest),
        )
        try:
            return await self._environments.ensure(needs.python, lock, story.installing, source)
        except OSError as error:
            raise PreparationError(f"the environment can't be written: {error}", is_permanent=False) from None

    async def _packages_of_node(self, build: BuildReference, story: "_Story") -> str | None:
        if build.launch.kind is not Kind.NODE:
            return None
        story.at(PreparationState.INSTALLING, _LAID_OUT, "preparing Node")
        try:
            return await self._node.ensure(self._trees.path(build.digest), build.digest, story.installing)
        except OSError as error:
            raise PreparationError(f"packages can't be written: {error}", is_permanent=False) from None

    async def _lock(self, build: BuildReference, hub: HubFiles) -> bytes:
        assert build.lock is not None
        path = self._store.path(build.lock)
        known = self._disk.read(path)
        if known is not None and hashlib.sha256(known).hexdigest() == build.lock:
            return known
        try:
            lock = await read_all(hub, lock_path(build.digest, build.build_id), LOCK_MAX_BYTES)
        except ValueError as error:
            raise PreparationError(str(error), is_permanent=False) from None
        if hashlib.sha256(lock).hexdigest() != build.lock:
            raise PreparationError("the hub's requirement list is not this build's", is_permanent=False)
        await asyncio.to_thread(self._disk.write_durable, path, lock)
        return lock

    def _write_down(self, prepared: Prepared) -> None:
        self._disk.make_folder(self._root)
        path = self._root / f"{prepared.reference.build_id}.json"
        self._disk.write_durable(path, prepared.model_dump_json().encode())

    def _read(self, path: Path) -> Prepared | None:
        try:
            return Prepared.model_validate_json(self._disk.read(path) or b"")
        except ValidationError:
            return None


class _Story:
    """Tells how far a build has come, and only when there is something new to tell."""

    def __init__(self, build: BuildReference, tell: Tell) -> None:
        self._build_id = build.build_id
        self._tell = tell
        self._last: tuple[PreparationState, int, str] | None = None
        self._progress = 0.0

    def at(self, state: PreparationState, progress: float, message: str) -> None:
        self._progress = progress
        now = (state, int(progress * 20), message)
        if now != self._last:
            self._last = now
            self._tell(Preparation(build_id=self._build_id, state=state, progress=progress, message=message))

    def installing(self, message: str) -> None:
        # Nobody knows how long a tool will take: each thing it says halves the rest.
        self.at(PreparationState.INSTALLING, self._progress + (0.98 - self._progress) / 2, message)
