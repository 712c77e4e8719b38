"""The bot's process tree, seen from its shim: a subreaper, so every orphan comes up to it.

The tree is empty exactly when the shim has no child: `waitpid` says ECHILD. That is proof, not a scan; but on macOS,
which has no subreapers, where processes with the execution's variable are looked for as well.
"""

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.cgroups.killing import kill_cgroup, members
from agent.cgroups.readings import machine_oom_kills, oom_kills, peak_memory_bytes
from agent.process import KILL, command_of, descendants, find_by_execution_id, kill_below, signal_all
from agent.shim.body import Exited

assert sys.platform != "win32"  # for the type checker; Windows has `body_windows`


@dataclass(slots=True, kw_only=True)
class DescentTree:
    """One bot and everything below it, by descent and, where there is one, by its cgroup."""

    main: int
    cgroup: Path | None
    execution_id: str
    memory_group: Path | None = None
    """Where the kernel counts its memory."""
    machine_kills: int = 0
    """How many processes of the whole machine had been killed for want of memory before it began."""
    is_empty: bool = False
    exited: Exited | None = None
    _peak_kib: int = field(default=0)

    def reap(self) -> None:
        """Collect everything that has ended; notes the end of the main process and the end of the whole tree."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.is_empty = not self._strays()
                return
            if pid == 0:
                return
            self._peak_kib = max(self._peak_kib, usage.ru_maxrss)
            if pid == self.main:
                peak = peak_memory_bytes(self.memory_group) if self.memory_group is not None else 0
                # What the group counts is the whole tree's, without what it shares with others.
                self.exited = _exited(status, peak or self._peak_kib * 1024)

    def pids(self) -> list[int]:
        """Process ids of everything that is alive: by its cgroup, else by descent."""
        return (members(self.cgroup) if self.cgroup is not None else []) or descendants(os.getpid())

    def interrupt(self) -> None:
        """SIGINT to the bot's group, as Ctrl-C would."""
        self._signal_group(signal.SIGINT)

    def terminate(self) -> None:
        """SIGTERM to the bot's group and to what has left it."""
        self._signal_group(signal.SIGTERM)
        signal_all(self._outside_group(), signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for every process of the tree, by its cgroup where there is one, and by descent in any case."""
        if self.cgroup is not None:
            kill_cgroup(self.cgroup)
        kill_below(os.getpid(), self.reap)
        signal_all(self._strays(), KILL)

    def keep_on(self, cpus: list[int]) -> None:
        """Let every process run on these CPUs only; one that is gone meanwhile is passed over."""
        if sys.platform == "linux":
            for pid in self.pids():
                with suppress(OSError):
                    os.sched_setaffinity(pid, cpus)

    def survivors(self) -> tuple[tuple[int, str], ...]:
        """Return (pid, command line) of what is alive."""
        return tuple((pid, command_of(pid)) for pid in (*descendants(os.getpid()), *self._strays()))

    def was_out_of_memory(self) -> bool:
        """Tell whether the kernel killed in the bot's group for want of memory; asked of a bot that SIGKILL ended.

        Where no group counts that, the machine's own count tells: it rose while the bot ran, and nobody else is known
        to have sent this signal.
        """
        if self.memory_group is not None:
            return oom_kills(self.memory_group) > 0
        if self.exited is None or self.exited.signal != signal.SIGKILL:
            return False
        return machine_oom_kills() > self.machine_kills

    def _signal_group(self, number: int) -> None:
        # Once the main process is reaped its number may be somebody else's; `_outside_group` then finds the rest.
        if self.exited is not None:
            return
        try:
            os.killpg(self.main, number)
        except (ProcessLookupError, PermissionError):
            return

    def _strays(self) -> list[int]:
        """Orphans that did not come up to this process: none on Linux; on macOS, without subreapers, by their name."""
        return [] if sys.platform == "linux" else find_by_execution_id(self.execution_id)

    def _outside_group(self) -> list[int]:
        below = [*descendants(os.getpid()), *self._strays()]
        return below if self.exited is not None else [pid for pid in below if _group_of(pid) != self.main]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _exited(status: int, peak_memory_bytes: int) -> Exited:
    code = os.waitstatus_to_exitcode(status)
    return Exited(
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        peak_memory_bytes=peak_memory_bytes,
    )
