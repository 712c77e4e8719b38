"""The machine as a shim touches it; the simulator gives it another one. The idle shim takes `system_ports`."""

import os
import selectors
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.ports.clock import Clock, SystemClock
from agent.ports.files import Disk, SystemDisk
from agent.process import start_of
from agent.shim import address, kernel

if sys.platform == "win32":
    from agent.shim import body_windows as body_here
else:
    from agent.shim import body_posix as body_here

if TYPE_CHECKING:
    from agent.shim.body import Child, StartFailure, Tree
    from agent.shim.order import ShimOrder

_NS = 1_000_000_000
Ready = list[tuple[selectors.SelectorKey, int]]


class Waiter(Protocol):
    """A selector whose waits end at a time of `Clock.boot_ns`, the machine's sleep counted."""

    def register(self, fileobj: Any, events: int, data: Any) -> object:
        """Wait for one more."""
        ...

    def modify(self, fileobj: Any, events: int, data: Any) -> object:
        """Wait for something else of it. Raises KeyError where it was not registered."""
        ...

    def unregister(self, fileobj: Any) -> object:
        """Wait for it no more."""
        ...

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is waited for, by descriptor."""
        ...

    def wait(self, due_ns: int | None) -> Ready:
        """What is ready, waiting for it until `due_ns`; for ever where that is None."""
        ...

    def close(self) -> None:
        """Wait for nothing any more."""
        ...


class Sockets(Protocol):
    """Where a shim listens for daemons (`address.py`)."""

    def listen(self, folder: Path, /) -> Any:
        """A listening socket in the execution's folder. Raises OSError."""
        ...

    def forget(self, folder: Path, /) -> None:
        """Take its name away."""
        ...

    def is_same_user(self, peer: Any, /) -> bool:
        """Whether the other end may talk to us."""
        ...


class Body(Protocol):
    """How a bot is started (`body_posix.py`, `body_windows.py`)."""

    def let_go(self) -> None:
        """Let go of what the daemon gave beside the order."""
        ...

    def start_bot(self, order: "ShimOrder", cgroup_procs: int, /) -> "tuple[Child, Tree]":
        """Start it; what could not be started is told later, by `exec_error` or `failure`."""
        ...

    def read_failure(self, data: bytes, /) -> "StartFailure | None":
        """Decode what came by `exec_error`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimPorts:
    """Everything that a shim asks of its machine."""

    clock: Clock
    disk: Disk
    waiter: Callable[[Clock], Waiter]
    sockets: Sockets
    body: Body
    whoami: Callable[[], tuple[int, str]]
    """Its own process id, and what tells it from any other of that id (`agent.process.start_of`)."""


class SystemWaiter:
    """A `Waiter` on the machine's selector; a timer wakes it where the selector's own clock stands still in sleep."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._timer = kernel.open_timer()
        self.register, self.modify = self._selector.register, self._selector.modify
        self.unregister, self.get_map = self._selector.unregister, self._selector.get_map
        if self._timer >= 0:
            self.register(self._timer, selectors.EVENT_READ, self._drain)

    def wait(self, due_ns: int | None) -> Ready:
        """What is ready, waiting for it until `due_ns`; for ever where that is None."""
        timeout = None if due_ns is None else max(0.0, (due_ns - self._clock.boot_ns()) / _NS)
        if due_ns is not None and timeout and timeout > 1.0 and self._timer >= 0:
            kernel.set_timer(self._timer, due_ns)
        return self._selector.select(timeout)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._selector.close()
        if self._timer >= 0:
            os.close(self._timer)
            self._timer = -1

    def _drain(self, _: int) -> None:
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return


def system_ports() -> ShimPorts:
    """This machine."""
    return ShimPorts(
        clock=SystemClock(),
        disk=SystemDisk(),
        waiter=SystemWaiter,
        sockets=address,
        body=body_here,
        whoami=lambda: (os.getpid(), start_of(os.getpid()) or ""),
    )
