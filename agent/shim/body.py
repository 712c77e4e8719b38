"""What the supervisor knows of a bot's processes, whatever the platform: where to read, what has ended, how to end it.

POSIX: `body_posix.py`, `child.py`, `tree.py`. Windows: `body_windows.py`. The supervisor's loop waits for *sources*:
pipes there, sockets that threads feed here, because a selector on Windows knows only sockets.
"""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailure:
    """The command could not be started: at which step, and the OS's error."""

    step: str
    errno: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """How the bot's main process ended: exactly one of `code` and `signal` is set."""

    code: int | None
    signal: int | None
    peak_memory_bytes: int


class Source(Protocol):
    """Something that a selector can wait for, and that gives bytes without waiting."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        ...

    def read(self, size: int) -> bytes:
        """Return what is there, empty at the end; raises BlockingIOError when there is nothing yet."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """The bot's main process, just started. `exec_error` tells later whether it became the bot; else `failure` does."""

    pid: int
    stdout: Source
    stderr: Source
    wake: Source
    exec_error: Source | None = None
    failure: StartFailure | None = None


class Tree(Protocol):
    """The bot and everything below it."""

    @property
    def main(self) -> int:
        """Process id of the main process."""
        ...

    @property
    def cgroup(self) -> Path | None:
        """The control group that holds the tree, where there is one."""
        ...

    def pids(self) -> list[int]:
        """Process ids of everything that is alive."""
        ...

    @property
    def is_empty(self) -> bool:
        """True when it is proven that no process is left."""
        ...

    @property
    def exited(self) -> Exited | None:
        """How the main process ended, once it has."""
        ...

    def reap(self) -> None:
        """Look what has ended."""
        ...

    def interrupt(self) -> None:
        """Ask the bot to end, as Ctrl-C would."""
        ...

    def terminate(self) -> None:
        """Ask everything to end."""
        ...

    def kill(self) -> None:
        """End everything."""
        ...

    def keep_on(self, cpus: list[int]) -> None:
        """Let it run on these CPUs only, where the platform can."""
        ...

    def survivors(self) -> tuple[tuple[int, str], ...]:
        """Return (pid, command line) of what is alive."""
        ...

    def was_out_of_memory(self) -> bool:
        """Tell whether the kernel killed in the bot's group for want of memory."""
        ...


class PipeSource:
    """The reading end of a pipe (POSIX)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        if sys.platform != "win32":
            os.set_blocking(fd, False)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._fd

    def read(self, size: int) -> bytes:
        """Return what is there, empty at the end; raises BlockingIOError when there is nothing yet."""
        return os.read(self._fd, size)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


class SocketSource:
    """The reading end of a pair of sockets, which a thread feeds (Windows)."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._end.fileno()

    def read(self, size: int) -> bytes:
        """Return what is there, empty at the end; raises BlockingIOError when there is nothing yet."""
        return self._end.recv(size)

    def close(self) -> None:
        """Let go of it."""
        self._end.close()
