"""The processes of a simulated machine: zygote, shims and bots, with ids that are used again as soon as they are free.

`SimShims` is what the daemon sees of them (`agent.shims_port.Shims`). A shim is the real `agent.shim.supervisor`, turn
by turn in a coroutine of its own process: it outlives its daemon and dies with its machine.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.cgroups.choice import Hierarchies
from agent.process import same_process
from agent.shim.client import ShimClient, ShimGone
from agent.shim.order import ShimOrder, decode_order, encode_order
from agent.shim.ports import ShimPorts
from agent.shim.supervisor import Supervisor, begin
from agent.shim.verdict import Verdict, VerdictDesk, encode_verdict
from agent.shims_port import RunningShim, ZygoteGone
from agent.verdict_wait import await_verdict
from tests.history.recorder import Recorder
from tests.simulation.bots import SIGKILL, Bot, Gateway, SimBody, play
from tests.simulation.clock import HostClock
from tests.simulation.disk import SimDisk
from tests.simulation.loop import SimLoop
from tests.simulation.machine import ScriptOf
from tests.simulation.process import CURRENT, Killed, Process, check_alive, outside
from tests.simulation.sockets import Descriptors, Doors, Readable, SimWaiter

_FIRST_PID = 100
_FORK_S = 0.001
_TURN_S = 0.00002


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What a machine's processes stand on."""

    name: str
    """The host's."""
    loop: SimLoop
    clock: HostClock
    disk: SimDisk
    recorder: Recorder
    script_of: ScriptOf
    gateway: Gateway
    runner_id: Callable[[], str]


@dataclass(slots=True, kw_only=True, eq=False)
class Shim:
    """One shim's process; `order` is None while it is idle."""

    pid: int
    start: str
    process: Process
    order: ShimOrder | None = None
    bot: Bot | None = None


class Kernel:
    """See the module."""

    def __init__(self, board: Board, descriptors: Descriptors) -> None:
        self.board = board
        self.sockets = Doors(board.loop, descriptors)
        self.failures: list[BaseException] = []
        self.disk_failed = False
        """Whether an error of the disk explains the end of a process."""
        self._descriptors = descriptors
        self._starts: dict[int, str] = {}
        self._count = 0
        self._shims: list[Shim] = []
        self._bots: list[Bot] = []

    # --- the world's side ---

    @property
    def shims(self) -> list[Shim]:
        """Living ones with an order, oldest first."""
        return [shim for shim in self._shims if shim.process.is_alive and shim.order is not None]

    @property
    def bots(self) -> list[Bot]:
        """Living ones, oldest first."""
        return [bot for bot in self._bots if bot.is_alive]

    def kill_shim(self, shim: Shim) -> None:
        """Kill -9: its bot has asked to die with its parent."""
        self.board.loop.kill(shim.process)

    def lose_power(self) -> None:
        """Everything ends, and nobody sees how."""
        for bot in self.bots:
            bot.lose()
            self.board.loop.kill(bot.process)
        for shim in list(self._shims):  # each takes itself away as it dies
            self.board.loop.kill(shim.process)
        self._bots.clear()
        self._shims.clear()
        self._starts.clear()

    # --- processes ---

    def start_of(self, pid: int) -> str | None:
        """See `agent.process.start_of`."""
        check_alive()
        return self._starts.get(pid)

    def fork_shim(self, daemon: Process) -> Shim:
        """An idle shim; without its daemon it ends."""
        pid, start = self._new_pid()
        process = self.board.loop.process(f"{self.board.name}.shim{self._count}", self.board.clock.host)
        shim = Shim(pid=pid, start=start, process=process)
        process.on_death.append(lambda: self._shim_died(shim))
        daemon.on_death.append(lambda: self.end_idle(shim))
        self._shims.append(shim)
        return shim

    def end_idle(self, shim: Shim) -> None:
        """End of file on the channel of a shim that has no order."""
        if shim.order is None:
            self.board.loop.kill(shim.process)

    def begin_shim(self, shim: Shim, order: ShimOrder, answer: Callable[[bytes], None]) -> None:
        """The order has arrived."""
        shim.order = order
        # The end of a shim without an answer is an empty one; after an answer it says nothing new.
        shim.process.on_death.append(lambda: answer(b""))
        work = self._run_shim(shim, order, lambda verdict: answer(encode_verdict(verdict)))
        task = self.board.loop.spawn(shim.process, work, "shim")
        task.add_done_callback(lambda done: self._shim_ended(shim, done), context=outside())

    def kill_bots(self, execution_id: str, started_after_boot_ns: int) -> None:
        """SIGKILL for what has the execution's variable and began after its verdict."""
        for bot in self.bots:
            if bot.execution_id == execution_id and bot.began_boot_ns >= started_after_boot_ns:
                bot.end(self.board.loop, signal=SIGKILL)

    def kill_pid(self, pid: int) -> None:
        """SIGKILL for a process and what is below it."""
        for shim in [each for each in self._shims if each.pid == pid and each.process.is_alive]:
            self.board.loop.kill(shim.process)
        for bot in [each for each in self.bots if each.pid == pid]:
            bot.end(self.board.loop, signal=SIGKILL)

    # --- inside ---

    def _new_pid(self) -> tuple[int, str]:
        self._count += 1
        pid = next(number for number in range(_FIRST_PID, 1 << 16) if number not in self._starts)
        self._starts[pid] = f"{self.board.clock.host.boots}:{self._count}"
        return pid, self._starts[pid]

    def _shim_died(self, shim: Shim) -> None:
        self._starts.pop(shim.pid, None)
        if shim in self._shims:
            self._shims.remove(shim)
        if shim.bot is not None and shim.bot.is_alive:
            shim.bot.end(self.board.loop, signal=SIGKILL)

    def _shim_ended(self, shim: Shim, done: "asyncio.Task[None]") -> None:
        error = None if done.cancelled() else done.exception()
        is_excused = isinstance(error, Killed) or (isinstance(error, OSError) and self.disk_failed)
        if error is not None and not is_excused:
            self.failures.append(error)
        self.board.loop.kill(shim.process)

    async def _run_shim(self, shim: Shim, order: ShimOrder, answer: Callable[[Verdict], None]) -> None:
        board = self.board
        waiter = SimWaiter(board.loop, board.clock, self._descriptors)
        body = SimBody(
            loop=board.loop,
            disk=board.disk,
            descriptors=self._descriptors,
            make_bot=lambda order, streams, wake: self._make_bot(shim, order, streams, wake),
        )
        ports = ShimPorts(
            clock=board.clock,
            disk=board.disk,
            waiter=lambda _: waiter,
            sockets=self.sockets,
            body=body,
            whoami=lambda: (shim.pid, shim.start),
        )
        supervisor: Supervisor | None = begin(order, (), answer, ports)
        if supervisor is None:
            return
        while not supervisor.is_over:
            await waiter.until(supervisor.next_due_ns())
            supervisor.turn()
            await asyncio.sleep(_TURN_S)  # a turn takes time: a shim that is due a microsecond ago gets there
        supervisor.end()

    def _make_bot(self, shim: Shim, order: ShimOrder, streams: dict[str, Readable], wake: Readable) -> Bot:
        board = self.board
        pid, start = self._new_pid()
        process = board.loop.process(f"{board.name}.bot{self._count}", board.clock.host)
        process.on_death.append(lambda: self._starts.pop(pid, None))
        bot = Bot(
            execution_id=order.execution_id,
            pid=pid,
            start=start,
            began_boot_ns=board.clock.boot_ns(),
            process=process,
            script=board.script_of(order.env["BOTYARD_TASK_ID"], order.fence),
            streams=streams,
            wake=wake,
            recorder=board.recorder,
        )
        self._bots = [*self.bots, bot]
        shim.bot = bot
        board.loop.spawn(process, play(bot, order, board.gateway, board.loop, board.runner_id()), "bot")
        return bot


class SimIdleShim:
    """See `agent.shims_port.IdleShim`."""

    def __init__(self, kernel: Kernel, shim: Shim) -> None:
        self._kernel = kernel
        self._shim = shim

    @property
    def is_alive(self) -> bool:
        """See the port."""
        return self._shim.process.is_alive

    def hand_over(self, order: ShimOrder, descriptors: tuple[int, ...] = ()) -> "SimRunningShim":
        """See the port."""
        check_alive()
        assert len(descriptors) == len(order.descriptors)
        if not self.is_alive:
            raise ShimGone("the idle shim has ended")
        running = SimRunningShim(self._kernel.board.loop, Path(order.folder))
        self._kernel.begin_shim(self._shim, decode_order(encode_order(order)), running.answered)
        return running

    def close(self) -> None:
        """See the port."""
        self._kernel.end_idle(self._shim)


class SimRunningShim:
    """See `agent.shims_port.RunningShim`."""

    def __init__(self, loop: SimLoop, folder: Path) -> None:
        daemon = CURRENT.get()
        assert daemon is not None, "only a daemon hands over"
        self._daemon = daemon
        self._loop = loop
        self._folder = folder
        self._answer: asyncio.Future[bytes] = loop.create_future()

    def answered(self, data: bytes) -> None:
        """What the shim sent, or its end, is there for whoever reads."""
        self._loop.call_soon(self._arrive, data, context=self._daemon.context.copy())

    async def verdict(self, desk: VerdictDesk) -> Verdict:
        """See the port."""
        return await await_verdict(self._answer, self._folder, desk)

    def close(self) -> None:
        """See the port."""

    def _arrive(self, data: bytes) -> None:
        if not self._answer.done():
            self._answer.set_result(data)


class SimZygote:
    """See `agent.shims_port.Zygote`."""

    def __init__(self, kernel: Kernel, daemon: Process) -> None:
        self._kernel = kernel
        self._daemon = daemon
        self._gone = asyncio.Event()

    async def take(self) -> SimIdleShim:
        """See the port."""
        check_alive()
        await asyncio.sleep(_FORK_S)
        if self._gone.is_set():
            raise ZygoteGone("the zygote has ended")
        return SimIdleShim(self._kernel, self._kernel.fork_shim(self._daemon))

    def expect(self, running: RunningShim) -> None:
        """See the port; here none comes back."""
        running.close()

    async def wait_gone(self) -> None:
        """See the port."""
        await self._gone.wait()

    def close(self) -> None:
        """See the port."""
        self._gone.set()

    async def reap(self) -> None:
        """See the port."""


class SimShims:
    """See `agent.shims_port.Shims`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    @property
    def hierarchies(self) -> Hierarchies:
        """See the port: a machine without control groups."""
        return Hierarchies()

    async def start_zygote(self, spares: int) -> SimZygote:
        """See the port."""
        check_alive()
        daemon = CURRENT.get()
        assert daemon is not None, "only a daemon starts a zygote"
        return SimZygote(self._kernel, daemon)

    async def connect(self, folder: Path, nonce: str) -> ShimClient:
        """See the port."""
        return await ShimClient.connect(folder, nonce, self._kernel.sockets.connect)

    def same_process(self, pid: int, start: str) -> bool:
        """See the port."""
        return same_process(pid, start, self._kernel.start_of)

    def kill_tree(self, pid: int) -> None:
        """See the port."""
        check_alive()
        self._kernel.kill_pid(pid)

    def kill_group(self, group: Path) -> None:
        """See the port."""
        raise AssertionError(f"there are no control groups here: {group}")

    def kill_leftovers(self, execution_id: str, started_after_boot_ns: int) -> list[int]:
        """See the port."""
        check_alive()
        self._kernel.kill_bots(execution_id, started_after_boot_ns)
        return self.find_leftovers(execution_id)

    def find_leftovers(self, execution_id: str) -> list[int]:
        """See the port."""
        check_alive()
        return [bot.pid for bot in self._kernel.bots if bot.execution_id == execution_id]

    def command_of(self, pid: int) -> str:
        """See the port."""
        return f"bot {pid}"
