# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""Linux and macOS: the daemon's side of a zygote that forks (`agent/zygote.py` tells how it is used).

The processes themselves: `agent/shim/zygote_process.py`, `agent/shim/idle.py`.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

assert sys.platform != "win32"  # for the type checker; Windows has `zygote_windows`

from agent.process import start_of
from agent.process_watch import is_gone, wait_gone
from agent.shim.channel import receive_with
from agent.shim.client import ShimGone
from agent.shim.handover import IDLE, send_order
from agent.shim.order import ShimOrder
from agent.shim.verdict import Verdict, VerdictDesk
from agent.shims_port import RunningShim as AnyRunningShim
from agent.shims_port import ZygoteGone
from agent.verdict_wait import VERDICT_S, await_verdict

STOP_S = 5.0
COMES_BACK_S = 0.03
FORK_AGAIN_S = 1.0
_FORK = b"fork"


@dataclass(slots=True, kw_only=True, eq=False)
class RunningShim:
    """A shim with an order. It outlives this object and this daemon."""

    pid: int
    start: str
    pidfd: int | None
    zygote: int
    """Process id of the zygote that forked it, and that ends what it would leave behind (core.md §2)."""
    folder: Path
    _channel: socket.socket

    async def verdict(self, desk: VerdictDesk, within_s: float = VERDICT_S) -> Verdict:
        """Return the durable verdict on the order (`agent/verdict_wait.py`)."""
        return await await_verdict(_receive(self._channel), self.folder, desk, within_s)

    async def wait_gone(self) -> None:
        """Return when the shim has ended."""
        await wait_gone(self.pid, self.start, self.pidfd)

    def fileno(self) -> int:
        """What becomes readable when the shim comes back, or ends."""
        return self._channel.fileno()

    def came_back(self) -> "IdleShim | None":
        """The shim as an idle one again, with all that this held; None where it has ended. For when it is readable."""
        try:
            is_back = self._channel.recv(64) == IDLE
        except OSError:
            is_back = False
        if is_back:
            return IdleShim(
                pid=self.pid, start=self.start, pidfd=self.pidfd, zygote=self.zygote, _channel=self._channel
            )
        self.close()
        return None

    def close(self) -> None:
        """Let go of the descriptors; the shim goes on."""
        self._channel.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


@dataclass(slots=True, kw_only=True)
class IdleShim:
    """A shim that waits for its one order; it ends when this object is closed or the daemon dies."""

    pid: int
    start: str
    pidfd: int | None
    zygote: int
    _channel: socket.socket

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        return self.pidfd is None or not is_gone(self.pidfd)

    def hand_over(self, order: ShimOrder, descriptors: tuple[int, ...] = ()) -> RunningShim:
        """Give the order with its descriptors, which stay the caller's; raises `ShimGone`: then nothing was given.

        The execution's folder must be there, and its parent synced (core.md D1).
        """
        try:
            send_order(self._channel, order, descriptors)
        except OSError as error:
            self.close()
            raise ShimGone("the idle shim has ended") from error
        return RunningShim(
            pid=self.pid,
            start=self.start,
            pidfd=self.pidfd,
            zygote=self.zygote,
            folder=Path(order.folder),
            _channel=self._channel,
        )

    def close(self) -> None:
        """End this idle shim."""
        self._channel.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


@dataclass(slots=True, kw_only=True, eq=False)
class Zygote:
    """The running zygote, and the idle shims it has forked."""

    slots: int
    spares: int
    """How many shims that came back are kept idle."""
    _process: "subprocess.Popen[bytes]"
    _control: socket.socket
    _idle: deque[IdleShim] = field(default_factory=deque)
    _asked: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _out: set[RunningShim] = field(default_factory=set)
    """Shims with an order that may come back."""

    @classmethod
    async def start(cls, *, slots: int, spares: int = 1) -> Self:
        """Start a zygote and ask for its idle shims; returns before they are there. Raises OSError."""
        ours, theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM
        )
        with theirs:
            process = _spawn(theirs.fileno())
        ours.setblocking(False)
        zygote = cls(slots=slots, spares=spares, _process=process, _control=ours)
        asyncio.get_running_loop().add_reader(ours.fileno(), zygote._on_readable)
        zygote._fill()
        return zygote

    @property
    def pid(self) -> int:
        """Process id of the zygote."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """False once the zygote has ended or was closed."""
        return not self._gone.is_set()

    @property
    def ready(self) -> int:
        """How many idle shims can be taken now."""
        self._drop_dead()
        return len(self._idle)

    async def take(self) -> IdleShim:
        """Return an idle shim, waiting for one where none is ready; another is forked in its place at once."""
        while True:
            self._drop_dead()
            if self._idle:
                shim = self._idle.popleft()
                self._fill()
                return shim
            if not self.is_alive:
                raise ZygoteGone("the zygote has ended")
            if self._out and not self._asked:
                await self._wait_for_one_back()
                # Looked for, whatever the wait said: on a loop that stood still its end and the shim come together.
                if self._idle or not self.is_alive:
                    continue
            # Cleared first: a zygote that can not be asked any more is closed in here, and says so by this event.
            self._arrived.clear()
            self._fill(at_least=1)
            await self._arrived.wait()

    async def _wait_for_one_back(self) -> None:
        """A slot is mostly empty a moment before its own shim is back: wait for that rather than fork another."""
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMES_BACK_S):
                await self._arrived.wait()

    def expect(self, running: AnyRunningShim) -> None:
        """Take a shim whose order said `comes_back` for another one when its bot has ended; call after its verdict.

        What `running` holds is the zygote's from here on.
        """
        assert isinstance(running, RunningShim)
        if not self.is_alive or running.zygote != self.pid:
            # Below a shim without its zygote nobody would end what it leaves behind.
            running.close()
            return
        self._out.add(running)
        asyncio.get_running_loop().add_reader(running.fileno(), self._on_back, running)

    async def wait_gone(self) -> None:
        """Return when the zygote has ended by itself, or was closed."""
        await self._gone.wait()

    def close(self) -> None:
        """End the zygote and every idle shim that was not taken. Shims with an order go on."""
        if self._gone.is_set():
            return
        self._gone.set()
        self._arrived.set()
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        while self._idle:
            self._idle.popleft().close()
        while self._out:
            running = self._out.pop()
            asyncio.get_running_loop().remove_reader(running.fileno())
            running.close()

    async def reap(self) -> None:
        """After `close`: wait until the process is gone, so that none is left as a zombie; kills it after 5 s."""
        if self._process.poll() is not None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await wait_gone(self.pid, start_of(self.pid) or "")
        except TimeoutError:
            self._process.kill()
        self._process.wait()

    def _drop_dead(self) -> None:
        for shim in [each for each in self._idle if not each.is_alive]:
            self._idle.remove(shim)
            shim.close()

    def _fill(self, at_least: int = 0) -> None:
        wanted = max(self.slots, at_least) - len(self._idle) - self._asked
        for _ in range(max(0, wanted)):
            try:
                self._control.send(_FORK)
            except OSError:
                self.close()
                return
            self._asked += 1

    def _on_back(self, running: RunningShim) -> None:
        asyncio.get_running_loop().remove_reader(running.fileno())
        self._out.discard(running)
        shim = running.came_back()
        if shim is None:
            return
        if len(self._idle) >= self.spares:
            shim.close()
            return
        self._idle.append(shim)
        self._arrived.set()

    def _on_readable(self) -> None:
        try:
            data, descriptors = receive_with(self._control, 4096)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self.close()
            return
        self._asked = max(0, self._asked - 1)
        body = json.loads(data)
        if "error" in body or not descriptors:
            # It could not fork now; who waits asks again, but not at once.
            asyncio.get_running_loop().call_later(FORK_AGAIN_S, self._arrived.set)
            return
        channel = socket.socket(fileno=descriptors[0])
        channel.setblocking(False)
        pidfd = descriptors[1] if len(descriptors) > 1 else None
        shim = IdleShim(pid=body["pid"], start=body["start"], pidfd=pidfd, zygote=self.pid, _channel=channel)
        self._idle.append(shim)
        self._arrived.set()


def _spawn(control: int) -> "subprocess.Popen[bytes]":
    # -P: nothing is imported from the folder that the daemon happens to stand in.
    command = [sys.executable, "-P", "-m", "agent.shim.zygote_process", str(control)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(control,))


async def _receive(channel: socket.socket) -> bytes:
    """Return one message, empty at end of file."""
    try:
        return await asyncio.get_running_loop().sock_recv(channel, 65536)
    except OSError:
        return b""
