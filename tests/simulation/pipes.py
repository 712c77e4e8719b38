"""Pipes of the network in memory: one direction of a connection each, and what a side of a connection has of two.

A pipe keeps frames whole and in order, as TCP does; it never loses one from the middle. What can go wrong with it
stands in `Way`; who decides that is `network.Wire`.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import WSMsgType

from tests.simulation.loop import SimLoop
from tests.simulation.process import check_alive

BUFFER_BYTES = 256 * 1024
"""What the systems on both ends buffer of one direction."""


class Direction(StrEnum):
    """Which way frames go."""

    UP = "up"
    """From the runner to the hub."""
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Frame:
    """What travels: text, binary, ping, pong, or the end of a connection."""

    type: WSMsgType
    data: str | bytes = b""

    @property
    def size(self) -> int:
        """Bytes on the wire, about."""
        return len(self.data) + 8


@dataclass(slots=True)
class Way:
    """One direction of one runner's way to the hub, whatever connection uses it."""

    delay_s: tuple[float, float] = (0.0002, 0.003)
    is_silent: bool = False
    twice: float = 0.0
    """The share of frames that arrive a second time."""
    pipes: "list[Pipe]" = field(default_factory=list)


class Pipe:
    """One direction of one connection."""

    def __init__(self, loop: SimLoop, way: Way, order: random.Random, name: str) -> None:
        self._loop = loop
        self._way = way
        self._order = order
        self._name = name
        self._under_way: deque[tuple[float, Frame]] = deque()
        self._is_timed = False
        self._last_s = 0.0
        self._room: list[asyncio.Future[None]] = []
        self.on_frame: Callable[[Frame], None]
        self.buffered = 0
        self.is_closed = False
        way.pipes.append(self)

    def write(self, frame: Frame) -> None:
        """Send a frame; it always succeeds while this side is open."""
        if self.is_closed:
            return
        self._put(frame)
        is_message = frame.type in {WSMsgType.TEXT, WSMsgType.BINARY}
        if is_message and self._way.twice and self._order.random() < self._way.twice:
            self._put(frame)

    async def room(self) -> None:
        """Wait until less is buffered than the systems take."""
        while self.buffered > BUFFER_BYTES and not self.is_closed:
            waiter = self._loop.create_future()
            self._room.append(waiter)
            await waiter

    def close(self) -> None:
        """Nothing more is delivered; what is under way is lost."""
        if self.is_closed:
            return
        self.is_closed = True
        self._under_way.clear()
        self.buffered = 0
        with suppress(ValueError):
            self._way.pipes.remove(self)
        self._wake_writers()

    def released(self) -> None:
        """The silence is over: what was written goes on."""
        self._under_way = deque((max(when, self._loop.now), frame) for when, frame in self._under_way)
        self._arm()

    def _put(self, frame: Frame) -> None:
        low, high = self._way.delay_s
        self._last_s = max(self._last_s, self._loop.now + low + self._order.random() * (high - low))
        self._under_way.append((self._last_s, frame))
        self.buffered += frame.size
        self._arm()

    def _arm(self) -> None:
        if self._is_timed or self._way.is_silent or not self._under_way:
            return
        self._is_timed = True
        self._loop.outside(self._deliver, delay_s=max(0.0, self._under_way[0][0] - self._loop.now))

    def _deliver(self) -> None:
        self._is_timed = False
        while self._under_way and not self._way.is_silent and self._under_way[0][0] <= self._loop.now:
            _, frame = self._under_way.popleft()
            self.buffered -= frame.size
            self._loop.note(f"{self._loop.now!r} {self._name} {frame.type.name} {frame.size}\n")
            self.on_frame(frame)
        self._wake_writers()
        self._arm()

    def _wake_writers(self) -> None:
        waiting, self._room = self._room, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class End:
    """One side of a connection: what has arrived, and whether it is over."""

    def __init__(self, loop: SimLoop, incoming: Pipe, outgoing: Pipe) -> None:
        self._loop = loop
        self._inbox: deque[Frame] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.incoming = incoming
        self.outgoing = outgoing
        self.heard_s = loop.now
        """When something came, in virtual time."""
        self.why: str | None = None
        """Why it is over; None while it is open."""
        self.on_other: Callable[[Frame], None] | None = None
        """Takes pings and pongs before they are queued."""
        incoming.on_frame = self._arrive

    @property
    def is_over(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.why is not None

    async def next(self) -> Frame | None:
        """The next frame; None when the connection is over and all that came is read."""
        check_alive()
        while not self._inbox:
            if self.is_over:
                return None
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._inbox.popleft()

    def end(self, why: str, *, tell: bool) -> None:
        """This side is over; `tell` sends the end to the other one, in its order."""
        if self.is_over:
            return
        self.why = why
        if tell:
            self.outgoing.write(Frame(WSMsgType.CLOSE, why))
        self.incoming.close()
        self._wake()

    def _arrive(self, frame: Frame) -> None:
        self.heard_s = self._loop.now
        if frame.type is WSMsgType.CLOSE:
            self.why = str(frame.data) or "closed by the other side"
            self.outgoing.close()
        elif self.on_other is not None and frame.type in {WSMsgType.PING, WSMsgType.PONG}:
            self.on_other(frame)
            return
        else:
            self._inbox.append(frame)
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
