# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""Windows: nothing can be forked, so the next shims are started ahead (`agent/zygote.py` tells how it is used).

A shim's process takes its order from a stream and answers on one (`agent/shim/ahead.py`): its standard ones, or a pipe
where another session is in between (`agent/broker`). Descriptors do not travel: the gateway has a port of the home, and
the job object is the shim's own.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, Self

assert sys.platform == "win32"  # for the type checker; POSIX has `zygote_posix`

from agent.process import start_of
from agent.process_watch import wait_gone
from agent.shim.ahead import frame_order
from agent.shim.client import ShimGone
from agent.shim.order import OrderError, ShimOrder
from agent.shim.verdict import Verdict, VerdictDesk
from agent.shims_port import RunningShim as AnyRunningShim
from agent.shims_port import ZygoteGone
from agent.verdict_wait import VERDICT_S, await_verdict

_BREAKAWAY = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_BREAKAWAY_FROM_JOB
_PLAIN = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP


class Begun(Protocol):
    """A process that was started to be a shim."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        ...

    @property
    def to(self) -> BinaryIO:
        """Takes its order."""
        ...

    @property
    def answers(self) -> BinaryIO:
        """Gives its verdict."""
        ...

    def close(self) -> None:
        """Let go of its streams: one without an order ends."""
        ...

    def admit(self, folder: Path) -> None:
        """Let it into an execution's folder, where it runs as somebody else. Raises OSError."""
        ...


Launch = Callable[[], Begun]
"""Starts one. Blocks; raises OSError."""


@dataclass(slots=True, kw_only=True)
class RunningShim:
    """A shim with an order. It outlives this object and this daemon."""

    pid: int
    start: str
    folder: Path
    pidfd: int | None = None
    _process: Begun

    async def verdict(self, desk: VerdictDesk, within_s: float = VERDICT_S) -> Verdict:
        """Return the durable verdict on the order (`agent/verdict_wait.py`)."""
        return await await_verdict(self._answer(), self.folder, desk, within_s)

    async def wait_gone(self) -> None:
        """Return when the shim has ended."""
        await wait_gone(self.pid, self.start)

    def close(self) -> None:
        """Let go of its streams; the shim goes on."""
        self._process.close()

    async def _answer(self) -> bytes:
        try:
            return await asyncio.to_thread(self._process.answers.readline)
        except ValueError:
            return b""  # it was closed meanwhile


@dataclass(slots=True, kw_only=True)
class IdleShim:
    """A shim that waits for its one order; it ends when this object is closed or the daemon dies."""

    pid: int
    start: str
    _process: Begun

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        return self._process.is_alive

    def hand_over(self, order: ShimOrder, descriptors: tuple[int, ...] = ()) -> RunningShim:
        """Give the order; raises `ShimGone`: then nothing was given."""
        if descriptors or order.descriptors:
            raise OrderError("descriptors do not travel on Windows")
        try:
            self._process.admit(Path(order.folder))
            self._process.to.write(frame_order(order))
            self._process.to.flush()
        except OSError as error:
            self.close()
            raise ShimGone("the idle shim has ended") from error
        return RunningShim(pid=self.pid, start=self.start, folder=Path(order.folder), _process=self._process)

    def close(self) -> None:
        """End this idle shim."""
        self._process.close()


@dataclass(slots=True, kw_only=True, eq=False)
class Zygote:
    """Starts idle shims: a slot's next one when the slot is made ready, long before its order."""

    launch: Launch
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def start(cls, *, slots: int = 0, spares: int = 1, launch: Launch | None = None) -> Self:  # noqa: ARG003 - none comes back here, none is ahead of its slot
        """Ready at once; `launch` starts shims, as children of this process where not given."""
        return cls(launch=launch or spawn)

    @property
    def pid(self) -> int:
        """There is no zygote process here."""
        return 0

    @property
    def is_alive(self) -> bool:
        """False once it was closed."""
        return not self._gone.is_set()

    async def take(self) -> IdleShim:
        """Return an idle shim. Raises ZygoteGone, OSError (a slot waits five seconds and asks again)."""
        if not self.is_alive:
            raise ZygoteGone("no shims are started any more")
        process = await asyncio.to_thread(self.launch)
        return IdleShim(pid=process.pid, start=start_of(process.pid) or "", _process=process)

    def expect(self, running: AnyRunningShim) -> None:
        """Let go of it: a shim has one order here."""
        running.close()

    async def wait_gone(self) -> None:
        """Return when it was closed."""
        await self._gone.wait()

    def close(self) -> None:
        """Start none any more; idle shims are their slots' to close."""
        self._gone.set()

    async def reap(self) -> None:
        """Do nothing: idle shims end by themselves at the end of their input."""


class _Ours:
    """A child of this process, in its session, as its user."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self.pid = process.pid
        self.to: BinaryIO = process.stdin  # type: ignore[assignment]  # BufferedWriter, which typeshed calls IO
        self.answers: BinaryIO = process.stdout  # type: ignore[assignment]

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        return self._process.poll() is None

    def close(self) -> None:
        """Let go of its streams."""
        for pipe in (self.to, self.answers):
            pipe.close()

    def admit(self, folder: Path) -> None:
        """Do nothing: it is our own user."""


def spawn() -> Begun:
    """Start one as a child of this process. Raises OSError."""
    command = [sys.executable, "-P", "-m", "agent.shim.ahead"]
    try:
        # A service's or a CI's job would end the shim together with the daemon.
        return _popen(command, _BREAKAWAY)
    except PermissionError:
        return _popen(command, _PLAIN)


def _popen(command: list[str], flags: int) -> Begun:
    pipe = subprocess.PIPE
    return _Ours(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, creationflags=flags))
