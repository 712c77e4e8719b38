"""What the daemon asks of this machine's processes: zygote, shims, and what is left of bots (`core.md` §2).

`agent/shims.py` asks the machine; the simulator has processes of its own. Nothing else here looks at a process.
"""

from pathlib import Path
from typing import Protocol

from agent.cgroups.choice import Hierarchies
from agent.shim.client import ShimClient
from agent.shim.order import ShimOrder
from agent.shim.verdict import Verdict, VerdictDesk


class ZygoteGone(ConnectionError):  # noqa: N818 - it says what is
    """The zygote has ended; idle shims that were not taken have ended with it."""


class RunningShim(Protocol):
    """A shim with an order. It outlives this object and this daemon."""

    async def verdict(self, desk: VerdictDesk) -> Verdict:
        """Return the durable verdict on the order: the shim's, or what holds after our own `void` (`core.md` D1)."""
        ...

    def close(self) -> None:
        """Let go of its descriptors; the shim goes on."""
        ...


class IdleShim(Protocol):
    """A shim that waits for its one order; it ends when this object is closed or the daemon dies."""

    @property
    def is_alive(self) -> bool:
        """False when it has ended."""
        ...

    def hand_over(self, order: ShimOrder, descriptors: tuple[int, ...] = ()) -> RunningShim:
        """Give the order with its descriptors, which stay the caller's. Raises ShimGone: then nothing was given."""
        ...

    def close(self) -> None:
        """End this idle shim."""
        ...


class Zygote(Protocol):
    """The running zygote, and the idle shims it has forked."""

    async def take(self) -> IdleShim:
        """Return an idle shim, waiting for one where none is ready. Raises ZygoteGone."""
        ...

    def expect(self, running: RunningShim) -> None:
        """Take what `running` holds; a shim whose bot has ended may come back for another order."""
        ...

    async def wait_gone(self) -> None:
        """Return when the zygote has ended by itself, or was closed."""
        ...

    def close(self) -> None:
        """End the zygote and every idle shim that was not taken. Shims with an order go on."""
        ...

    async def reap(self) -> None:
        """After `close`: wait until the process is gone."""
        ...


class Shims(Protocol):
    """The processes of this machine. What blocks is called in a thread."""

    @property
    def hierarchies(self) -> Hierarchies:
        """The control groups that this runner may use."""
        ...

    async def start_zygote(self, spares: int) -> Zygote:
        """Start a zygote that keeps up to so many shims which came back. Raises OSError."""
        ...

    async def connect(self, folder: Path, nonce: str) -> ShimClient:
        """Connect to the shim of an execution's folder. Raises ShimGone, TimeoutError."""
        ...

    def same_process(self, pid: int, start: str) -> bool:
        """Whether `pid` still is the process that was noted with `start`."""
        ...

    def kill_tree(self, pid: int) -> None:
        """SIGKILL for everything below it, then for itself. Blocks."""
        ...

    def kill_group(self, group: Path) -> None:
        """SIGKILL for everything in a control group. Blocks."""
        ...

    def kill_leftovers(self, execution_id: str, started_after_boot_ns: int) -> list[int]:
        """Kill what runs with the execution's variable and began after its verdict; return who is left. Blocks."""
        ...

    def find_leftovers(self, execution_id: str) -> list[int]:
        """What runs with the execution's variable. Blocks."""
        ...

    def command_of(self, pid: int) -> str:
        """A command line for people; empty when it cannot be read."""
        ...
