"""A simulated hub: incarnations of the real one, started, killed and stopped, on one database and one data folder.

Everything above the ports is `hub/`'s own: store operations, services, loops, sessions, worker, outputs. HTTP is not
simulated: what a client would ask by it, `ask` does by the same services, in the name of the hub's process.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import orjson

from agent.ports import SystemDisk
from agent.ports.tools import run_tool
from agent.wire.enrolment import EnrolmentRequest
from hub.app import loops_of
from hub.config import Settings
from hub.context import Hub
from hub.domain.access import Caller
from hub.domain.credits import CreditBook
from hub.identity import KEY_FILE, Identity, load_identity
from hub.runners import LinkEndpoint, Sessions
from hub.runners.port import Arrival
from hub.services import enrolment, runners
from hub.services.deployments import Deployments, ResolverLoop
from hub.services.enrolment import NewEnrolment
from hub.services.perform import Performer
from hub.services.resolve import RequirementResolver
from hub.services.runners import EnrolledView
from hub.services.signals import Signals
from hub.storage.blobs import FolderBlobs
from hub.storage.migrations import prepare
from hub.storage.outputs import Outputs
from hub.storage.settling import Ports
from tests.simulation.chance import Ids
from tests.simulation.clock import HostClock
from tests.simulation.link_ends import HubSocket, HubTransport
from tests.simulation.machine import Surroundings
from tests.simulation.process import Host, Process, outside
from tests.simulation.store import InlineOutputs, SimStore, after_crash, fresh_database
from tests.support.work_world import ADMIN

T = TypeVar("T")

ORIGIN = "http://hub:8040"
_HOST = "hub:8040"
_STOP_S = 10.0


class HubGone(ConnectionError):  # noqa: N818 - as a client sees it
    """No hub answers; whether what was asked was done, nobody knows."""


class Row(NamedTuple):
    """One event of the feed."""

    pos: int
    kind: str
    task: str
    execution: str | None
    runner: str | None
    new: str | None
    data: Mapping[str, Any]


_FEED = "SELECT pos, kind, task_id, execution_id, runner_id, new, data FROM events WHERE pos > ? ORDER BY pos"


class SimHub:
    """See the module. `process` and `parts` are those of the living incarnation."""

    def __init__(self, around: Surroundings, folder: Path) -> None:
        self._loop = around.loop
        self._network = around.network
        self._order: random.Random = around.chance.stream("hub")
        self.host = Host("hub", wall_error_s=0.0)
        self.clock = HostClock(around.loop, self.host)
        self.caller: Caller = ADMIN
        self.process: Process | None = None
        self.parts: Hub | None = None
        self.stalls = 0.0
        """The share of commits that take long."""
        self.sweep_s = 5.0
        """Between two sweeps; more in worlds that go on for a day."""
        self.starts = 0
        self.failures: list[BaseException] = []
        """What ended an incarnation although nobody killed it."""
        self._folder = folder
        self._link = fresh_database()
        self._ids = Ids()
        self._endpoint: LinkEndpoint | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._disk = SystemDisk()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / KEY_FILE).write_bytes(around.chance.key("hub").private_bytes_raw().hex().encode())
        self.identity: Identity = load_identity(folder, self._disk)

    # --- life ---

    @property
    def is_up(self) -> bool:
        """Whether clients and runners are answered."""
        return self._network.listener is self

    async def start(self) -> None:
        """Start an incarnation; returns when it listens, or has died on the way."""
        assert self.process is None or not self.process.is_alive, "one hub at a time"
        self.starts += 1
        self._ready, self._stopping = asyncio.Event(), asyncio.Event()
        after_crash(self._link)
        process = self.process = self._loop.process(f"hub{self.starts}", self.host)
        process.on_death.append(self._on_death)
        task = self._loop.spawn(process, self._live(), "hub")
        task.add_done_callback(self._on_end, context=outside())
        await self._ready.wait()

    def crash(self) -> None:
        """Kill -9."""
        if self.process is not None:
            self._loop.kill(self.process)

    def lose_power(self) -> None:
        """The machine goes, and tells nobody. Its disk has what was synced, which is all that a turn left behind."""
        self.host.is_off = True
        self.crash()
        self.host.restart(self._loop.now)

    async def stop(self) -> None:
        """SIGTERM: told to everybody, ended in order (R5)."""
        process = self.process
        if process is None or not process.is_alive:
            return
        process.context.run(self._stopping.set)
        deadline = self._loop.now + _STOP_S
        while self._loop.now < deadline:
            await asyncio.sleep(0.05)
            if not process.is_alive:
                return
            if process.held is not None:
                deadline += 0.05  # frozen: the signal waits with it
        self.failures.append(AssertionError(f"the hub needs more than {_STOP_S} s to stop (R5)"))
        self._loop.kill(process)

    def committed(self, after: int) -> list[Row]:
        """The feed's rows behind that position, read from the file, as nobody in the simulation can."""
        found = self._link.raw.execute(_FEED, (after,)).fetchall()
        return [
            Row(pos, kind, task, execution, runner, new, orjson.loads(data or b"{}"))
            for pos, kind, task, execution, runner, new, data in found
        ]

    # --- what clients do ---

    async def ask(self, question: Callable[[Hub], Awaitable[T]], within_s: float = 30.0) -> T:
        """What a client asks by HTTP: run in the hub, answered if it lives. Raises HubGone, TimeoutError, HubError."""
        process, parts = self.process, self.parts
        await asyncio.sleep(0.0005 + self._order.random() * 0.002)
        if process is None or parts is None or not process.is_alive or process is not self.process or not self.is_up:
            raise HubGone("no hub answers")
        answer: asyncio.Future[T] = self._loop.create_future()
        task = self._loop.spawn(process, _call(question, parts), "request")
        task.add_done_callback(lambda done: _pass_on(done, answer), context=outside())
        gone = HubGone("the connection broke")
        hung_up = lambda: None if answer.done() else answer.set_exception(gone)  # noqa: E731 - as a process ends
        process.on_death.append(hung_up)
        try:
            async with asyncio.timeout(within_s):
                return await answer
        finally:
            process.on_death.remove(hung_up)

    async def enrol(self, request: EnrolmentRequest) -> EnrolledView:
        """Make a runner of a machine, with a fresh token."""
        secret = "byt_simulated"

        async def question(hub: Hub) -> EnrolledView:
            await hub.store.write(enrolment.create, self.caller, NewEnrolment(), secret + request.name)
            return await hub.store.write(runners.enrol, secret + request.name, request)

        return await self.ask(question)

    # --- `tests.simulation.network.Listener` ---

    def admit(self) -> str | None:
        """See `Listener`."""
        assert self._endpoint is not None
        return None if self._endpoint.admit() is None else "the hub answered 503 to the upgrade"

    async def attend(self, socket: HubSocket, transport: HubTransport, nonce: str) -> None:
        """See `Listener`."""
        assert self._endpoint is not None
        arrival = Arrival(socket=socket, transport=transport, nonce=nonce, host=_HOST, remote="runner")
        await self._endpoint.attend(arrival)

    # --- inside ---

    async def _live(self) -> None:
        clock, loop = self.clock, self._loop
        sessions, signals = Sessions(clock.boot_ns), Signals()
        book = CreditBook(clock.monotonic)
        outputs = Outputs(self._folder / "outputs", self._disk, on_fatal=self._on_fatal, writer=InlineOutputs)
        performer = Performer(book, sessions, signals, outputs.end)
        self._migrate()
        ports = Ports(
            clock=clock,
            ids=self._ids,
            perform=performer.perform,
            on_effect_error=performer.on_error,
            on_fatal=self._on_fatal,
        )
        store = SimStore(loop, self._link, ports, self._order, lambda: self.stalls)
        await outputs.start()
        blobs = FolderBlobs(self._folder / "blobs", self._disk)
        resolver = ResolverLoop(store, blobs, RequirementResolver(self._folder / "resolver", run_tool))
        hub = Hub(
            # Machines fail here all the time, and nobody is there to say that they are mended: none is quarantined.
            settings=Settings(data=self._folder, public_url=ORIGIN, sweep_s=self.sweep_s, quarantine_after=10_000),
            clock=clock,
            disk=self._disk,
            store=store,
            book=book,
            sessions=sessions,
            outputs=outputs,
            blobs=blobs,
            deployments=Deployments(store, blobs, clock, resolver),
            identity=self.identity,
            signals=signals,
        )
        await store.write(runners.close_sessions_of, self.identity.hub_id)
        self._endpoint = LinkEndpoint(hub, sessions)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(run(), name=name) for name, run in loops_of(hub).items()]
            self.parts = hub
            self._network.listener = self
            self._ready.set()
            await self._stopping.wait()
            self._endpoint.stop()
            await self._endpoint.stopped()
            for task in running:
                task.cancel()
        await outputs.close()
        await store.close()

    def _migrate(self) -> None:
        self._link.raw.execute("BEGIN IMMEDIATE").close()
        prepare(self._link.connection)
        self._link.raw.execute("COMMIT").close()

    def _on_fatal(self, error: BaseException) -> None:
        self.failures.append(error)
        self.crash()

    def _on_end(self, task: "asyncio.Task[None]") -> None:
        """It ended by itself: as asked, or by an error that nobody met."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failures.append(error)
        self.crash()

    def _on_death(self) -> None:
        if self._network.listener is self:
            self._network.listener = None
        if self.parts is not None:
            with suppress(AttributeError):
                cast("InlineOutputs", self.parts.outputs._writer).drop()
        self.parts = self._endpoint = None
        self._ready.set()


async def _call(question: Callable[[Hub], Awaitable[T]], parts: Hub) -> T:
    return await question(parts)


def _pass_on(done: "asyncio.Task[T]", answer: "asyncio.Future[T]") -> None:
    if answer.done():
        return
    if done.cancelled():
        answer.set_exception(HubGone("the hub stopped"))
    elif (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())
