"""A simulated machine with one home: the real daemon, incarnation after incarnation; shims and bots that outlive it.

    daemon  `agent.daemon.root.run` with every port of `root.Ports` simulated
    shim    `agent.shim.supervisor`, see `kernel.py`
    disk    `disk.py`, spool `spool.py`: both outlive everything, the disk only what was synced

Kills may be armed: `after_steps=n` strikes before the n-th next call to the system that the victim makes, so that
crashes fall between any two of them.
"""

import asyncio
import errno
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from agent.config import Settings
from agent.daemon import root
from agent.daemon.bots import Bots
from agent.daemon.uplink import Uplink
from agent.desktops.nothing import NoDesktops
from agent.errors import AgentError
from agent.gateway_port import ExecutionGoneError, TooManyReportsError
from agent.home import Home, Membership
from agent.keys import public_key
from agent.ports.files import Disk
from agent.wire.enrolment import EnrolmentRequest
from agent.wire.facts import ReportFact
from agent.wire.words import ReportStatus
from tests.simulation.bots import CallFailed
from tests.simulation.builds import SimBuilds
from tests.simulation.clock import HostClock
from tests.simulation.disk import SimDisk
from tests.simulation.doors import SIGTERM, SimDoors
from tests.simulation.hardware import SimMachine
from tests.simulation.hub import ORIGIN, SimHub
from tests.simulation.kernel import Board, Kernel, SimShims
from tests.simulation.machine import Surroundings
from tests.simulation.network import Wire
from tests.simulation.nodes import FolderNode, Node
from tests.simulation.process import Host, Killed, Process, outside
from tests.simulation.sockets import Descriptors
from tests.simulation.spool import Databases
from tests.simulation.strikes import Strikes

T = TypeVar("T")
_CALL_S = 27.0
_SPOOL = "spool.db"
_UNWIND_S = 1.0
"""From an error of a disk that was full to the end of the daemon, when there is room again meanwhile."""


class SimRunner:
    """See the module, and `tests.simulation.machine.Machine`."""

    def __init__(self, around: Surroundings, name: str, hub: SimHub, slots: int = 1) -> None:
        self.name = name
        self.host = Host(name)
        self.wire: Wire = around.network.wire(name)
        self.clock = HostClock(around.loop, self.host)
        self.disk = SimDisk(around.chance.stream(f"disk {name}"))
        self.process: Process | None = None
        """The daemon's; it may be dead."""
        self.ends: list[BaseException] = []
        """Why daemons ended by themselves, with a sentence for people (`AgentError`)."""
        self.home = Path(f"/simulated/{name}/home")
        self._around = around
        self._loop = around.loop
        self._hub = hub
        self._slots = slots
        self._membership: Membership | None = None
        self._machine = SimMachine(name, self.host)
        self._spools = Databases(around.loop, self.disk, around.chance.stream(f"spool {name}"))
        self._failures: list[BaseException] = []
        self._full_s = float("-inf")
        self._gateway: Bots | None = None
        self._strikes = Strikes()
        self.disk.before_step = self._strikes.before_step
        self._kernel = Kernel(
            Board(
                name=name,
                loop=around.loop,
                clock=self.clock,
                disk=self.disk,
                recorder=around.recorder,
                script_of=around.script_of,
                gateway=self,
                runner_id=lambda: self.runner_id,
            ),
            Descriptors(),
        )

    # --- what a world sees ---

    @property
    def runner_id(self) -> str:
        """What its enrolment gave it; empty before."""
        return self._membership.runner_id if self._membership else ""

    @property
    def is_daemon_up(self) -> bool:
        """Whether a daemon runs."""
        return self.process is not None and self.process.is_alive

    @property
    def living(self) -> Sequence[str]:
        """Executions whose shim lives, oldest first."""
        return [shim.order.execution_id for shim in self._kernel.shims if shim.order is not None]

    @property
    def bots(self) -> Sequence[str]:
        """Executions of whose bot a process lives."""
        return [bot.execution_id for bot in self._kernel.bots]

    @property
    def failures(self) -> Sequence[BaseException]:
        """What ended a daemon or a shim although nobody ended it."""
        return [*self._failures, *self._kernel.failures]

    def leftovers(self) -> Sequence[str]:
        """What is there although all is over (C11)."""
        folder = self.disk.find(self.home / "executions")
        names = sorted(folder.names) if isinstance(folder, FolderNode) else []
        return [
            *(f"shim of {one}" for one in self.living),
            *(f"bot of {one}" for one in self.bots),
            *(f"folder {one}" for one in names),
            *(f"facts of {one}" for one in self._spools.facts(self.home / _SPOOL)),
        ]

    # --- life ---

    async def start(self) -> None:
        """Start the daemon (again); the machine is switched on where it was off, and enrolled where it is new."""
        if self.is_daemon_up:
            return
        if self.host.is_off:
            self.host.restart(self._loop.now)
        if self._membership is None:
            self._membership = await self._enrol()
        self.process = process = self._loop.process(f"{self.name}.agent", self.host)
        process.on_death.append(self._daemon_died)
        task = self._loop.spawn(process, self._live(), "daemon")
        task.add_done_callback(lambda done: self._daemon_ended(process, done), context=outside())

    def kill_daemon(self, after_steps: int = 0) -> None:
        """Kill -9: its shims and bots live on."""
        if self.process is not None and self.process.is_alive:
            self._strikes.arm(self.process, after_steps, lambda: self._loop.kill(self._living_daemon()))

    def stop_daemon(self) -> None:
        """SIGTERM: no new work, bots stay, gone within ten seconds (R26)."""
        process = self.process
        if process is not None and process.is_alive and SIGTERM in process.signals:
            process.context.copy().run(self._loop.call_soon, process.signals[SIGTERM])
        elif process is not None:
            # It listens to no signals yet, and ends as any process does.
            self._loop.kill(process)

    def freeze(self) -> None:
        """SIGSTOP of the daemon."""
        if self.process is not None and self.process.is_alive:
            self._loop.stop_process(self.process)

    def go_on(self) -> None:
        """SIGCONT; without effect on one that runs."""
        self._strikes.clear()
        if self.process is not None and self.process.is_alive:
            self._loop.continue_process(self.process)

    def kill_shim(self, execution_id: str, after_steps: int = 0) -> None:
        """Kill -9 of one shim."""
        for shim in self._kernel.shims:
            if shim.order is not None and shim.order.execution_id == execution_id:
                self._strikes.arm(shim.process, after_steps, lambda shim=shim: self._kernel.kill_shim(shim))  # type: ignore[misc]  # a default binds it now

    def crash(self, after_steps: int = 0) -> None:
        """The machine loses power: what was not synced is gone, or a part of it; `start` boots it again."""
        self._strikes.arm(None, after_steps, self._lose_power)

    def fill_disk(self, *, full: bool) -> None:
        """Let every write that needs room fail with ENOSPC, or no more."""
        self.disk.is_full = full
        self._spools.fill(full=full)
        self._full_s = self._loop.now

    def break_disk(self, after_steps: int = 1) -> None:
        """Let a coming sync fail with EIO: the next of the machine, or a later one."""
        self._strikes.arm(None, after_steps, self._fail_sync, kinds=frozenset({"sync", "commit"}))

    # --- homes that are no longer what they were (core.md D8, R40) ---

    def copy_home(self) -> Node:
        """The home as a backup of this moment has it."""
        copy = self.disk.snapshot(self.home)
        self._spools.freeze(copy, _SPOOL)
        return copy

    def put_home(self, copy: Node) -> None:
        """Restore a backup, or put another machine's home here; only without a daemon, shims and bots."""
        assert not self.is_daemon_up
        assert not self._kernel.shims, "shims stand in the folders of the home that goes"
        if self.disk.find(self.home.parent) is None:
            self.disk.make_folder(self.home.parent)
        self.disk.put_back(self.home, copy)

    def wipe_home(self) -> None:
        """Remove it all; the next `start` enrols anew."""
        assert not self.is_daemon_up
        self.disk.wipe(self.home)
        self._membership = None

    # --- `tests.simulation.bots.Gateway` ---

    async def finish(self, token: str, status: ReportStatus) -> bool:
        """A bot's report, by the real `Bots`; calls wait in the backlog while no daemon listens."""
        process, bots = self.process, self._gateway
        if process is None or bots is None or not process.is_alive:
            raise CallFailed
        answer: asyncio.Future[bool] = self._loop.create_future()
        broken = lambda: None if answer.done() else answer.set_exception(CallFailed())  # noqa: E731 - as it dies
        process.on_death.append(broken)
        task = self._loop.spawn(process, self._record(bots, token, status), "gateway call")
        task.add_done_callback(lambda done: _pass_on(done, answer), context=outside())
        try:
            async with asyncio.timeout(_CALL_S):
                return await answer
        except TimeoutError:
            raise CallFailed from None
        finally:
            process.on_death.remove(broken)

    async def _record(self, bots: Bots, token: str, status: ReportStatus) -> bool:
        bot = bots.execution(token)
        if bot is None:
            if bots.adopting:
                raise CallFailed
            return False
        report = ReportFact(at=self.clock.now(), status=status, late=bot.reaped)
        try:
            await bots.record_report(bot.execution_id, report)
        except (ExecutionGoneError, TooManyReportsError):
            return False
        return True

    # --- inside ---

    def _home(self) -> Home:
        return Home(self.home, self.disk, io.BytesIO(), self._machine)

    async def _enrol(self) -> Membership:
        """As `botyard-agent enroll` does."""
        self.disk.make_folder(self.home)
        home = self._home()
        key = self._around.chance.key(self.name).private_bytes_raw()
        home_id, fingerprint = home.introduction()
        request = EnrolmentRequest(
            name=self.name,
            key=public_key(key),
            home_id=home_id,
            fingerprint=fingerprint,
            slots=self._slots,
            platform=self._machine.describe(),
        )
        view = await self._hub.enrol(request)
        membership = Membership(
            hub_url=ORIGIN,
            hub_id=self._hub.identity.hub_id,
            hub_key=self._hub.identity.key,
            runner_id=view.runner.id,
            workspace=view.workspace,
            name=view.runner.name,
            slots=self._slots,
            insecure=True,
        )
        home.prepare(key, home_id, fingerprint)
        home.join_hub(membership)
        return membership

    async def _live(self) -> int:
        ports = root.Ports(
            clock=self.clock,
            disk=self.disk,
            machine=self._machine,
            shims=SimShims(self._kernel),
            doors=SimDoors(self),
            senses=None,
            dial=self._around.network.dialler(self.name),
            open_spool=self._spools.open,
            make_builds=_builds,
            make_desktops=lambda *_: NoDesktops(),
        )
        return await root.run(self._home(), Settings(), ports)

    def opened(self, bots: Bots) -> None:
        """The daemon takes bots' calls from here on."""
        self._gateway = bots

    def _living_daemon(self) -> Process:
        assert self.process is not None
        return self.process

    def _daemon_died(self) -> None:
        self._gateway = None

    def _daemon_ended(self, process: Process, done: "asyncio.Task[int]") -> None:
        """It ended by itself: asked to, or with a sentence, or with what nobody met."""
        error = None if done.cancelled() else done.exception()
        if isinstance(error, AgentError):
            self.ends.append(error)
        was_full = self.disk.is_full or self._loop.now - self._full_s < _UNWIND_S
        # One that starts on a full disk may end with a sentence; with anything else it may not, on no disk (R27).
        is_told = isinstance(error, AgentError) and was_full
        if error is not None and not isinstance(error, Killed) and not self._kernel.disk_failed and not is_told:
            self._failures.append(error)
        self._loop.kill(process)

    def _lose_power(self) -> None:
        self.host.is_off = True
        if self.process is not None:
            self._loop.kill(self.process)
        self._kernel.lose_power()
        self.disk.lose_power()
        self._strikes.clear()

    def _fail_sync(self) -> None:
        self._kernel.disk_failed = True
        raise OSError(errno.EIO, os.strerror(errno.EIO))


async def _builds(home: Home, settings: Settings, disk: Disk, uplink: Uplink) -> SimBuilds:
    return SimBuilds(home.path, disk, uplink.preparation)


def _pass_on(done: "asyncio.Task[T]", answer: "asyncio.Future[T]") -> None:
    if answer.done():
        return
    error = None if done.cancelled() else done.exception()
    if done.cancelled() or isinstance(error, Killed):
        answer.set_exception(CallFailed())
    elif error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())
