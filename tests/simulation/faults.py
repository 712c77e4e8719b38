"""What goes wrong in a world: each fault by name, done to whatever the seed chooses, undone by itself or by healing.

A fault is written into the history before it strikes, since an excuse is looked up there.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.history.events import Fault, FaultKind
from tests.history.recorder import Recorder
from tests.simulation.hub import SimHub
from tests.simulation.loop import SimLoop
from tests.simulation.machine import Machine
from tests.simulation.pipes import Direction

_DAY_S = 86_400.0


class Trouble(StrEnum):
    """Every kind of fault, as the tally names it."""

    HUB_KILLED = "hub killed"
    HUB_STOPPED = "hub stopped"
    HUB_POWER = "hub without power"
    HUB_FROZEN = "hub frozen"
    HUB_DISK_SLOW = "hub's disk slow"
    DAEMON_KILLED = "daemon killed"
    DAEMON_STOPPED = "daemon stopped"
    DAEMON_FROZEN = "daemon frozen"
    SHIM_KILLED = "shim killed"
    HOST_CRASHED = "host crashed"
    HOST_SLEPT = "host slept"
    LINK_CUT = "link cut"
    LINK_SILENT = "link silent"
    HUB_DEAF = "hub deaf"
    RUNNER_DEAF = "runner deaf"
    LINK_SLOW = "link slow"
    FRAMES_TWICE = "frames twice"
    CLOCK_SET = "clock set"
    CLOCK_DRIFTS = "clock drifts"
    DISK_FULL = "disk full"
    DISK_ERROR = "disk error"


@dataclass(slots=True, kw_only=True)
class Stage:
    """What faults can reach."""

    loop: SimLoop
    hub: SimHub
    machines: Sequence[Machine]
    recorder: Recorder
    order: random.Random
    tried: Counter[str] = field(default_factory=Counter)


class Injector:
    """Draws faults and does them; many may be active at once."""

    def __init__(self, stage: Stage, kinds: Sequence[Trouble]) -> None:
        self._stage = stage
        self._kinds = kinds
        self._until_s = 0.0

    async def run(self, until_s: float, mean_gap_s: float) -> None:
        """Strike until that moment, then wait for what is under way."""
        stage = self._stage
        self._until_s = until_s
        async with asyncio.TaskGroup() as group:
            while True:
                gap_s = stage.order.expovariate(1.0 / mean_gap_s)
                # Some come at once after another, where a recovery is under way.
                gap_s = stage.order.random() * 0.2 if stage.order.random() < 0.25 else gap_s
                if stage.loop.now + gap_s >= until_s:
                    break
                await asyncio.sleep(gap_s)
                group.create_task(self.strike(stage.order.choice(self._kinds)))
            await asyncio.sleep(max(0.0, until_s - stage.loop.now))

    async def strike(self, kind: Trouble) -> None:
        """Do one of that kind to whatever the seed chooses, and undo it after a while where it does not end itself."""
        machine = self._stage.order.choice(self._stage.machines)
        if await _ACTS[kind](self, machine):
            self._stage.tried[str(kind)] += 1

    async def heal(self) -> None:
        """Undo everything: hub and daemons run, links carry, disks have room, clocks run true."""
        stage = self._stage
        if stage.hub.process is not None:
            stage.loop.continue_process(stage.hub.process)
        stage.hub.stalls = 0.0
        for machine in stage.machines:
            machine.wire.heal()
            machine.fill_disk(full=False)
            stage.loop.change_rate(machine.host, 1.0)
        if not stage.hub.is_up:
            stage.hub.crash()
            await stage.hub.start()
        for machine in stage.machines:
            machine.go_on()
            if not machine.is_daemon_up:
                await machine.start()

    # --- acts: each tells whether it did anything ---

    async def hub_killed(self, machine: Machine) -> bool:
        """Kill -9, and a new one after a while."""
        return await self._hub_down(FaultKind.HUB_KILLED, self._stage.hub.crash)

    async def hub_power(self, machine: Machine) -> bool:
        """The hub's machine goes; its runners are not told."""
        return await self._hub_down(FaultKind.HUB_KILLED, self._stage.hub.lose_power)

    async def hub_stopped(self, machine: Machine) -> bool:
        """SIGTERM."""
        stage = self._stage
        if not stage.hub.is_up:
            return False
        stage.recorder.add(Fault, what=FaultKind.HUB_STOPPED)
        await stage.hub.stop()
        await self._a_while(0.5, 60.0)
        await self._hub_up()
        return True

    async def hub_frozen(self, machine: Machine) -> bool:
        """SIGSTOP for a while (R7)."""
        process = self._stage.hub.process
        if process is None or not process.is_alive or process.held is not None:
            return False
        self._stage.recorder.add(Fault, what=FaultKind.SUSPENDED, note="hub")
        self._stage.loop.stop_process(process)
        await self._a_while(1.0, 60.0)
        self._stage.loop.continue_process(process)
        return True

    async def hub_disk_slow(self, machine: Machine) -> bool:
        """Commits take up to three seconds now and then."""
        self._stage.hub.stalls = 0.1
        await self._a_while(5.0, 60.0)
        self._stage.hub.stalls = 0.0
        return True

    async def daemon_killed(self, machine: Machine) -> bool:
        """Kill -9; its shims live on."""
        if not machine.is_daemon_up:
            return False
        self._note(FaultKind.DAEMON_KILLED, machine)
        machine.kill_daemon()
        await self._daemon_up(machine)
        return True

    async def daemon_stopped(self, machine: Machine) -> bool:
        """SIGTERM."""
        if not machine.is_daemon_up:
            return False
        self._note(FaultKind.DAEMON_STOPPED, machine)
        machine.stop_daemon()
        await asyncio.sleep(12.0)
        if machine.is_daemon_up:
            machine.kill_daemon()
        await self._daemon_up(machine)
        return True

    async def daemon_frozen(self, machine: Machine) -> bool:
        """SIGSTOP for a while."""
        if not machine.is_daemon_up:
            return False
        self._note(FaultKind.SUSPENDED, machine, "daemon")
        machine.freeze()
        await self._a_while(1.0, 90.0)
        machine.go_on()
        return True

    async def shim_killed(self, machine: Machine) -> bool:
        """Kill -9 of a shim that has an order."""
        if not machine.living:
            return False
        execution_id = self._stage.order.choice(machine.living)
        self._stage.recorder.add(Fault, what=FaultKind.SHIM_KILLED, runner=machine.runner_id, execution=execution_id)
        machine.kill_shim(execution_id)
        return True

    async def host_crashed(self, machine: Machine) -> bool:
        """The runner's machine loses power, and boots again."""
        if machine.host.is_off:
            return False
        self._note(FaultKind.HOST_CRASHED, machine)
        machine.crash()
        await self._daemon_up(machine, 5.0, 120.0)
        return True

    async def host_slept(self, machine: Machine) -> bool:
        """Suspended, up to three hours (R39)."""
        if machine.host.is_off or machine.host.is_asleep(self._stage.loop.now):
            return False
        self._note(FaultKind.SUSPENDED, machine)
        seconds = self._stage.order.choice([5.0, 29.0, 31.0, 60.0, 600.0, 10_800.0])
        left_s = max(1.0, self._until_s - self._stage.loop.now)
        seconds = min(seconds, left_s) if seconds < 10_800.0 else left_s
        self._stage.loop.sleep_host(machine.host, seconds)
        await asyncio.sleep(seconds)
        return True

    async def link_cut(self, machine: Machine) -> bool:
        """Both ends see it."""
        self._note(FaultKind.LINK_CUT, machine)
        machine.wire.cut()
        return True

    async def link_silent(self, machine: Machine) -> bool:
        """Nothing arrives in either direction (R42)."""
        return await self._silence(machine, FaultKind.LINK_HALF_OPEN, *Direction)

    async def hub_deaf(self, machine: Machine) -> bool:
        """Only what the runner says is lost (R43)."""
        return await self._silence(machine, FaultKind.LINK_ONE_WAY, Direction.UP)

    async def runner_deaf(self, machine: Machine) -> bool:
        """Only what the hub says is lost (R43)."""
        return await self._silence(machine, FaultKind.LINK_ONE_WAY, Direction.DOWN)

    async def link_slow(self, machine: Machine) -> bool:
        """Frames take up to some seconds, a `Start` longer than its credit lives now and then (R3)."""
        self._note(FaultKind.LINK_SLOW, machine)
        most_s = self._stage.order.choice([0.5, 3.0, 12.0, 33.0])
        machine.wire.delay(most_s / 10, most_s, *self._directions())
        await self._a_while(5.0, 90.0)
        machine.wire.heal()
        return True

    async def frames_twice(self, machine: Machine) -> bool:
        """Whole frames arrive a second time (R45)."""
        self._note(FaultKind.FRAME_REPEATED, machine)
        machine.wire.repeat(self._stage.order.choice([0.02, 0.2, 1.0]), *self._directions())
        await self._a_while(1.0, 30.0)
        machine.wire.repeat(0.0)
        return True

    async def clock_set(self, machine: Machine) -> bool:
        """A runner's wall clock is set, up to a day off (R38)."""
        self._note(FaultKind.CLOCK_JUMPED, machine)
        machine.host.jump(self._stage.order.choice([-_DAY_S, -3600.0, -31.0, -0.5, 0.5, 31.0, 3600.0, _DAY_S]))
        return True

    async def clock_drifts(self, machine: Machine) -> bool:
        """A runner's clocks run up to 10 % wrong (R38)."""
        self._note(FaultKind.CLOCK_JUMPED, machine, "drift")
        self._stage.loop.change_rate(machine.host, self._stage.order.choice([0.9, 0.99, 1.01, 1.1]))
        return True

    async def disk_full(self, machine: Machine) -> bool:
        """The runner's disk takes nothing for a while (R27)."""
        self._note(FaultKind.DISK_FULL, machine)
        machine.fill_disk(full=True)
        await self._a_while(1.0, 120.0)
        machine.fill_disk(full=False)
        return True

    async def disk_error(self, machine: Machine) -> bool:
        """A sync fails on the runner's disk: whoever asked for it ends (G9)."""
        if not machine.is_daemon_up:
            return False
        self._note(FaultKind.DISK_ERROR, machine)
        machine.break_disk()
        await self._daemon_up(machine)
        return True

    # --- inside ---

    def _note(self, kind: FaultKind, machine: Machine, note: str = "") -> None:
        self._stage.recorder.add(Fault, what=kind, runner=machine.runner_id, note=note)

    async def _a_while(self, low_s: float, high_s: float) -> None:
        """Wait, short times more often than long ones, and never beyond the end of the faults."""
        wait_s = low_s * (high_s / low_s) ** self._stage.order.random()
        await asyncio.sleep(min(wait_s, max(0.0, self._until_s - self._stage.loop.now)))

    async def _hub_down(self, kind: FaultKind, act: Callable[[], None]) -> bool:
        if not self._stage.hub.is_up:
            return False
        self._stage.recorder.add(Fault, what=kind)
        act()
        await self._a_while(0.2, 120.0)
        await self._hub_up()
        return True

    async def _hub_up(self) -> None:
        hub = self._stage.hub
        if hub.process is None or not hub.process.is_alive:
            await hub.start()

    async def _daemon_up(self, machine: Machine, low_s: float = 0.1, high_s: float = 60.0) -> None:
        await self._a_while(low_s, high_s)
        if not machine.is_daemon_up:
            await machine.start()

    async def _silence(self, machine: Machine, kind: FaultKind, *directions: Direction) -> bool:
        self._note(kind, machine)
        machine.wire.silence(*directions)
        await self._a_while(1.0, 200.0)
        machine.wire.heal()
        return True

    def _directions(self) -> Sequence[Direction]:
        return self._stage.order.choice([(Direction.UP,), (Direction.DOWN,), tuple(Direction)])


Act = Callable[[Injector, Machine], Awaitable[bool]]
_ACTS: dict[Trouble, Act] = {kind: getattr(Injector, kind.name.lower()) for kind in Trouble}
