"""The daemon's side of a running shim: one connection, made again by whichever daemon is there.

    client = await ShimClient.connect(folder, nonce)        nonce: of the order, or `VerdictDesk.read(folder).nonce`
    client.state                                            ShimState at the moment of connecting
    async for bell in client.doorbells(): …                 what happens from then on; ends with GONE
    await client.read_state() -> ShimState
    await client.stop(StopCause.CANCEL, by="ana") -> bool   False: the main process had ended already
    await client.extend(stamp)                              dead-man: send time of the last acknowledged heartbeat
    await client.extend_run_limit(seconds | None)           counted from the verdict
    await client.set_limits(LiveLimits(…)); await client.touch()
    await client.add_masks([b"…"]); await client.read_masks() -> tuple[bytes, ...]
    await client.note_safe(offset)                          output below it is durable at the hub
    await client.take_gateway_socket() -> socket
    await client.kill()                                     SIGKILL of the tree now
    client.close()

Every request raises `ShimGone` when the shim has ended, `ShimRefused` when it cannot do what is asked, `TimeoutError`
after `REQUEST_S`. What ended is told by `exit_file.read_exit(folder, disk)`, with or without a shim.
"""

import asyncio
import itertools
import json
import os
import socket
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Self

from agent.shim import address
from agent.shim.bounds import Bounds
from agent.shim.channel import Channel, Take, Wire
from agent.shim.exit_file import ExitRecord, decode_exit
from agent.shim.lines import Progress
from agent.shim.order import Stamp
from agent.shim.wire import WIRE_VERSION, Incoming, Message, WireError, encode
from agent.wire.words import StopCause

REQUEST_S = 10.0


class ShimGone(ConnectionError):  # noqa: N818 - it says what is, as TimeoutError does not need "Error" twice
    """There is no shim behind this folder (any more)."""


class ShimRefused(RuntimeError):  # noqa: N818
    """The shim is there and cannot do what was asked; its text says why."""


class DoorbellKind(StrEnum):
    """What a running shim tells by itself."""

    OUTPUT = "output"
    """More bytes can be read from the segments; `length` is how many there are. Rings may be joined into one."""
    STOPPING = "stopping"
    """A stop has begun: `cause`, `by`."""
    PROGRESS = "progress"
    """The bot printed how far it is: `progress`. Only the newest is told."""
    MASKS = "masks"
    """The bot named secrets: `masks`; in force in its output already."""
    EXITED = "exited"
    """The main process has ended: `exit`, not final yet; durable in the folder."""
    SURVIVORS = "survivors"
    """Processes outlived SIGKILL: `survivors`."""
    EMPTY = "empty"
    """No process of the tree is left."""
    ENDED = "ended"
    """The final exit file is durable: `exit`, final."""
    GONE = "gone"
    """The connection ended: the shim has (look at the folder), or this side closed."""


_BELLS = frozenset(kind.value for kind in DoorbellKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorbell:
    """One thing that a shim told."""

    kind: DoorbellKind
    length: int = 0
    exit: ExitRecord | None = None
    cause: StopCause | None = None
    by: str = ""
    survivors: tuple[tuple[int, str], ...] = ()
    progress: Progress | None = None
    masks: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """What can be changed of a running bot. ``cpus`` are the only ones that it may run on, empty for no change."""

    run_limit_s: float | None
    no_progress_s: float | None
    bounds: Bounds
    cpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimState:
    """What a shim says of its execution. `pid` is the bot's, `shim` and `shim_start` the shim's own."""

    execution_id: str
    fence: int
    pid: int
    shim: int
    shim_start: str
    started_wall_ns: int
    length: int
    cause: StopCause | None
    by: str
    exit: ExitRecord | None
    is_empty: bool
    is_final: bool
    run_until_boot_ns: int | None
    heartbeat: Stamp | None
    progress: Progress | None = None


class ShimClient:
    """One connection to one shim. Made by `connect`."""

    def __init__(self, connect: Callable[[Take], Wire]) -> None:
        self._loop = asyncio.get_running_loop()
        self._incoming = Incoming()
        self._descriptors: deque[int] = deque()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._welcome: asyncio.Future[Message] = self._loop.create_future()
        self._bells: deque[Doorbell] = deque()
        self._rung = asyncio.Event()
        self._sending = asyncio.Lock()
        self._is_open = True
        self._state: ShimState | None = None
        self._channel = connect(self._arrived)

    @classmethod
    async def connect(cls, folder: Path, nonce: str, wire: "Callable[[Path, Take], Wire] | None" = None) -> Self:
        """Connect to the shim of an execution's folder; raises `ShimGone` when none listens or it does not know us.

        `wire` makes the connection, and raises OSError; by default it is a socket in the folder.
        """
        try:
            client = cls(partial(wire or _socket_in, folder))
        except OSError as error:
            raise ShimGone(f"no shim listens in {folder}") from error
        try:
            async with asyncio.timeout(REQUEST_S):
                await client._send({"hello": nonce, "version": WIRE_VERSION})
                client._state = _state_of((await client._welcome)["state"])
        except BaseException:
            client.close()
            raise
        return client

    @property
    def state(self) -> ShimState:
        """The state when the connection was made; everything later is told by `doorbells`."""
        if self._state is None:
            raise ShimGone("not connected")
        return self._state

    async def doorbells(self) -> AsyncIterator[Doorbell]:
        """Yield what the shim tells; the last is GONE. One reader at a time."""
        while True:
            while self._bells:
                bell = self._bells.popleft()
                yield bell
                if bell.kind is DoorbellKind.GONE:
                    return
            self._rung.clear()
            await self._rung.wait()

    async def read_state(self) -> ShimState:
        """Ask for the state now."""
        return _state_of(await self._ask({"do": "state"}))

    async def stop(self, cause: StopCause, *, by: str = "") -> bool:
        """Begin the kill ladder for a cause, durable before its first signal; a second cause only shortens.

        False: the main process had ended before, so no stop happened.
        """
        return bool((await self._ask({"do": "stop", "cause": cause, "by": by}))["begun"])

    async def kill(self) -> None:
        """SIGKILL for the whole tree now; for a cause of its own call `stop` first."""
        await self._ask({"do": "kill"})

    async def extend(self, heartbeat: Stamp) -> None:
        """Count the dead-man deadline from a later heartbeat; an earlier one changes nothing."""
        await self._ask({"do": "extend", "boot_ns": heartbeat.boot_ns, "wall_ns": heartbeat.wall_ns})

    async def extend_run_limit(self, run_limit_s: float | None) -> None:
        """Set the run limit, counted from the verdict; None takes it away."""
        await self._ask({"do": "run_limit", "run_limit_s": run_limit_s})

    async def set_limits(self, limits: LiveLimits) -> None:
        """Keep these from now on, all anew; the run limit counts from the verdict, silence from the last progress."""
        body = {**asdict(limits), "bounds": {**asdict(limits.bounds), "kept": list(limits.bounds.kept)}}
        await self._ask({"do": "limits", **body, "cpus": list(limits.cpus)})

    async def touch(self) -> None:
        """The bot said something through the gateway: it gets on."""
        await self._ask({"do": "touch"})

    async def add_masks(self, masks: Iterable[bytes]) -> None:
        """Mask these in all output from here on; when it returns they are in force (core.md §3)."""
        await self._ask({"do": "add_masks", "masks": [b64encode(mask).decode() for mask in masks]})

    async def read_masks(self) -> tuple[bytes, ...]:
        """Return every mask that was ever given; a new daemon reads them before it takes gateway calls (core.md §2)."""
        return tuple(b64decode(mask) for mask in (await self._ask({"do": "read_masks"}))["masks"])

    async def note_safe(self, offset: int) -> None:
        """Tell that output below `offset` is durable where it will live: it counts no longer against the cap."""
        await self._ask({"do": "safe", "offset": offset})

    async def take_gateway_socket(self) -> socket.socket:
        """Return a copy of the gateway's listening socket that the shim holds."""
        answer = await self._ask({"do": "gateway"})
        return socket.socket(fileno=int(answer["descriptor"]))

    def close(self) -> None:
        """End the connection; the shim goes on."""
        if not self._is_open:
            return
        self._is_open = False
        self._channel.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        gone = ShimGone("the shim has closed the connection")
        for waiting in (*self._answers.values(), self._welcome):
            if not waiting.done():
                waiting.set_exception(gone)
                # Nobody may be waiting any more.
                waiting.exception()
        self._answers.clear()
        self._ring(Doorbell(kind=DoorbellKind.GONE))

    async def _ask(self, request: Message) -> Message:
        if not self._is_open:
            raise ShimGone("the connection is closed")
        number = next(self._ids)
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(REQUEST_S):
                await self._send({**request, "id": number})
                message = await answer
        finally:
            self._answers.pop(number, None)
        if "error" in message:
            raise ShimRefused(message["error"])
        found: Message = message["ok"]
        return found

    async def _send(self, message: Message) -> None:
        async with self._sending:
            try:
                await self._channel.send(encode(message))
            except OSError as error:
                self.close()
                raise ShimGone("the shim has closed the connection") from error

    def _arrived(self, data: bytes, descriptors: Sequence[int]) -> None:
        self._descriptors.extend(descriptors)
        try:
            messages = self._incoming.feed(data)
        except WireError:
            messages, data = [], b""
        for message in messages:
            self._take(message)
        if not data:
            self.close()

    def _take(self, message: Message) -> None:
        event = message.get("event")
        if event == "welcome":
            if not self._welcome.done():
                self._welcome.set_result(message)
            return
        if event is not None:
            # A newer shim may tell what this daemon does not know; nothing that it must know.
            if event in _BELLS:
                self._ring(_bell_of(message))
            return
        if message.get("descriptors"):
            message["ok"]["descriptor"] = self._descriptors.popleft()
        answer = self._answers.get(message.get("id", 0))
        if answer is not None and not answer.done():
            answer.set_result(message)
        elif message.get("descriptors"):
            os.close(message["ok"]["descriptor"])

    def _ring(self, bell: Doorbell) -> None:
        # Rings for output join, so that a slow reader holds one of them at most.
        is_joined = bell.kind is DoorbellKind.OUTPUT and self._bells and self._bells[-1].kind is DoorbellKind.OUTPUT
        if is_joined:
            self._bells[-1] = bell
        else:
            self._bells.append(bell)
        self._rung.set()


def _socket_in(folder: Path, take: Take) -> Wire:
    return Channel(address.connect(folder), take)


def _bell_of(message: Message) -> Doorbell:
    return Doorbell(
        kind=DoorbellKind(message["event"]),
        length=int(message.get("length", 0)),
        exit=_exit_of(message.get("exit")),
        cause=StopCause(message["cause"]) if message.get("cause") else None,
        by=str(message.get("by", "")),
        survivors=tuple((int(pid), str(command)) for pid, command in message.get("survivors", ())),
        progress=_progress_of(message) if message["event"] == DoorbellKind.PROGRESS else None,
        masks=tuple(b64decode(mask) for mask in message.get("masks", ())),
    )


def _progress_of(body: dict[str, Any]) -> Progress:
    percent = body["percent"]
    return Progress(percent=None if percent is None else float(percent), text=str(body["text"]))


def _state_of(body: dict[str, Any]) -> ShimState:
    known = {name: body[name] for name in ShimState.__slots__ if name in body}
    known["cause"] = StopCause(body["cause"]) if body["cause"] else None
    known["exit"] = _exit_of(body["exit"])
    known["heartbeat"] = Stamp(**body["heartbeat"]) if body["heartbeat"] else None
    # A shim of an older daemon may still run, and does not tell it.
    known["progress"] = _progress_of(body["progress"]) if body.get("progress") else None
    return ShimState(**known)


def _exit_of(body: dict[str, Any] | None) -> ExitRecord | None:
    return None if body is None else decode_exit(json.dumps(body).encode())
