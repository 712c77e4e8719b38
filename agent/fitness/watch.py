"""The looks of one daemon: every two seconds, at once when something is told, once more before a bot gets a desktop.

    round ── a look at the machine ──> judge > standing ──> condition told where it changed ──> slots closed, opened
          '─ a look at each desktop ─┘

Each look runs beside the others and is bounded, so that a desktop that hangs is `gone` within three seconds and delays
nobody; the next is not begun before it has ended. Nothing of it is kept: the next daemon looks anew.
"""

import asyncio
import logging
import sys
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agent.daemon import output_room
from agent.daemon.house import STOPPING
from agent.desktops.facts import DesktopFacts, presumed
from agent.desktops.port import Desktop, Desktops
from agent.fitness.facts import MachineFacts, Wanted
from agent.fitness.judge import faults_of_desktop, faults_of_machine, lasting_view, misfit
from agent.fitness.programs import barred_of
from agent.fitness.senses import Senses
from agent.fitness.standing import Standing, settle
from agent.wire.condition import APPLICATIONS_MAX, Condition, DesktopKind, DesktopState, FaultCode
from agent.wire.task import Work
from agent.wire.words import DesktopNeed

if TYPE_CHECKING:
    from agent.daemon.house import House

log = logging.getLogger(__name__)
_EVERY_S = 2.0
_AGAIN_S = 1.0
"""After the first sight of what must be seen twice."""
_LOOK_S = 2.5
_SECOND_SIGHT_S = 0.2
_OUR_FAULT = "internal error, see the runner's log"
CLOSING = {
    FaultCode.LOW_MEMORY: "little memory is left",
    FaultCode.CLOCK_OFF: "its clock is far off the hub's",
}
"""What keeps all work away, as heartbeats say it; a full disk is closed for by `output_room`."""


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What is known of one desktop."""

    facts: DesktopFacts
    standing: Standing = field(default_factory=Standing)


class Fitness:
    """`run` is a loop of the daemon's TaskGroup; `before_start` is the gate."""

    def __init__(self, house: "House", desktops: Desktops, senses: Senses | None, wanted: Wanted) -> None:
        self._house = house
        self._desktops = desktops
        self._senses = senses
        self._wanted = wanted
        self._wake = asyncio.Event()
        self._reading: asyncio.Task[tuple[int | None, frozenset[str], frozenset[str]]] | None = None
        self._machine: Standing | None = None
        self._found: frozenset[str] = frozenset()
        self._seen: dict[int, _Seen] = {}
        self._under_way: set[str] = set()

    def wake(self) -> None:
        """Something has happened that a look would show: look now."""
        self._wake.set()

    @property
    def own_desktop(self) -> DesktopFacts | None:
        """The first desktop as it was seen last, for `status`; None where there is none."""
        return next((seen.facts for _, seen in sorted(self._seen.items())), None)

    async def run(self) -> None:
        """Look until cancelled; where there are no senses nothing is looked at."""
        if self._senses is None:
            return
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                self._begin(group, "machine", self._look_at_machine(self._senses, group))
                for desktop in (one for one in self._desktops.all() if not one.is_beginning):
                    self._begin(group, f"desktop {desktop.slot}", self._look_at(desktop))
                await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN_S if self._is_unsure() else _EVERY_S):
                await self._wake.wait()

    def _begin(self, group: asyncio.TaskGroup, name: str, look: Coroutine[Any, Any, None]) -> None:
        if name in self._under_way:
            look.close()
            return
        self._under_way.add(name)
        task = group.create_task(look, name=f"look at {name}")
        task.add_done_callback(lambda _: self._under_way.discard(name))

    def _is_unsure(self) -> bool:
        """Whether something was seen that only a second look makes a fault."""
        standings = [self._machine or Standing(), *(seen.standing for seen in self._seen.values())]
        return any(standing.once for standing in standings)

    # --- the machine -------------------------------------------------------------------------------------------------

    async def _look_at_machine(self, senses: Senses, group: asyncio.TaskGroup) -> None:
        # One that hangs keeps its thread: no other is begun before it has ended.
        reading = self._reading = self._reading or group.create_task(self._read(senses), name="readings")
        try:
            async with asyncio.timeout(_LOOK_S):
                memory, found, barred = await asyncio.shield(reading)
        except TimeoutError:
            log.warning("a look at the machine took longer than %.1f s", _LOOK_S)
            return
        finally:
            self._reading = None if reading.done() else reading
        house = self._house
        offset_s, error_s = house.hub_clock.offset_s(house.clock.now(), house.clock.boot_ns())
        facts = MachineFacts(
            disk_short=output_room.why_short(house),
            memory_bytes=memory,
            clock_offset_s=offset_s,
            clock_error_s=error_s,
            found=found,
            barred=barred,
        )
        self._found = found
        self._machine = settle(faults_of_machine(facts, self._wanted), self._machine or Standing(), house.clock.now())
        self._tell()
        standing = {fault.code for fault in self._machine.faults}
        for code, reason in CLOSING.items():
            if (code in standing) is not (reason in house.closed_for):
                house.close_for(reason, on=code in standing)

    async def _read(self, senses: Senses) -> tuple[int | None, frozenset[str], frozenset[str]]:
        """May take as long as a file system hangs."""
        await output_room.find_room(self._house)
        named = self._wanted.applications
        return await asyncio.to_thread(lambda: (senses.memory_bytes(), senses.programs(named), barred_of(named)))

    # --- desktops ----------------------------------------------------------------------------------------------------

    async def _look_at(self, desktop: Desktop) -> None:
        facts = await self._facts(desktop)
        self._judge(desktop, facts, is_used=self._is_used(desktop))
        self._tell()

    async def _facts(self, desktop: Desktop) -> DesktopFacts:
        """One look, which always ends."""
        try:
            async with asyncio.timeout(_LOOK_S):
                facts = (await desktop.look()).bounded()
        except TimeoutError:
            facts = DesktopFacts(kind="unknown", problem=f"no answer within {_LOOK_S:g} s")
        except Exception:  # the rim of one look: whatever it is, only this desktop can't be used
            log.exception("the desktop of slot %d can't be looked at", desktop.slot)
            facts = DesktopFacts(kind="unknown", problem=_OUR_FAULT)
        if facts.is_known:
            return facts
        before = self._seen.get(desktop.slot)
        if before is not None and before.facts.is_known:
            return replace(before.facts, problem=facts.problem, remedy=facts.remedy)
        return self._never_seen(desktop, facts.problem) if facts.kind == "unknown" else facts

    def _never_seen(self, desktop: Desktop, problem: str) -> DesktopFacts:
        """It hangs since the first look: it is there, and it is told which one it is."""
        environment = desktop.environment
        if desktop.is_virtual:
            environment = {"DISPLAY": environment.get("DISPLAY") or f"of slot {desktop.slot}"}
        return presumed(environment, sys.platform, problem).bounded()

    def _judge(self, desktop: Desktop, facts: DesktopFacts, *, is_used: bool) -> Standing:
        seen = self._seen.get(desktop.slot)
        before, now = seen.standing if seen else Standing(), self._house.clock.now()
        try:
            lasting = lasting_view(facts) if is_used else ()
            standing = settle(faults_of_desktop(facts, self._wanted, is_used=is_used), before, now, lasting)
        except Exception:  # the rim of one desktop, as above: bots have a say in what is found there
            log.exception("the desktop of slot %d can't be judged", desktop.slot)
            facts = replace(self._never_seen(desktop, _OUR_FAULT), remedy="")
            standing = settle(faults_of_desktop(facts, self._wanted), before, now)
        self._seen[desktop.slot] = _Seen(facts=facts, standing=standing)
        return standing

    def _is_used(self, desktop: Desktop, but: int | None = None) -> bool:
        """Whether bots may have windows there: the slot's own, and on a session's desktop those of every slot.

        A bot that was given no desktop has none.
        """
        used = {slot.number for slot in self._house.slots.busy() if self._may_show(slot.used_by)} - {but}
        return desktop.slot in used if desktop.is_virtual else bool(used)

    def _may_show(self, execution_id: str | None) -> bool:
        if execution_id is None:
            return False
        keeper = self._house.keepers.get(execution_id)
        work = keeper.order.work if keeper is not None else None
        return work is None or work.desktop is not DesktopNeed.NONE

    # --- the gate ----------------------------------------------------------------------------------------------------

    async def before_start(self, slot: int, work: Work) -> str:
        """Look once more, just before a bot gets its slot's desktop: why it can't be used, empty where it can (D7)."""
        if work.desktop is not DesktopNeed.REQUIRED:
            return ""
        desktop = self._desktops.of_slot(slot)
        if desktop is None:
            return f"slot {slot} has no desktop"
        is_used = self._is_used(desktop, but=slot)
        facts = await self._facts(desktop)
        standing = self._judge(desktop, facts, is_used=is_used)
        if standing.once and not standing.faults:
            await asyncio.sleep(_SECOND_SIGHT_S)
            facts = await self._facts(desktop)
            standing = self._judge(desktop, facts, is_used=is_used)
        self._tell()
        why = [fault.message for fault in standing.faults] or [misfit(facts, work.desktop_size)]
        return f"the desktop of slot {slot}: {'; '.join(why)}" if any(why) else ""

    # --- what is told ------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Tell all of it where something of it is new; nothing before everything was looked at once.

        Never raises: each desktop that can't be told counts as gone.
        """
        if STOPPING in self._house.closed_for:
            return  # its own desktops end with it: what was told last is what the next daemon will have
        if self._machine is None or any(desktop.slot not in self._seen for desktop in self._desktops.all()):
            return
        house, before = self._house, self._house.condition
        states = tuple(state for state in map(self._state, self._desktops.all()) if state is not None)
        try:
            condition = Condition(
                desktops=states,
                applications=tuple(sorted(self._found))[:APPLICATIONS_MAX],
                faults=self._machine.faults,
            )
        except ValueError:
            log.exception("what was found can't be told")
            return
        if condition == before:
            return
        for level, line in changes(before, condition):
            log.log(level, "%s", line)
        house.found(condition)

    def _state(self, desktop: Desktop) -> DesktopState | None:
        seen = self._seen[desktop.slot]
        if not seen.facts.is_known:
            return None  # nothing was ever there
        try:
            return self._told(desktop, seen)
        except ValueError:  # the rim of one desktop
            log.exception("the desktop of slot %d can't be told", desktop.slot)
            facts = self._never_seen(desktop, _OUR_FAULT)
            standing = settle(faults_of_desktop(facts, self._wanted), seen.standing, self._house.clock.now())
            seen = self._seen[desktop.slot] = _Seen(facts=facts, standing=standing)
            return self._told(desktop, seen) if facts.is_known else None

    @staticmethod
    def _told(desktop: Desktop, seen: _Seen) -> DesktopState:
        facts = seen.facts
        return DesktopState(
            slot=desktop.slot,
            kind=DesktopKind(facts.kind),
            name=facts.name,
            is_virtual=desktop.is_virtual,
            width=facts.width,
            height=facts.height,
            dpi=facts.dpi,
            is_locked=facts.is_locked,
            faults=seen.standing.faults,
        )


def changes(before: Condition | None, now: Condition) -> list[tuple[int, str]]:
    """What a log says of it, with the level: each fault that has come, each that has gone."""
    old, new = _lines(before) if before is not None else {}, _lines(now)
    come = [(logging.WARNING, f"unfit: {text}") for what, text in new.items() if what not in old]
    gone = [(what, text) for what, text in old.items() if what not in new]
    unfit = {what[0] for what in new}
    return [*come, *((logging.INFO, _mended(what[0], text, is_fit=what[0] not in unfit)) for what, text in gone)]


def _mended(desktop: str, text: str, *, is_fit: bool) -> str:
    if not is_fit:
        return f"mended, with more still wrong: {text}"
    of = f"desktop {desktop}" if desktop else "the machine"
    return f"{of} is fit again (was: {text.removeprefix(f'{of}: ')})"


def _lines(condition: Condition) -> dict[tuple[str, str, str], str]:
    lines: dict[tuple[str, str, str], str] = {}
    for fault in condition.faults:
        lines["", fault.code, fault.application or ""] = fault.message
    for desktop in condition.desktops:
        for fault in desktop.faults:
            lines[desktop.name, fault.code, ""] = f"desktop {desktop.name}: {fault.message}"
    return lines
