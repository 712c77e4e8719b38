"""Scripted bots: processes of a simulated machine that print, report, end, or refuse to; and what a shim sees of them.

What truly happened is written into the history here, by the bot itself and by the "kernel": never by code under test.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.process import EXECUTION_VARIABLE
from agent.shim.body import Child, Exited, StartFailure
from agent.shim.order import ShimOrder
from agent.wire.words import ReportStatus
from tests.history.events import Ended, Reported, Started, Stopped, Wrote
from tests.history.recorder import Recorder
from tests.simulation.disk import SimDisk
from tests.simulation.loop import SimLoop
from tests.simulation.machine import Print, Script
from tests.simulation.nodes import FileNode
from tests.simulation.process import Process
from tests.simulation.sockets import Descriptors, Readable

SIGINT, SIGKILL, SIGTERM = 2, 9, 15
_SMALL_BYTES = 4096
_CALL_AGAIN_S = 0.5


class CallFailed(ConnectionError):  # noqa: N818 - as a bot sees it
    """The gateway did not answer; whether the call counted, nobody knows."""


class Gateway(Protocol):
    """What a bot reaches of its machine's daemon."""

    async def finish(self, token: str, status: ReportStatus) -> bool:
        """Report; False where the bot is not known (any more). Raises CallFailed."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Bot:
    """One bot's main process."""

    execution_id: str
    pid: int
    start: str
    began_boot_ns: int
    process: Process
    script: Script
    streams: dict[str, Readable]
    wake: Readable
    recorder: Recorder
    hashes: "dict[str, tuple[int, hashlib._Hash]]" = field(default_factory=dict)
    written: dict[str, bytes] = field(default_factory=dict)
    exited: Exited | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.exited is None

    def write(self, what: Print) -> None:
        """Print; what is in the pipe is the kernel's."""
        self.streams[what.stream].feed(what.data)
        count, digest = self.hashes.setdefault(what.stream, (0, hashlib.sha256()))
        digest.update(what.data)
        count += len(what.data)
        self.hashes[what.stream] = (count, digest)
        self.written[what.stream] = self.written.get(what.stream, b"") + what.data
        self._tell(what.stream, whole=count <= _SMALL_BYTES)

    def _tell(self, stream: str, *, whole: bool) -> None:
        count, digest = self.hashes[stream]
        self.recorder.add(
            Wrote,
            execution=self.execution_id,
            stream=stream,
            length=count,
            sha256=digest.hexdigest(),
            data=self.written[stream] if whole else None,
        )

    def _tell_all(self) -> None:
        """Its machine may lose power before all is synced: then a part survives, up to any byte."""
        for stream in self.written:
            self._tell(stream, whole=True)

    def end(self, loop: SimLoop, *, code: int | None = None, signal: int | None = None) -> None:
        """Its end, as the kernel knows it; pipes close, its shim is told."""
        if self.exited is not None:
            return
        self.exited = Exited(code=code, signal=signal, peak_memory_bytes=1 << 20)
        self._tell_all()
        self.recorder.add(Ended, execution=self.execution_id, exit_code=code, signal=signal)
        loop.kill(self.process)
        for pipe in self.streams.values():
            pipe.end()
        self.wake.feed(b"\0")

    def lose(self) -> None:
        """Its machine went: nobody can know how it ended."""
        if self.exited is None:
            self._tell_all()
            self.exited = Exited(code=None, signal=SIGKILL, peak_memory_bytes=0)
            self.recorder.add(Ended, execution=self.execution_id)


@dataclass(slots=True, eq=False)
class SimTree:
    """See `agent.shim.body.Tree`."""

    _loop: SimLoop
    _disk: SimDisk
    _bot: Bot
    _folder: Path
    exited: Exited | None = None
    is_empty: bool = False
    cgroup: Path | None = None
    _is_stop_told: bool = False

    @property
    def main(self) -> int:
        """See `Tree`."""
        return self._bot.pid

    def pids(self) -> list[int]:
        """See `Tree`."""
        return [self._bot.pid] if self._bot.is_alive else []

    def reap(self) -> None:
        """See `Tree`."""
        self.exited = self._bot.exited
        self.is_empty = self._bot.exited is not None

    def interrupt(self) -> None:
        """See `Tree`."""
        self._signal(SIGINT)

    def terminate(self) -> None:
        """See `Tree`."""
        self._signal(SIGTERM)

    def kill(self) -> None:
        """See `Tree`."""
        self._signal(SIGKILL)

    def keep_on(self, cpus: list[int]) -> None:
        """See `Tree`."""

    def survivors(self) -> tuple[tuple[int, str], ...]:
        """See `Tree`."""
        return tuple((pid, "bot") for pid in self.pids())

    def was_out_of_memory(self) -> bool:
        """See `Tree`."""
        return False

    def _signal(self, number: int) -> None:
        if not self._bot.is_alive:
            return
        if not self._is_stop_told:
            self._is_stop_told = True
            self._bot.recorder.add(Stopped, execution=self._bot.execution_id, cause=self._cause())
        if number == SIGKILL or number not in self._bot.script.ignores:
            self._bot.end(self._loop, signal=number)

    def _cause(self) -> str:
        """What stands durable on the disk at the first signal (core.md §3: a stop is durable before it)."""
        node = self._disk.find(self._folder / "stop")
        if not isinstance(node, FileNode) or self._disk.is_full:
            return "full" if self._disk.is_full else "none"
        return str(json.loads(node.durable)["cause"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SimBody:
    """How a shim starts its bot (`agent.shim.ports.Body`)."""

    loop: SimLoop
    disk: SimDisk
    descriptors: Descriptors
    make_bot: Callable[[ShimOrder, dict[str, Readable], Readable], Bot]
    """Make the process and note it; what it does begins at a later turn."""

    def let_go(self) -> None:
        """See `Body`."""

    def start_bot(self, order: ShimOrder, _: int) -> tuple[Child, SimTree]:
        """See `Body`."""
        streams = {name: Readable(self.descriptors) for name in ("stdout", "stderr")}
        wake = Readable(self.descriptors)
        bot = self.make_bot(order, streams, wake)
        child = Child(pid=bot.pid, stdout=streams["stdout"], stderr=streams["stderr"], wake=wake)
        return child, SimTree(self.loop, self.disk, bot, Path(order.folder))

    def read_failure(self, _: bytes) -> StartFailure | None:
        """See `Body`."""
        return None


async def play(bot: Bot, order: ShimOrder, gateway: Gateway, loop: SimLoop, runner: str) -> None:
    """What a bot does, from its first act on."""
    script = bot.script
    bot.recorder.add(
        Started,
        task=order.env["BOTYARD_TASK_ID"],
        execution=order.env[EXECUTION_VARIABLE],
        fence=order.fence,
        runner=runner,
    )
    began = loop.time()
    acts: list[tuple[float, int, Print | None]] = [(one.at_s, number, one) for number, one in enumerate(script.prints)]
    if script.report is not None:
        acts.append((script.report_at_s, len(acts), None))
    for at_s, _, what in sorted(acts, key=lambda act: act[:2]):
        await _until(loop, began + at_s)
        if what is not None:
            bot.write(what)
        elif script.report is not None:
            await _report(bot, order, gateway, script.report)
    if script.ends_at_s is None:
        await asyncio.Event().wait()
    else:
        await _until(loop, began + script.ends_at_s)
        # The last line of its `main`; nothing of it runs after this.
        loop.outside(lambda: bot.end(loop, code=script.exit_code))
        await asyncio.Event().wait()


async def _report(bot: Bot, order: ShimOrder, gateway: Gateway, status: ReportStatus) -> None:
    """Say it until it is answered, as the SDK does."""
    while True:
        try:
            is_known = await gateway.finish(order.env["BOTYARD_TOKEN"], status)
        except CallFailed:
            await asyncio.sleep(_CALL_AGAIN_S)
            continue
        if is_known:
            bot.recorder.add(Reported, execution=bot.execution_id, status=str(status))
        return


async def _until(loop: SimLoop, moment: float) -> None:
    left = moment - loop.time()
    if left > 0:
        await asyncio.sleep(left)
