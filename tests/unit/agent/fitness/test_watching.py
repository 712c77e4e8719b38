"""The looks of one daemon, at desktops that a test moves: nothing hangs or is told twice, the gate looks again."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.desktops.facts import DesktopFacts
from agent.desktops.port import Frame, ScreenUnreachedError
from agent.fitness import watch
from agent.fitness.clock import HubClock
from agent.fitness.facts import Wanted
from agent.fitness.watch import Fitness
from agent.output_room import Allowance
from agent.slots import Slots
from agent.wire.condition import Condition, ConditionFault, DesktopKind, DesktopState, FaultCode
from agent.wire.messages import Permit, Stamp
from agent.wire.task import Work
from agent.wire.words import DesktopNeed
from tests.support.waiting import eventually

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
FINE = DesktopFacts(kind="x11", name=":0", width=1280, height=720, dpi=96, is_locked=False)
NEEDY = cast("Work", SimpleNamespace(desktop=DesktopNeed.REQUIRED, desktop_size=""))
ANY = cast("Work", SimpleNamespace(desktop=DesktopNeed.ANY, desktop_size=""))


@dataclass
class Desktop:
    """One that shows what a test says, or nothing at all."""

    slot: int
    facts: DesktopFacts = FINE
    hangs: bool = False
    looks: int = 0
    is_virtual: bool = True
    is_there: bool = True
    is_beginning: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    async def look(self) -> DesktopFacts:
        """What it is now."""
        self.looks += 1
        if self.hangs:
            await asyncio.Event().wait()
        return self.facts

    async def grab(self) -> Frame:
        """Nothing to see."""
        raise ScreenUnreachedError("a test's")


@dataclass
class Machine:
    """As much of a house as looks need; also the desktops and the senses."""

    slots: Slots
    desktops: tuple[Desktop, ...]
    clock: Any = None
    condition: Condition | None = None
    memory: int = 1 << 30
    told: list[Condition] = field(default_factory=list)
    closed_for: set[str] = field(default_factory=set)
    keepers: dict[str, Any] = field(default_factory=dict)
    reading: Callable[[], None] = lambda: None
    hub_clock: HubClock = field(default_factory=HubClock)
    allowance: Allowance = field(default_factory=Allowance)

    def found(self, condition: Condition) -> None:
        """Told."""
        self.condition = condition
        self.told.append(condition)

    def close_for(self, reason: str, *, on: bool = True) -> None:
        """Closed, or open again."""
        (self.closed_for.add if on else self.closed_for.discard)(reason)

    def of_slot(self, slot: int) -> Desktop | None:
        """By slot."""
        return next((one for one in self.desktops if one.slot == slot), None)

    def all(self) -> tuple[Desktop, ...]:
        """Every one."""
        return self.desktops

    def memory_bytes(self) -> int:
        """As the test says."""
        self.reading()
        return self.memory

    def begin(self, slot: int, need: DesktopNeed) -> None:
        """A bot starts."""
        self.slots.set_ready(slot, is_ready=True)
        permit = Permit(epoch=1, slot=slot, generation=1, stamp=Stamp(boot_ns=0, wall_ns=0))
        assert self.slots.take(permit, f"exe_{slot}") == ""
        order = SimpleNamespace(work=SimpleNamespace(desktop=need))
        self.keepers[f"exe_{slot}"] = SimpleNamespace(order=order)

    def programs(self, applications: Mapping[str, str]) -> frozenset[str]:
        """All there."""
        return frozenset({"browser", *applications})


class Clock:
    """The moment does not matter here."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_ns(self) -> int:
        return 0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come often, and hang for a moment only; the disk is another's test."""

    async def find_room(_: object) -> None:
        return

    for name in ("_EVERY_S", "_AGAIN_S", "_SECOND_SIGHT_S"):
        monkeypatch.setattr(watch, name, 0.02)
    monkeypatch.setattr(watch, "_LOOK_S", 0.2)
    monkeypatch.setattr("agent.daemon.output_room.find_room", find_room)


@asynccontextmanager
async def looked_at(*desktops: Desktop) -> AsyncIterator[tuple[Machine, Fitness]]:
    """A machine whose looks go on, once it was found fit."""
    machine = Machine(slots=Slots(2), desktops=desktops, clock=Clock())
    fitness = Fitness(cast("Any", machine), cast("Any", machine), machine, Wanted(memory_bytes=256 << 20))
    looking = asyncio.get_running_loop().create_task(fitness.run())
    try:
        await eventually(lambda: machine.condition is not None)
        yield machine, fitness
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def codes(machine: Machine, slot: int) -> list[FaultCode]:
    """What is told of a slot's desktop."""
    assert machine.condition is not None
    return [fault.code for one in machine.condition.desktops if one.slot == slot for fault in one.faults]


async def test_a_desktop_that_hangs_is_gone_and_delays_nobody() -> None:
    """Its look ends by itself; the other's faults are told meanwhile; when it answers again it is fit."""
    first, second = Desktop(0), Desktop(1)
    async with looked_at(first, second) as (machine, _):
        first.hangs = True
        second.facts = replace(FINE, is_locked=True)
        await eventually(lambda: codes(machine, 1) == [FaultCode.LOCKED])
        await eventually(lambda: codes(machine, 0) == [FaultCode.GONE])
        assert machine.condition is not None
        assert (machine.condition.desktops[0].name, machine.condition.desktops[0].width) == (":0", 1280)
        first.hangs = False
        await eventually(lambda: codes(machine, 0) == [])


async def test_nothing_is_told_that_is_not_new() -> None:
    desktop = Desktop(0)
    async with looked_at(desktop) as (machine, _):
        await eventually(lambda: desktop.looks > 10)
        assert len(machine.told) == 1
        assert (machine.told[0].applications, machine.told[0].faults) == (("browser",), ())


async def looked_again(desktop: Desktop) -> None:
    """Two whole looks later."""
    looks = desktop.looks
    await eventually(lambda: desktop.looks > looks + 2)


@pytest.mark.parametrize("is_virtual", [True, False])
async def test_a_bots_own_window_is_no_fault_and_hides_none(is_virtual: bool) -> None:
    """A pop-up from before a bot stands until no window is in front; what came with the bot is the bot's."""
    desktop = Desktop(0, facts=replace(FINE, in_front="Update"), is_virtual=is_virtual)
    async with looked_at(desktop) as (machine, fitness):
        await eventually(lambda: codes(machine, 0) == [FaultCode.POPUP])
        machine.begin(0 if is_virtual else 1, DesktopNeed.ANY)
        desktop.facts = replace(FINE, in_front="the bot's")
        await looked_again(desktop)
        assert codes(machine, 0) == [FaultCode.POPUP]
        if not is_virtual:
            assert "Update" in await fitness.before_start(0, NEEDY)
        desktop.facts = FINE
        await eventually(lambda: codes(machine, 0) == [])
        desktop.facts = replace(FINE, in_front="the bot's")
        await looked_again(desktop)
        assert codes(machine, 0) == []


async def test_a_bot_without_a_desktop_has_no_window() -> None:
    """What is in front while only such bots run is nobody's."""
    desktop = Desktop(0, is_virtual=False)
    async with looked_at(desktop) as (machine, fitness):
        machine.begin(1, DesktopNeed.NONE)
        desktop.facts = replace(FINE, in_front="Update")
        await eventually(lambda: codes(machine, 0) == [FaultCode.POPUP])
        assert "Update" in await fitness.before_start(0, NEEDY)


@pytest.mark.parametrize("change", [{"dpi": 0}, {"dpi": 10**9}, {"width": 20_000}, {"height": -1}])
async def test_a_number_that_no_desktop_has_is_not_told(change: dict[str, Any]) -> None:
    """Any bot may set Xft.dpi, and some desktops are wider than others: nobody else is disturbed."""
    desktop = Desktop(0)
    async with looked_at(desktop, Desktop(1)) as (machine, fitness):
        desktop.facts = replace(FINE, **change)
        await looked_again(desktop)
        assert machine.condition is not None
        told = machine.condition.desktops[0]
        assert getattr(told, next(iter(change))) is None
        assert await fitness.before_start(0, NEEDY) == ""
        desktop.facts = FINE
        await eventually(lambda: machine.told[-1].desktops[0].dpi == 96 and machine.told[-1].desktops[0].width == 1280)


async def test_a_desktop_that_cannot_be_told_is_gone_and_the_looks_go_on() -> None:
    """Whatever else is wrong with what is found there, only that desktop suffers."""
    odd = Desktop(0)
    async with looked_at(odd, Desktop(1)) as (machine, fitness):
        odd.facts = replace(FINE, is_locked=cast("Any", "no such thing"))
        await eventually(lambda: FaultCode.GONE in codes(machine, 0))
        assert codes(machine, 1) == []
        odd.facts = replace(FINE, remedy=cast("Any", None), problem="no answer")
        await looked_again(odd)
        assert "internal error" in await fitness.before_start(0, NEEDY)
        odd.facts = FINE
        await eventually(lambda: codes(machine, 0) == [])


@pytest.mark.parametrize(
    ("is_virtual", "environment", "told"),
    [
        (True, {}, ["of slot 0"]),
        (True, {"DISPLAY": ":7"}, [":7"]),
        (False, {"DISPLAY": ":0"}, [":0"]),
        (False, {"WAYLAND_DISPLAY": "wayland-0"}, ["wayland-0"]),
    ],
)
async def test_a_desktop_that_hangs_from_the_first_look_on_is_told(
    is_virtual: bool, environment: dict[str, str], told: list[str]
) -> None:
    """As gone, not as missing: the hub knows which runner to wait for."""
    async with looked_at(Desktop(0, hangs=True, is_virtual=is_virtual, environment=environment)) as (machine, _):
        assert machine.condition is not None
        assert [one.name for one in machine.condition.desktops] == told
        assert codes(machine, 0) == [FaultCode.GONE]


async def test_a_desktop_is_told_when_it_is_known_whether_it_begins() -> None:
    """Servers start one after the other: the last is not gone while the first starts."""
    last = Desktop(1, facts=DesktopFacts(kind="x11", problem="not started yet"), is_beginning=True)
    first = Desktop(0)
    machine = Machine(slots=Slots(2), desktops=(first, last), clock=Clock())
    fitness = Fitness(cast("Any", machine), cast("Any", machine), machine, Wanted())
    looking = asyncio.get_running_loop().create_task(fitness.run())
    try:
        await looked_again(first)
        assert (machine.told, last.looks) == ([], 0)
        last.facts, last.is_beginning = FINE, False
        await eventually(lambda: machine.told)
        assert (codes(machine, 1), len(machine.told)) == ([], 1)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def test_what_is_mended_is_logged_as_news_and_not_as_a_warning() -> None:
    """Each by its place; with more wrong there it is not fit yet."""

    def seen(*codes: FaultCode) -> Condition:
        faults = tuple(ConditionFault(code=code, message=f"it is {code}", since=START) for code in codes)
        return Condition(desktops=(DesktopState(slot=1, kind=DesktopKind.X11, name=":1", faults=faults),))

    both = seen(FaultCode.LOCKED, FaultCode.POPUP)
    locked = seen(FaultCode.LOCKED)
    assert watch.changes(seen(), locked) == [(logging.WARNING, "unfit: desktop :1: it is locked")]
    assert watch.changes(both, locked) == [(logging.INFO, "mended, with more still wrong: desktop :1: it is popup")]
    assert watch.changes(locked, seen()) == [(logging.INFO, "desktop :1 is fit again (was: it is locked)")]


async def test_a_file_system_that_hangs_takes_one_thread(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is looked at: others' readings go on, and so do the looks when it answers again."""
    desktop, answers, begun = Desktop(0), threading.Event(), []
    async with looked_at(desktop) as (machine, _):

        def hang() -> None:
            begun.append(1)
            answers.wait()

        try:
            machine.reading = hang
            await eventually(lambda: begun)
            await eventually(lambda: caplog.text.count("took longer") >= 3)
            assert len(begun) == 1
        finally:
            machine.reading = lambda: None
            answers.set()
        machine.memory = 1 << 20
        await eventually(lambda: machine.closed_for)


async def test_little_memory_closes_all_slots_and_opens_them_again() -> None:
    async with looked_at(Desktop(0)) as (machine, _):
        machine.memory = 1 << 20
        await eventually(lambda: machine.closed_for)
        assert machine.condition is not None
        assert [fault.code for fault in machine.condition.faults] == [FaultCode.LOW_MEMORY]
        machine.memory = 1 << 30
        await eventually(lambda: not machine.closed_for)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"is_locked": True}, "the desktop of slot 0: the desktop is locked"),
        ({"in_front": "Update"}, "the desktop of slot 0: a window that is no bot's is in front: Update"),
    ],
)
async def test_the_gate_looks_once_more(change: dict[str, Any], why: str) -> None:
    """D7: what has come since the last look keeps the bot from starting, and is told at once; `any` starts."""
    desktop = Desktop(0)
    async with looked_at(desktop) as (machine, fitness):
        assert await fitness.before_start(0, NEEDY) == ""
        assert await fitness.before_start(1, NEEDY) == "slot 1 has no desktop"
        desktop.facts = replace(FINE, **change)
        assert await fitness.before_start(0, NEEDY) == why
        assert len(codes(machine, 0)) == 1
        assert await fitness.before_start(0, ANY) == ""


async def test_the_gate_does_not_wait_for_a_desktop_that_hangs() -> None:
    desktop = Desktop(0)
    async with looked_at(desktop) as (_, fitness):
        desktop.hangs = True
        # As long as any look: who answers slowly is not fit for looks and unfit for orders.
        assert "no answer within 0.2 s" in await fitness.before_start(0, NEEDY)
        desktop.hangs = False
        sized = cast("Work", SimpleNamespace(desktop=DesktopNeed.REQUIRED, desktop_size="1920x1080"))
        assert "the bot needs 1920x1080" in await fitness.before_start(0, sized)
