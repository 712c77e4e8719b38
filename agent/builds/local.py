"""The runner's builds as the daemon sees them (`agent.builds_port.Builds`): a loop that makes wanted builds ready.

One build at a time: two cores that install packages side by side are slower, and bots run beside it. What fails for a
passing reason is tried again after 5 s, then twice as long each time, at most 5 min; what fails for good is told once
and left alone until the hub wants something else of it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.builds import launch as launching
from agent.builds.environments import Environments
from agent.builds.errors import PreparationError
from agent.builds.hub_files import HubFiles
from agent.builds.launch import Equipment, Machine
from agent.builds.node import NodePackages
from agent.builds.prepare import Prepared, Preparer
from agent.builds.resolving import RunnerResolver
from agent.builds.tree import Trees
from agent.builds.upkeep import Upkeep
from agent.builds.uses import BUILD, FILE, RECORD, SPARE, named
from agent.builds.workfolder import WorkFolders
from agent.builds_port import BuildMissingError, CannotLaunchError, LaunchPlan, LaunchRequest
from agent.wire.messages import Preparation
from agent.wire.task import BuildReference
from agent.wire.words import PreparationState

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 300.0
RESTOCK_AFTER_S = 0.05
"""A spare is made again this long after a start has taken it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The parts that builds are made with."""

    preparer: Preparer
    resolver: RunnerResolver
    trees: Trees
    environments: Environments
    node: NodePackages
    work_folders: WorkFolders
    upkeep: Upkeep


@dataclass(slots=True, kw_only=True)
class _Wanted:
    """One wanted build and what became of it so far."""

    reference: BuildReference
    told: Preparation
    tries: int = 0
    not_before: float = 0.0
    is_settled: bool = False
    """Prepared, failed for good, or resolved and waiting for the hub."""


class LocalBuilds:
    """The builds of this home."""

    def __init__(
        self, workshop: Workshop, hub: HubFiles, machine: Machine, tell: Callable[[Preparation], None]
    ) -> None:
        """`tell` hears of every change of a wanted build, on the event loop; it must not block."""
        self._shop = workshop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub = hub
        self._machine = machine
        self._tell = tell
        self._wanted: dict[str, _Wanted] = {}
        self._prepared = {one.reference.build_id: one for one in workshop.preparer.known()}
        self._work = asyncio.Event()
        self._restock: set[str] = {one.reference.digest for one in self._prepared.values()}
        self._spoiled: set[str] = set()
        """Environments that a run has changed and that are not made again yet."""
        self._is_room_due = False

    async def run(self) -> None:
        """Fetch and prepare what is wanted; a loop of the daemon's TaskGroup, ended by cancellation."""
        loop = self._loop = asyncio.get_running_loop()
        while True:
            self._work.clear()
            await self._restock_spares()
            for key in await self._shop.upkeep.look(loop.time()):
                self._spoil(key)
            due = self._next_due(loop.time())
            if due is not None:
                await self._bring(due, loop.time)
                continue
            await self._make_room()
            try:
                async with asyncio.timeout_at(self._next_step()):
                    await self._work.wait()
            except TimeoutError:
                continue

    def want(self, builds: Sequence[BuildReference]) -> None:
        """The whole set that should be ready here (`Desired`). Tells the state of each again, by the callback."""
        self._loop = asyncio.get_running_loop()
        before, self._wanted = self._wanted, {}
        for reference in builds:
            known = before.get(reference.build_id)
            if known is None or known.reference != reference:
                known = self._look_at(reference)
            self._wanted[reference.build_id] = known
            self._tell(known.told)
        self._is_room_due = self._is_room_due or before.keys() != self._wanted.keys()
        self._work.set()

    def prepared(self) -> Sequence[str]:
        """Ids of the builds that could be started now; told in ``resume_end``."""
        return tuple(self._prepared)

    async def make_slot_ready(self, slot: int) -> None:
        """Nothing to wait for: a work folder comes into being by renaming a spare, or by a copy at the start."""
        del slot
        self._work.set()

    def launch(self, request: LaunchRequest) -> LaunchPlan:
        """Fill the work folder of this execution and say what to exec. Blocks: call it in a thread.

        Raises BuildMissingError, CannotLaunchError.
        """
        build_id, uses = request.work.build.build_id, self._shop.upkeep.uses
        uses.begin(request.execution_id, (named(RECORD, build_id),))
        prepared = self._prepared.get(build_id)
        if prepared is None:
            raise BuildMissingError(f"build {build_id} is not prepared here")
        uses.begin(request.execution_id, prepared.names())
        try:
            return self._launch(request, prepared)
        except BuildMissingError:
            self._on_loop(self._lost, prepared)
            raise
        finally:
            self._on_loop(self._used, prepared)

    def _on_loop(self, act: Callable[[Prepared], None], prepared: Prepared) -> None:
        """Go on where everything else of this object is called; before that loop runs nothing is to be done."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(act, prepared)

    def _used(self, prepared: Prepared) -> None:
        self._restock.add(prepared.reference.digest)
        # Not beside this start: the next one has until then what there is, or makes its own copy.
        asyncio.get_running_loop().call_later(RESTOCK_AFTER_S, self._work.set)

    def adopted(self, execution_id: str, build_id: str) -> None:
        """An earlier daemon launched it: what its build was prepared with stays."""
        prepared = self._prepared.get(build_id) or self._shop.preparer.recorded(build_id)
        if prepared is not None:
            self._shop.upkeep.uses.begin(execution_id, prepared.names())

    def ended(self, execution_id: str) -> None:
        """Its tree is empty: what it stood on may be looked at, and made again."""
        waited = self._shop.upkeep.next_look()
        freed = self._shop.upkeep.ended(execution_id, asyncio.get_running_loop().time())
        if freed & self._spoiled:
            for wanted in self._wanted.values():
                wanted.not_before = 0.0
        if freed & self._spoiled or self._shop.upkeep.next_look() != waited:
            self._work.set()

    def discard(self, execution_id: str) -> None:
        """Everything of an execution lies in its folder: there is nothing else to remove."""
        self._shop.upkeep.uses.end(execution_id)

    def _launch(self, request: LaunchRequest, prepared: Prepared) -> LaunchPlan:
        digest = prepared.reference.digest
        manifest = self._shop.trees.manifest(digest)
        environment = self._shop.environments.ready(prepared.environment) if prepared.environment else None
        node_modules = self._shop.node.ready(prepared.node) if prepared.node else None
        is_damaged = (prepared.environment and environment is None) or (prepared.node and node_modules is None)
        if manifest is None or is_damaged:
            raise BuildMissingError(f"build {prepared.reference.build_id} is damaged here and is made again")
        try:
            self._shop.work_folders.take(digest, manifest, self._shop.trees.path(digest), request.folder / "work")
            self._mark_used(prepared)
            equipment = Equipment(environment=environment, node_modules=node_modules)
            return launching.plan(request, equipment, self._machine)
        except OSError as error:
            raise CannotLaunchError(f"the work folder can't be made: {error}") from None

    def _mark_used(self, prepared: Prepared) -> None:
        self._shop.trees.mark_used(prepared.reference.digest)
        if prepared.environment:
            self._shop.environments.mark_used(prepared.environment)
        if prepared.node:
            self._shop.node.mark_used(prepared.node)

    def _lost(self, prepared: Prepared, message: str = "is made again") -> None:
        """A prepared build turned out not to be there: say so and make it again (R55)."""
        build_id = prepared.reference.build_id
        self._prepared.pop(build_id, None)
        wanted = self._wanted.get(build_id)
        if wanted is not None:
            wanted.is_settled = False
            wanted.not_before = 0.0
            self._say(wanted, Preparation(build_id=build_id, state=PreparationState.WANTED, message=message))

    def _spoil(self, key: str) -> None:
        """A run changed a shared environment: no bot is started in it until it is made again."""
        self._spoiled.add(key)
        for prepared in [one for one in self._prepared.values() if one.environment == key]:
            self._lost(prepared, "a run changed its environment, which is made again")

    def _look_at(self, reference: BuildReference) -> _Wanted:
        prepared = self._prepared.get(reference.build_id)
        is_ready = prepared is not None and prepared.reference == reference
        state = PreparationState.PREPARED if is_ready else PreparationState.WANTED
        told = Preparation(build_id=reference.build_id, state=state, progress=1.0 if is_ready else 0.0)
        return _Wanted(reference=reference, told=told, is_settled=is_ready)

    def _next_due(self, now: float) -> _Wanted | None:
        due = (one for one in self._wanted.values() if not one.is_settled and one.not_before <= now)
        # What only has to be resolved goes first: other runners wait for it.
        return min(due, key=lambda one: (not one.reference.resolve, one.not_before), default=None)

    def _next_step(self) -> float | None:
        """When there is something to do again, by the loop's clock."""
        retries = [one.not_before for one in self._wanted.values() if not one.is_settled]
        look = self._shop.upkeep.next_look()
        return min(retries if look is None else [*retries, look], default=None)

    async def _make_room(self) -> None:
        """Keep to the disk limit once something came or is wanted no more; never before the hub said what it wants."""
        if not self._is_room_due:
            return
        self._is_room_due = False
        chosen = await self._shop.upkeep.choose(self._in_use(self._prepared))
        if chosen and self._give_up(frozenset(entry.name for entry in chosen)):
            await self._shop.upkeep.remove(chosen)

    def _give_up(self, names: frozenset[str]) -> bool:
        """Forget the builds that stand on these; False, and nothing is forgotten, when one is being started now."""
        before = dict(self._prepared)
        gone = [one for one in before.values() if one.names() & names]
        for prepared in gone:
            del self._prepared[prepared.reference.build_id]
        if self._in_use(before) & names:
            self._prepared = before
            self._is_room_due = True
            return False
        for prepared in gone:
            build_id = prepared.reference.build_id
            self._shop.preparer.forget(build_id)
            wanted = PreparationState.WANTED
            self._tell(Preparation(build_id=build_id, state=wanted, message="removed here to make room"))
        return True

    def _in_use(self, prepared: Mapping[str, Prepared]) -> frozenset[str]:
        """What may not go: what bots stand on, and what the hub wants."""
        used = self._shop.upkeep.uses.names()
        kept = set(used)
        for build_id, one in prepared.items():
            if build_id in self._wanted or named(RECORD, build_id) in used:
                kept |= one.names()
        for wanted in self._wanted.values():
            reference = wanted.reference
            kept |= {named(BUILD, reference.digest), named(SPARE, reference.digest)}
            kept |= {named(FILE, reference.lock)} if reference.lock else set()
        return frozenset(kept)

    async def _bring(self, wanted: _Wanted, now: Callable[[], float]) -> None:
        reference = wanted.reference
        try:
            if reference.resolve:
                await self._resolve(wanted)
            else:
                prepared = await self._shop.preparer.prepare(reference, self._hub, lambda told: self._say(wanted, told))
                self._is_prepared(wanted, prepared)
        except PreparationError as error:
            wanted.tries += 1
            wanted.is_settled = error.is_permanent
            wanted.not_before = now() + min(FIRST_RETRY_S * 2 ** (wanted.tries - 1), LONGEST_RETRY_S)
            _log.warning("build %s of %s is not ready: %s", reference.version, reference.bot, error.message)
            failed = PreparationState.FAILED
            told = Preparation(
                build_id=reference.build_id, state=failed, message=error.message, permanent=error.is_permanent
            )
            self._say(wanted, told)

    async def _resolve(self, wanted: _Wanted) -> None:
        build_id = wanted.reference.build_id

        def say(message: str) -> None:
            self._say(
                wanted, Preparation(build_id=build_id, state=PreparationState.INSTALLING, progress=0.1, message=message)
            )

        wheels = await self._shop.preparer.wheels(wanted.reference, self._hub, lambda told: self._say(wanted, told))
        await self._shop.resolver.resolve(wanted.reference, self._hub, say, wheels)
        wanted.is_settled = True
        _log.info("requirements of %s %s are resolved", wanted.reference.bot, wanted.reference.version)
        told = Preparation(build_id=build_id, state=PreparationState.WANTED, message="requirements are resolved")
        self._say(wanted, told)

    def _is_prepared(self, wanted: _Wanted, prepared: Prepared) -> None:
        reference = wanted.reference
        self._prepared[reference.build_id] = prepared
        self._restock.add(reference.digest)
        self._spoiled.discard(prepared.environment or "")
        self._is_room_due = True
        wanted.is_settled = True
        wanted.tries = 0
        _log.info("build %s of %s is prepared", reference.version, reference.bot)
        told = Preparation(build_id=reference.build_id, state=PreparationState.PREPARED, progress=1.0)
        self._say(wanted, told)

    def _say(self, wanted: _Wanted, told: Preparation) -> None:
        wanted.told = told
        # The hub may want something else by now; then nobody asked for this any more.
        if self._wanted.get(told.build_id) is wanted:
            self._tell(told)

    async def _restock_spares(self) -> None:
        digests, self._restock = self._restock, set()
        for digest in digests:
            try:
                await asyncio.to_thread(self._stock, digest)
            except OSError as error:
                _log.warning("no work folder could be made ahead: %s", error)

    def _stock(self, digest: str) -> None:
        manifest = self._shop.trees.manifest(digest)
        if manifest is not None:
            self._shop.work_folders.stock(digest, manifest, self._shop.trees.path(digest))
