# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""A bot's processes on Windows: a job object, and threads that carry its pipes to sockets, which a selector can watch.

Seen to work under Wine (`tests/windows`); CTRL_BREAK without a console nobody has seen.
"""

import json
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

assert sys.platform == "win32"  # for the type checker; POSIX has `body_posix`

from agent.process import command_of
from agent.process_windows import Job
from agent.shim.body import Child, Exited, SocketSource, StartFailure
from agent.shim.order import ShimOrder

_READ_BYTES = 64 * 1024
_LOOK_EVERY_S = 0.1
_FAILED = Exited(code=127, signal=None, peak_memory_bytes=0)


class JobTree:
    """One bot and everything below it: what is in its job object."""

    def __init__(self, job: Job, process: "subprocess.Popen[bytes] | None") -> None:
        self._job = job
        self._process = process
        self.is_empty = process is None
        self.exited: Exited | None = _FAILED if process is None else None

    @property
    def cgroup(self) -> None:
        """None: there are no control groups here."""
        return

    def pids(self) -> list[int]:
        """Process ids of everything in the job."""
        return self._job.pids()

    @property
    def main(self) -> int:
        """Process id of the main process, 0 when there never was one."""
        return 0 if self._process is None else self._process.pid

    def reap(self) -> None:
        """Look what has ended."""
        if self._process is None:
            return
        code = self._process.poll()
        if code is not None and self.exited is None:
            # NTSTATUS values come as unsigned numbers; what they mean is told by whoever reads them.
            peak = self._job.peak_memory_bytes()
            self.exited = Exited(code=code & 0xFFFFFFFF, signal=None, peak_memory_bytes=peak)
        self.is_empty = self.exited is not None and not self._job.pids()

    def interrupt(self) -> None:
        """CTRL_BREAK to the bot's group."""
        if self._process is not None:
            self._job.interrupt(self._process)

    def terminate(self) -> None:
        """Do nothing: Windows has no request between CTRL_BREAK and the end."""

    def kill(self) -> None:
        """End everything in the job."""
        self._job.terminate()

    def keep_on(self, cpus: list[int]) -> None:
        """Do nothing: jobs keep no CPUs here."""

    def survivors(self) -> tuple[tuple[int, str], ...]:
        """Return (pid, command line) of what is alive."""
        return tuple((pid, command_of(pid)) for pid in self._job.pids())

    def was_out_of_memory(self) -> bool:
        """Windows ends nobody for want of memory; allocations fail instead."""
        return False


def start_bot(order: ShimOrder, _: int) -> tuple[Child, JobTree]:
    """Start the bot in its job; a command that cannot be started is told by `Child.failure`."""
    job = Job()
    wake, waker = socket.socketpair()
    failure, process = None, None
    try:
        process = job.start(order.argv, order.env, order.cwd)
    except OSError as error:
        failure = StartFailure(step="exec", errno=error.errno or 0, text=str(error))
    tree = JobTree(job, process)
    stdout, stderr = (
        _carry(process.stdout if process else None, "stdout"),
        _carry(process.stderr if process else None, "stderr"),
    )
    threading.Thread(target=_watch, args=(tree, process, job, waker), name="watch", daemon=True).start()
    child = Child(pid=tree.main, stdout=stdout, stderr=stderr, wake=SocketSource(wake), failure=failure)
    return child, tree


def read_failure(data: bytes) -> StartFailure | None:
    """Decode what came by an exec-error source; there is none on Windows."""
    return StartFailure(**json.loads(data)) if data else None


def let_go() -> None:
    """Do nothing: this process was started without the daemon's console."""


def _carry(pipe: "BinaryIO | object | None", name: str) -> SocketSource:
    """Carry a pipe to a socket until its end, in a thread; the socket's buffer is what bounds it."""
    ours, theirs = socket.socketpair()

    def run() -> None:
        with theirs, suppress(OSError):
            while data := pipe.read1(_READ_BYTES):  # type: ignore[union-attr]  # BufferedReader, which typeshed calls IO
                theirs.sendall(data)

    if pipe is None:
        theirs.close()
    else:
        threading.Thread(target=run, name=name, daemon=True).start()
    return SocketSource(ours)


def _watch(tree: JobTree, process: "subprocess.Popen[bytes] | None", job: Job, waker: socket.socket) -> None:
    """Wake the loop when the main process has ended, and again when the job is empty."""
    with waker, suppress(OSError):
        if process is not None:
            process.wait()
        waker.sendall(b"x")
        pause = threading.Event()
        while process is not None and job.pids():
            pause.wait(_LOOK_EVERY_S)
        waker.sendall(b"x")
        # Kept open: the end of this socket would wake the loop for ever.
        while not tree.is_empty:
            pause.wait(_LOOK_EVERY_S)
        pause.wait()
