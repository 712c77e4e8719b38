# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""Windows: nothing can be forked, so the next shims are started ahead (`agent/zygote.py` tells how it is used).

A shim's process takes its order from its standard input and answers on its standard output (`agent/shim/ahead.py`).
Descriptors do not travel: the gateway has a fixed port of the home, and the job object is the shim's own.
Type-checked and read; no test of ours has run it on Windows yet.
"""

import asyncio
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

assert sys.platform == "win32"  # for the type checker; POSIX has `zygote_posix`

from agent.process import start_of
from agent.process_watch import wait_gone
from agent.shim.ahead import frame_order
from agent.shim.client import ShimGone
from agent.shim.order import OrderError, ShimOrder
from agent.shim.verdict import Verdict, VerdictDesk, VerdictError, decode_verdict
from agent.wire.words import VoidReason

VERDICT_S = 30.0
_BREAKAWAY = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_BREAKAWAY_FROM_JOB
_PLAIN = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP


class ZygoteGone(ConnectionError):  # noqa: N818 - it says what is
    """No shim can be started ahead any more."""


@dataclass(slots=True, kw_only=True)
class RunningShim:
    """A shim with an order. It outlives this object and this daemon."""

    pid: int
    start: str
    folder: Path
    pidfd: int | None = None
    _process: "subprocess.Popen[bytes]"

    async def verdict(self, desk: VerdictDesk, within_s: float = VERDICT_S) -> Verdict:
        """Return the durable verdict on the order: the shim's answer, or what holds after our own `void`."""
        output = self._process.stdout
        try:
            async with asyncio.timeout(within_s):
                data = await asyncio.to_thread(output.readline) if output else b""
            return decode_verdict(data)
        except (TimeoutError, VerdictError, OSError):
            return await asyncio.to_thread(desk.link_void, self.folder, VoidReason.SHIM_GONE, "no verdict in time")

    async def wait_gone(self) -> None:
        """Return when the shim has ended."""
        await wait_gone(self.pid, self.start)

    def close(self) -> None:
        """Let go of its pipes; the shim goes on."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(slots=True, kw_only=True)
class IdleShim:
    """A shim that waits for its one order; it ends when this object is closed or the daemon dies."""

    pid: int
    start: str
    _process: "subprocess.Popen[bytes]"

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        return self._process.poll() is None

    def hand_over(self, order: ShimOrder, descriptors: tuple[int, ...] = ()) -> RunningShim:
        """Give the order; raises `ShimGone`: then nothing was given."""
        if descriptors or order.descriptors:
            raise OrderError("descriptors do not travel on Windows")
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(frame_order(order))
                self._process.stdin.flush()
        except OSError as error:
            self.close()
            raise ShimGone("the idle shim has ended") from error
        return RunningShim(pid=self.pid, start=self.start, folder=Path(order.folder), _process=self._process)

    def close(self) -> None:
        """End this idle shim."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass(slots=True, kw_only=True, eq=False)
class Zygote:
    """Keeps idle shims started ahead."""

    slots: int
    _idle: deque[IdleShim] = field(default_factory=deque)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def start(cls, *, slots: int, spares: int = 1) -> Self:  # noqa: ARG003 - none comes back here
        """Start the idle shims. Raises OSError."""
        zygote = cls(slots=slots)
        await asyncio.to_thread(zygote._fill)
        return zygote

    @property
    def pid(self) -> int:
        """There is no zygote process here."""
        return 0

    @property
    def is_alive(self) -> bool:
        """False once it was closed."""
        return not self._gone.is_set()

    @property
    def ready(self) -> int:
        """How many idle shims can be taken now."""
        return sum(shim.is_alive for shim in self._idle)

    async def take(self) -> IdleShim:
        """Return an idle shim; another is started in its place."""
        while self.is_alive:
            while self._idle:
                shim = self._idle.popleft()
                if shim.is_alive:
                    await asyncio.to_thread(self._fill)
                    return shim
                shim.close()
            await asyncio.to_thread(self._fill)
        raise ZygoteGone("no shims are started any more")

    def expect(self, running: RunningShim) -> None:
        """Let go of it: a shim has one order here."""
        running.close()

    async def wait_gone(self) -> None:
        """Return when it was closed."""
        await self._gone.wait()

    def close(self) -> None:
        """End every idle shim that was not taken."""
        self._gone.set()
        while self._idle:
            self._idle.popleft().close()

    async def reap(self) -> None:
        """Do nothing: idle shims end by themselves at the end of their input."""

    def _fill(self) -> None:
        while len(self._idle) < self.slots and self.is_alive:
            process = _spawn()
            self._idle.append(IdleShim(pid=process.pid, start=start_of(process.pid) or "", _process=process))


def _spawn() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "agent.shim.ahead"]
    try:
        # A service's or a CI's job would end the shim together with the daemon.
        return _popen(command, _BREAKAWAY)
    except PermissionError:
        return _popen(command, _PLAIN)


def _popen(command: list[str], flags: int) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, creationflags=flags)
