"""Virtual desktops: an X server with a window manager for each slot, made by the daemon and outliving it.

    wanted --slot is free--> started --handshake--> there --its end, by its pidfd--> gone --back-off--> wanted
      ^                                               |
      +---- adopted: pid, start, handshake -----------+  an earlier daemon's, whatever ended that

Bots outlive a daemon's restart or kill, so their X servers do. One that ends under a bot is not replaced before that
bot has ended: it could not use another, and until then the slot's desktop is told as gone.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.cgroups.choice import Hierarchies
from agent.desktops import server as x_server
from agent.desktops import x11
from agent.desktops.choice import VirtualPlan
from agent.desktops.facts import DesktopFacts
from agent.desktops.linux import look_at_desktop
from agent.desktops.port import Desktop, Frame, ScreenUnreachedError
from agent.desktops.records import Made, Record, Records, end_leftovers, end_processes
from agent.desktops.server import NotStartedError, Server
from agent.desktops.window_manager import WindowManager
from agent.desktops.x11_picture import take_picture

log = logging.getLogger(__name__)
_PAUSE_S, _PAUSE_MAX_S = 0.5, 60.0
_FIRST_START_S = 2.0
_CALM_S = 60.0
"""One that lived so long is started again at once, and its failures are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsSeen:
    """What the daemon knows of its slots."""

    has_bot: Callable[[int], bool]
    """Whether a bot runs there: it holds on to the server that it was given."""
    is_taken: Callable[[int], bool]
    """The same, and whether an order is on its way there: it may have been given one already."""


class VirtualDesktop:
    """See `port.Desktop`. `keep` is its loop."""

    is_virtual = True

    def __init__(self, slot: int, house: "VirtualDesktops") -> None:
        self.slot = slot
        self._house = house
        self._server: Server | None = None
        self._manager: WindowManager | None = None
        self._leaving: Server | None = None
        """It is being replaced: nobody is given it any more."""
        self._problem = "its X server is not started yet"
        self._woken = asyncio.Event()
        self._known = asyncio.Event()
        """It is there, or the last start has failed: nobody need wait for it."""
        self._was_known = False
        self._failures = 0
        self._busy = asyncio.Lock()
        """Held while a server is started or ended, so that no end overlooks one that begins."""

    @property
    def is_there(self) -> bool:
        """Whether its server answered, and has not ended since."""
        return self._server is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """DISPLAY and XAUTHORITY, the latter with this server's cookie and no other."""
        if self._server is None:
            return {}
        authority = self._house.records.authority(self.slot)
        return {"DISPLAY": self._server.record.display, "XAUTHORITY": str(authority)}

    @property
    def is_beginning(self) -> bool:
        """Until the first start has ended, one way or the other; one that waits for its slot's bot is gone."""
        return not self._was_known and not self._house.slots.has_bot(self.slot)

    async def until_known(self) -> None:
        """Return when its server has answered, or could not be started."""
        await self._known.wait()

    async def look(self) -> DesktopFacts:
        """By a connection with its cookie, as each program of the bot makes one."""
        if self.is_beginning:
            # The first start takes a moment: a bot that is about to begin need not fail for that.
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_START_S):
                    await self._known.wait()
        server = self._server
        if server is None:
            return self._gone(self._problem)
        facts = await look_at_desktop(self.environment, is_virtual=True)
        return self._gone(facts.problem) if facts.problem else facts

    def _gone(self, problem: str) -> DesktopFacts:
        name = self._server.record.display if self._server is not None else f"of slot {self.slot}"
        remedy = "it is started again by itself when no bot runs in this slot; the runner's log tells more"
        return DesktopFacts(
            kind="x11", name=name, problem=problem, remedy=remedy, no_size="the desktop is not there", is_locked=False
        )

    async def grab(self) -> Frame:
        """A picture of it."""
        server = self._server
        if server is None:
            raise ScreenUnreachedError(self._problem)
        return await asyncio.to_thread(take_picture, server.display, server.cookie)

    # --- its server --------------------------------------------------------------------------------------------------

    async def take_over(self, record: Record) -> None:
        """Adopt an earlier daemon's server, if it lives, answers and is one of ours."""
        server = await asyncio.to_thread(x_server.adopt, record, self._house.records)
        if server is None:
            self._problem = "its X server has ended while no daemon watched it"
            return
        try:
            await x11.ask(server.display, server.cookie)
        except x11.XUnreached as error:
            self._problem = f"its X server does not answer: {error}"
            if not self._house.slots.is_taken(self.slot):
                log.warning("slot %d: display %s is given up: %s", self.slot, record.display, error)
                await server.end()
                server.forget()
                return
            # It may be slow only, and a bot works there: looking tells whether it answers again.
        self._came(server)

    async def keep(self) -> None:
        """Have a server there; ended by cancellation, which leaves it alive."""
        try:
            await self._keep()
        finally:
            for server in (self._server, self._leaving):
                if server is not None:
                    server.let_go()

    async def _keep(self) -> None:
        while not self._house.is_ending:
            server = self._server or await self._started()
            if server is None:
                await asyncio.sleep(self._pause_s())
                continue
            began = asyncio.get_running_loop().time()
            await self._watched(server)
            if asyncio.get_running_loop().time() - began > _CALM_S:
                self._failures = 0
            await asyncio.sleep(self._pause_s())

    async def _started(self) -> Server | None:
        house = self._house
        await self._until(lambda: not house.slots.has_bot(self.slot))
        async with self._busy, house.one_at_a_time:
            if house.is_ending or house.slots.has_bot(self.slot):
                return None
            try:
                server = await x_server.start(house.plan, self.slot, house.records, house.hierarchies)
            except (NotStartedError, OSError) as error:
                self._failures += 1
                self._tell_known()
                self._problem = f"its X server does not start: {error}"
                log.error("slot %d: %s", self.slot, self._problem)  # noqa: TRY400
                return None
            self._came(server)
        log.info("slot %d: display %s is there", self.slot, server.record.display)
        return server

    def _came(self, server: Server) -> None:
        self._server = server
        self._tell_known()
        self._house.tell()

    def _tell_known(self) -> None:
        self._was_known = True
        self._known.set()

    async def _watched(self, server: Server) -> None:
        """Return when it has ended; beside it the window manager is kept."""
        self._manager = manager = WindowManager(server, self._house.records)
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(manager.keep(), name=f"window manager of slot {self.slot}")]
            if server.record.made != Made.of(self._house.plan):
                beside.append(group.create_task(self._end_when_free(server), name=f"old desktop of slot {self.slot}"))
            await server.gone()
            for each in beside:
                each.cancel()
        self._went(server)
        await manager.reap()

    async def _end_when_free(self, server: Server) -> None:
        """It was made by other settings than those of now."""
        await self._until(lambda: not self._house.slots.is_taken(self.slot))
        log.info("slot %d: display %s is replaced, as the settings changed", self.slot, server.record.display)
        self._server, self._leaving = None, server
        self._known.clear()
        self._problem = "it is being replaced, as the settings changed"
        async with self._busy:
            await server.end()

    def _went(self, server: Server) -> None:
        if server is not self._server and server is not self._leaving:
            return
        self._server = self._leaving = None
        self._known.clear()
        self._failures += 1
        self._problem = f"its X server {server.record.display} has ended"
        if not self._house.is_ending:
            log.warning("slot %d: %s", self.slot, self._problem)
        server.forget()
        self._house.records.forget(self.slot)
        self._house.tell()

    def _pause_s(self) -> float:
        return float(min(_PAUSE_MAX_S, _PAUSE_S * 2 ** (min(self._failures, 10) - 1))) if self._failures else 0.0

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._woken.clear()
            await self._woken.wait()

    def wake(self) -> None:
        """The slot may be free."""
        self._woken.set()

    async def end(self, *, at_once: bool) -> None:
        """End the server, unless a bot runs in the slot and may go on."""
        async with self._busy:
            server = self._server
            if server is not None and (at_once or not self._house.slots.is_taken(self.slot)):
                await server.end()
                self._went(server)
                if self._manager is not None:
                    await self._manager.reap()


class VirtualDesktops:
    """See `port.Desktops`."""

    shared: Mapping[str, str] = {}

    def __init__(self, plan: VirtualPlan, records: Records, hierarchies: Hierarchies, slots: SlotsSeen) -> None:
        self.plan = plan
        self.records = records
        self.hierarchies = hierarchies
        self.slots = slots
        self.is_ending = False
        self.one_at_a_time = asyncio.Lock()
        self._desktops = tuple(VirtualDesktop(slot, self) for slot in range(plan.count))
        self._hearers: list[Callable[[], None]] = []
        self._woken = asyncio.Event()

    def of_slot(self, slot: int) -> Desktop | None:
        """The first slots have one."""
        return self._desktops[slot] if 0 <= slot < len(self._desktops) else None

    def all(self) -> tuple[Desktop, ...]:
        """By slot."""
        return self._desktops

    def hear(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a server came or went."""
        self._hearers.append(changed)

    def tell(self) -> None:
        """Some server came or went; those that end with the daemon need no word."""
        for hearer in self._hearers if not self.is_ending else ():
            hearer()

    async def take_over(self) -> None:
        """Adopt what an earlier daemon left, end what nobody needs."""
        known = await asyncio.to_thread(self.records.read)
        mine = [record for record in known if record.slot < len(self._desktops)]
        async with asyncio.TaskGroup() as group:
            for record in mine:
                group.create_task(self._desktops[record.slot].take_over(record), name=f"desktop {record.slot}")
        adopted = sum(desktop.is_there for desktop in self._desktops)
        if adopted:
            log.info("adopted %d virtual desktops", adopted)
        await asyncio.to_thread(end_unwanted, self.records, {record.pid for record in mine}, self.slots.is_taken)

    async def keep(self) -> None:
        """All of them, each by a loop of its own."""
        async with asyncio.TaskGroup() as group:
            for desktop in self._desktops:
                group.create_task(desktop.keep(), name=f"desktop of slot {desktop.slot}")
            group.create_task(self._end_leftovers(), name="desktops that no slot wants")

    async def _end_leftovers(self) -> None:
        """The settings give fewer desktops now; those beyond, which had bots at the start, end after them."""
        while await self._leave_leftovers(self.slots.is_taken):
            await self._woken.wait()
            self._woken.clear()

    async def _leave_leftovers(self, is_taken: Callable[[int], bool]) -> bool:
        try:
            return await asyncio.to_thread(end_leftovers, self.records, len(self._desktops), is_taken)
        except OSError as error:
            log.warning("desktops that no slot wants may stay: %s", error)
            return True

    def wake(self) -> None:
        """Some slot has become free."""
        self._woken.set()
        for desktop in self._desktops:
            desktop.wake()

    async def end(self, *, at_once: bool) -> None:
        """End those of slots without a bot, or all of them; none is started after this."""
        self.is_ending = True
        async with asyncio.TaskGroup() as group:
            for desktop in self._desktops:
                group.create_task(desktop.end(at_once=at_once), name=f"end of desktop {desktop.slot}")
            group.create_task(self._leave_leftovers(self._has_bot(at_once=at_once)), name="end of leftovers")

    def _has_bot(self, *, at_once: bool) -> Callable[[int], bool]:
        return (lambda _: False) if at_once else self.slots.is_taken


def end_unwanted(records: Records, wanted: set[int], is_taken: Callable[[int], bool]) -> None:
    """End servers of this home that no slot wants any more, cut-off starts' too; a bot keeps its own. Blocks."""
    known = records.read()
    kept = wanted | {record.pid for record in known if is_taken(record.slot)}
    with suppress(OSError):
        end_processes(records.strays(kept))
    for record in known:
        if record.pid not in kept:
            records.forget(record.slot)
    _sweep(records.folder, {record.slot for record in known if record.pid in kept})


def _sweep(folder: Path, kept: set[int]) -> None:
    """Cookies and sockets of starts that were cut off."""
    for path in folder.glob("*"):
        if path.suffix in {".auth", ".rfb"} and path.stem.isdigit() and int(path.stem) not in kept:
            path.unlink(missing_ok=True)
