"""One execution's loop: events are taken one after the other, each one's effects are done before the next is looked at.

So a fact is durable before what follows from it, and nobody needs a lock. What takes long (handing over, watching,
stopping, collecting) runs beside the loop as a child and comes back as an event.

What fails here, in the loop or beside it, ends neither the daemon nor another execution: `rim` lets this one begin
again from what is durable, as the next daemon would.
"""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, assert_never

from agent.artifacts import Brought
from agent.builds.short_tmp import drop_short
from agent.cgroups.groups import remove_groups_of
from agent.daemon import conclusion, rim, watch
from agent.daemon.house import House
from agent.daemon.output_room import DISK_FULL
from agent.daemon.screening import begin_pictures
from agent.execution import ENDED, UNDECIDED, IllegalEventError, LocalExecution, Phase, apply
from agent.execution_events import (
    Conclude,
    Effect,
    Erase,
    Event,
    FindExit,
    FreeSlot,
    LinkVoid,
    Spool,
    Started,
    StopShim,
    Voided,
    Watch,
)
from agent.folders import ORDER_NAME, StoredOrder, write_order
from agent.inventory import moment_of
from agent.masking import PatternSet, mask_text
from agent.output import Follower
from agent.output_room import KeptOutput
from agent.progress import Said
from agent.screens.pictures import Pictures
from agent.shim.client import ShimClient
from agent.shim.verdict import Verdict, VerdictError, VerdictKind
from agent.spool import SpoolFullError
from agent.wire.facts import Fact, RowFact
from agent.wire.limits import PROGRESS_TEXT_MAX
from agent.wire.messages import Progress
from agent.wire.words import VoidReason

log = logging.getLogger(__name__)
T = TypeVar("T")
Answer: TypeAlias = asyncio.Future[LocalExecution]
_FULL_DISK_PAUSE_S = 1.0
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class KeeperEndedError(Exception):
    """The execution was forgotten before the event was taken."""


@dataclass(slots=True, eq=False)
class Keeper:
    """Keeps one execution. Everything but `run` may be called from any coroutine of the loop."""

    house: House
    value: LocalExecution
    order: StoredOrder
    masks: PatternSet = field(default_factory=PatternSet)
    available: int = 0
    """Bytes of output that are known to be in the segments."""
    kept: KeptOutput = field(default_factory=KeptOutput)
    masks_known: bool = False
    """True once the shim's masks are known here; only then the gateway takes this bot's calls."""
    client: ShimClient | None = None
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    verdict: Verdict | None = None
    """As it was read back, durable, by this daemon."""
    interrupted: bool = False
    end_told: bool = False
    """True once the exit is on its way into the loop."""
    ended_at: float | None = None
    """`Clock.monotonic` when the tree was empty; the bot's token dies soon after."""
    artifacts: Brought = field(default_factory=Brought)
    pictures: Pictures | None = None
    """Of its desktop, where they are wanted."""
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the verdict is known and spooled."""
    met: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once its shim was reached, or is known to be gone."""
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the exit is spooled."""
    failures: rim.Failures = field(default_factory=rim.Failures)
    _whole: LocalExecution = field(init=False)
    """As the last step left it whose effects were all done."""
    _events: "asyncio.Queue[tuple[Event | Exception, Answer | None]]" = field(default_factory=asyncio.Queue)
    _children: asyncio.TaskGroup | None = None
    _early: list[tuple[Coroutine[Any, Any, None], str]] = field(default_factory=list)
    output: Follower = field(init=False)

    def __post_init__(self) -> None:
        self.output = Follower(self.folder / "output", self.house.disk)
        if self.order.output_cap_bytes is not None:
            self.kept.cap_bytes = self.order.output_cap_bytes
        self._whole = self.value
        self._tell_phase()

    @property
    def execution_id(self) -> str:
        """``exe_…``."""
        return self.value.execution_id

    @property
    def folder(self) -> Path:
        """The execution's folder."""
        return self.house.folders.execution(self.value.execution_id)

    def mask(self, text: str) -> str:
        """The text without this execution's secrets."""
        return mask_text(text, self.masks)

    def progress(self, said: Said) -> Progress:
        """A word of its bot as it travels."""
        text = self.mask(said.text)[:PROGRESS_TEXT_MAX] if said.text else ""
        return Progress(
            execution_id=self.execution_id, fence=self.value.fence, percent=said.percent, text=text, at=said.at
        )

    def post(self, event: Event) -> None:
        """Let the loop take an event."""
        self._events.put_nowait((event, None))

    async def do(self, event: Event) -> LocalExecution:
        """As `post`; returns the value when the effects are done.

        Raises IllegalEventError, KeeperEndedError, and SpoolFullError: then nothing of it has happened. What is posted
        waits for room instead.
        """
        answer: asyncio.Future[LocalExecution] = asyncio.get_running_loop().create_future()
        self._events.put_nowait((event, answer))
        return await answer

    def saw(self, verdict: Verdict) -> None:
        """The verdict was read back; it is durable."""
        self.verdict = verdict
        at = moment_of(verdict.wall_ns)
        if verdict.kind is VerdictKind.STARTED:
            self.post(Started(at=at, pid=verdict.pid))
        else:
            self.post(Voided(at=at, reason=verdict.reason or VoidReason.UNKNOWN, message=verdict.message))

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside the loop, from its beginning on, until it ends or the execution is forgotten."""
        if self.value.phase is Phase.FORGOTTEN:
            # Its group may be ending, and takes nothing more.
            work.close()
        elif self._children is None:
            self._early.append((work, name))
        else:
            self._children.create_task(self._beside(work), name=f"{name} {self.execution_id}")

    async def run(self) -> None:
        """Live until the execution is forgotten. Raises only what the daemon must end for (G9)."""
        try:
            failure = await self._live()
            while failure is not None:
                failure = await rim.begin_again(self, failure) or await self._live()
        finally:
            self._let_go()

    def fail(self, error: Exception) -> None:
        """Something of this execution went wrong outside its loop."""
        self._events.put_nowait((error, None))

    def go_back(self, value: LocalExecution | None = None) -> None:
        """Stand where the last whole step left it, or at `value`, which the spool tells."""
        self.value = self._whole = value or self._whole
        self.house.ledger.put(self.value)
        if self.value.phase is Phase.STARTED:
            self.end_told = False
        self._tell_phase()

    async def _live(self) -> Exception | None:
        """Take events until the execution is forgotten, or something fails: that is returned."""
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as children:
                self._children = children
                for work, name in self._early:
                    self.spawn(work, name)
                self._early.clear()
                while self.value.phase is not Phase.FORGOTTEN and failure is None:
                    failure = await self._next()
                # What still runs beside the loop has nothing left to do, and what comes meanwhile waits.
                self._children = None
                raise KeeperEndedError  # noqa: TRY301 - it ends the group
        except* KeeperEndedError:
            pass
        return failure

    async def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the rim: whatever it is, it is this execution's
            self.fail(error)

    async def _next(self) -> Exception | None:
        event, answer = await self._events.get()
        if isinstance(event, Exception):
            return event
        try:
            await self._step(event, answer)
        except Exception as error:  # noqa: BLE001 - the rim
            if answer is not None and not answer.done():
                answer.set_exception(KeeperEndedError(self.execution_id))
            return error
        self._whole = self.value
        return None

    async def _step(self, event: Event, answer: Answer | None) -> None:
        try:
            value, effects = apply(self.value, event)
        except IllegalEventError as error:
            log.error("%s", error)  # noqa: TRY400 - no traceback is wanted: it names a state, not a place
            _refuse(answer, error)
            return
        facts = [effect.fact for effect in effects if isinstance(effect, Spool)]
        if answer is not None and facts:
            # What a bot says must not keep this loop from a stop or an exit: who asked hears that there is no room.
            # Nor may it take theirs: of the room that is kept a bot gets that of one report.
            try:
                await self.house.spool.add(*facts, may_use_room=self.value.reports == 0)
            except SpoolFullError as error:
                _refuse(answer, error)
                return
        self.value = value
        self.house.ledger.put(self.value)
        for effect in effects:
            if not isinstance(effect, Spool):
                await self._perform(effect)
            elif facts:
                # All facts of a step in one commit, at the first one's turn.
                await self._spool(facts, is_kept=answer is not None)
                facts = []
        self._tell_phase()
        if answer is not None and not answer.done():
            answer.set_result(self.value)

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case LinkVoid():
                await self._link_void(effect)
            case Spool():
                await self._spool([effect.fact])
            case Watch():
                begin_pictures(self)
                self.spawn(watch.watch(self), "watch")
            case StopShim():
                self.spawn(watch.stop(self, effect.order), "stop")
            case FindExit():
                self.spawn(conclusion.find_exit(self), "find exit")
            case FreeSlot():
                self._free_slot(effect)
            case Conclude():
                self.spawn(conclusion.conclude(self), "conclude")
            case Erase():
                await self._erase(effect.outcome)
            case _:
                assert_never(effect)

    async def _link_void(self, effect: LinkVoid) -> None:
        house = self.house

        def link() -> Verdict:
            house.disk.make_folder(self.folder)
            if not house.disk.exists(self.folder / ORDER_NAME):
                write_order(self.folder, self.order, house.disk)
            return house.verdicts.link_void(self.folder, effect.reason, effect.message)

        try:
            self.saw(await self._when_there_is_room(lambda: asyncio.to_thread(link)))
        except (VerdictError, IsADirectoryError) as error:
            # `link` shows finished files only, so this is damage, or a bot's own hand: it may have started (D1).
            log.error("%s: %s", self.execution_id, error)  # noqa: TRY400
            self.post(Started(at=house.clock.now()))

    async def _spool(self, facts: Sequence[Fact], *, is_kept: bool = False) -> None:
        if not is_kept:
            await self._when_there_is_room(lambda: self.house.spool.add(*facts))
        for fact in facts:
            # Rows may be thousands, and are no change of state.
            level = logging.DEBUG if isinstance(fact.body, RowFact) else logging.INFO
            log.log(level, "%s %s", self.execution_id, fact.body.kind)
            self.house.upstream.fact_spooled(fact)

    async def _when_there_is_room(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, again after a second while the disk is full: the bot goes on, its facts wait, no new work (R27)."""
        while True:
            try:
                done = await act()
            except (SpoolFullError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in _NO_ROOM:
                    raise
                log.error("the disk is full: %s waits", self.execution_id)  # noqa: TRY400
                self.house.close_for(DISK_FULL)
                await asyncio.sleep(_FULL_DISK_PAUSE_S)
            else:
                if DISK_FULL in self.house.closed_for:
                    self.house.close_for(DISK_FULL, on=False)
                return done

    def _tell_phase(self) -> None:
        if self.value.phase not in UNDECIDED:
            self.decided.set()
        if self.value.phase in ENDED:
            self.exited.set()
            self.met.set()

    def _free_slot(self, effect: FreeSlot) -> None:
        if effect.tree_empty:
            self.ended_at = self.house.clock.monotonic()
            self.house.builds.ended(self.execution_id)
        self.house.slots.release(self.value.slot, self.execution_id, tree_empty=effect.tree_empty)
        self.house.benches.wake()
        self.house.desktops.wake()
        self.house.upstream.slots_changed()

    async def _erase(self, outcome: str) -> None:
        """Tombstone first: whatever is left of the folder after a crash is removed by the next daemon."""
        house = self.house
        stone = house.ledger.bury(self.execution_id, outcome)
        await self._when_there_is_room(lambda: house.spool.bury(stone, house.clock.now()))
        house.upstream.forgotten(self.execution_id)
        house.builds.discard(self.execution_id)

        def remove() -> None:
            # Those of a void order; a bot's went with its last fact.
            remove_groups_of(self.execution_id)
            house.disk.remove_tree(self.folder)

        # Windows removes no file that somebody has open.
        self.output.close()
        try:
            await asyncio.to_thread(remove)
            drop_short(self.folder)
        except OSError as error:
            # A bot may leave what we may not remove; that must not cost the other bots their daemon.
            log.warning("%s: its folder could not be removed: %s; tried again at the next start", self.folder, error)

    def _let_go(self) -> None:
        self.house.keepers.pop(self.execution_id, None)
        self.output.close()
        if self.client is not None:
            self.client.close()
        while not self._events.empty():
            _, answer = self._events.get_nowait()
            if answer is not None and not answer.done():
                answer.set_exception(KeeperEndedError(self.execution_id))
                answer.exception()


def _refuse(answer: Answer | None, error: Exception) -> None:
    if answer is not None and not answer.done():
        answer.set_exception(error)
