"""The network in memory: a runner's `agent.link.Link`, and the hub's end of it as `hub/runners` needs a socket.

A connection is two pipes (`pipes.py`), one a direction, with an end for each program (`link_ends.py`). What can go
wrong with a runner's way to the hub (`Wire`), each direction for itself:

    delay      each frame takes so long
    silence    nothing arrives, and writes go on succeeding until buffers are full; when it ends, what was written
               arrives after all, or the reset does (half-open link, one-way partition; R42, R43)
    cut        both ends see the connection break; what was under way is lost
    twice      a frame is delivered again, by a proxy gone mad (R45)
"""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

from agent.link import Address, Link, LinkClosedError
from agent.ports.proxies import Proxy
from agent.wire.limits import HANDSHAKE_S
from tests.simulation.link_ends import HubSocket, HubTransport, SimLink
from tests.simulation.loop import SimLoop
from tests.simulation.pipes import Direction, End, Pipe, Way
from tests.simulation.process import CURRENT, Process, check_alive


class Listener(Protocol):
    """The hub, as long as it listens."""

    @property
    def process(self) -> Process | None:
        """Whose connections these are; None before it runs."""
        ...

    def admit(self) -> str | None:
        """Take one more connection, or say why not."""
        ...

    async def attend(self, socket: HubSocket, transport: HubTransport, nonce: str) -> None:
        """One connection, from its upgrade to its end."""
        ...


class Wire:
    """One runner's way to the hub, with all its faults."""

    def __init__(self, loop: SimLoop, name: str) -> None:
        self._loop = loop
        self.name = name
        self.ways = {direction: Way() for direction in Direction}
        self.ends: list[tuple[End, End]] = []
        """Of its connections: the runner's side, the hub's side."""

    @property
    def is_silent(self) -> bool:
        """Whether no new connection can be made."""
        return any(way.is_silent for way in self.ways.values())

    def cut(self) -> None:
        """Both ends see every connection break; what was under way is lost."""
        ends, self.ends = self.ends, []
        for pair in ends:
            for end in pair:
                end.end("connection reset", tell=False)

    def silence(self, *directions: Direction) -> None:
        """Let nothing arrive any more in these directions (both, when none is named)."""
        for direction in directions or Direction:
            self.ways[direction].is_silent = True

    def delay(self, low_s: float, high_s: float, *directions: Direction) -> None:
        """Let each frame take between `low_s` and `high_s` seconds."""
        for direction in directions or Direction:
            self.ways[direction].delay_s = (low_s, high_s)

    def repeat(self, share: float, *directions: Direction) -> None:
        """Deliver this share of the frames twice."""
        for direction in directions or Direction:
            self.ways[direction].twice = share

    def heal(self) -> None:
        """No fault any more; what was written into the silence arrives."""
        for way in self.ways.values():
            way.delay_s, way.twice = (0.0002, 0.003), 0.0
            if way.is_silent:
                way.is_silent = False
                for pipe in list(way.pipes):
                    pipe.released()


class Network:
    """All ways of one world."""

    def __init__(self, loop: SimLoop, order: random.Random) -> None:
        self._loop = loop
        self._order = order
        self._count = 0
        self.wires: dict[str, Wire] = {}
        self.listener: Listener | None = None
        """The hub that answers now; None: connections are refused."""

    def wire(self, runner: str) -> Wire:
        """The way of a runner, by its host's name."""
        return self.wires.setdefault(runner, Wire(self._loop, runner))

    def dialler(self, runner: str) -> "Dial":
        """What that runner's daemon calls as `agent.link.dial`."""

        async def dial(
            address: Address, nonce: str, context: ssl.SSLContext | None, proxy: Proxy | None = None
        ) -> Link:
            return await self._dial(self.wire(runner), nonce)

        return dial

    async def _dial(self, wire: Wire, nonce: str) -> SimLink:
        check_alive()
        caller = CURRENT.get()
        assert caller is not None, "only a process dials"
        await asyncio.sleep(sum(way.delay_s[1] for way in wire.ways.values()))
        if wire.is_silent:
            await asyncio.sleep(HANDSHAKE_S)
            raise TimeoutError("timed out during opening handshake")
        listener = self.listener
        if listener is None or listener.process is None or listener.process.held is not None:
            raise ConnectionRefusedError("connection refused")
        refused = listener.admit()
        if refused is not None:
            raise LinkClosedError(refused)
        near, far = self._connect(wire)
        self._close_with(caller, near)
        self._close_with(listener.process, far)
        attending = listener.attend(HubSocket(far), HubTransport(far), nonce)
        self._loop.spawn(listener.process, attending, f"link of {wire.name}")
        return SimLink(self._loop, near)

    def _connect(self, wire: Wire) -> tuple[End, End]:
        self._count += 1
        up, down = (
            Pipe(self._loop, wire.ways[direction], self._order, f"{wire.name}#{self._count} {direction}")
            for direction in Direction
        )
        near, far = End(self._loop, down, up), End(self._loop, up, down)
        wire.ends = [pair for pair in wire.ends if not all(end.is_over for end in pair)] + [(near, far)]
        return near, far

    def _close_with(self, process: Process, end: End) -> None:
        """The system closes what a dead process had open; a machine without power tells nobody."""
        process.on_death.append(lambda: end.end("connection reset by peer", tell=not process.host.is_off))


Dial = Callable[[Address, str, "ssl.SSLContext | None", "Proxy | None"], Awaitable[Link]]
