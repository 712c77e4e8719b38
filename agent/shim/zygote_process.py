"""The zygote: a process that has loaded everything a shim needs and forks idle shims ahead of need (core.md §2).

    python -m agent.shim.zygote_process FD

Exec'ed by the daemon, never forked from it (threads, keys, the lock), with one inherited socket. It is single-threaded,
reaps its children with a handler, and ends at the socket's end of file; idle shims end at that of theirs.

Daemon to zygote, one SOCK_SEQPACKET message each: `b"fork"`. Zygote to daemon: JSON `{"pid": …, "start": …}` with two
descriptors, the daemon's end of the shim's channel and a pidfd (Linux; one descriptor elsewhere), or `{"error": …}`.

It is a subreaper too: below a shim that was killed everything comes up to the zygote, which then has a child that is no
shim, and kills it; so a killed shim leaves no orphan (core.md §2), whatever the bot did.
"""

import array
import gc
import json
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from agent.process import kill_tree, start_of
from agent.shim import handover, idle, kernel
from agent.shim.rehearsal import rehearse

assert sys.platform != "win32"  # for the type checker; Windows has `ahead`

FORK = b"fork"


class ZygoteProcess:
    """The zygote's loop. `shims` are the children that it forked and that have not ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._shims: set[int] = set()
        self._wake_reader, self._wake_writer = os.pipe()

    def run(self) -> None:
        """Serve until the daemon is gone."""
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            ready = _wait(self._control.fileno(), self._wake_reader)
            if self._wake_reader in ready:
                os.read(self._wake_reader, 4096)
                self._reap()
            if self._control.fileno() in ready and not self._serve():
                return

    def _serve(self) -> bool:
        try:
            message = self._control.recv(64)
        except ConnectionError:
            return False
        if not message:
            return False
        for _ in range(message.count(FORK)):
            self._fork_shim()
        return True

    def _fork_shim(self) -> None:
        ours, theirs = handover.open_pair()
        with ours, theirs:
            try:
                pid = os.fork()
            except OSError as error:
                self._reply({"error": str(error)}, [])
                return
            if pid == 0:
                idle.main(theirs, os.getppid())
            self._shims.add(pid)
            descriptors = [ours.fileno()]
            pidfd = -1
            if sys.platform == "linux":
                pidfd = os.pidfd_open(pid)
                descriptors.append(pidfd)
            self._reply({"pid": pid, "start": start_of(pid) or ""}, descriptors)
            if pidfd >= 0:
                os.close(pidfd)

    def _reply(self, body: dict[str, object], descriptors: list[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self._control.sendmsg([json.dumps(body).encode() + b"\n"], rights)
        except OSError:
            return

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            self._shims.discard(pid)
        self._kill_orphans()

    def _kill_orphans(self) -> None:
        """Kill children that are no shims of ours: leftovers of a shim that was killed."""
        for pid in _children():
            if pid not in self._shims:
                kill_tree(pid)


def _wait(*descriptors: int) -> list[int]:
    ready, _, _ = select.select(list(descriptors), [], [])
    return ready


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123 - no pathlib call per reap
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def main() -> NoReturn:
    """Run the zygote on the descriptor named in the command line; leaves the process."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.setblocking(True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ctrl-C at a terminal reaches the whole group; the zygote ends with its daemon and not before.
        signal.signal(number, signal.SIG_IGN)
    kernel.name_process("botyard-zygote")
    kernel.become_subreaper()
    kernel.close_all_but({control.fileno()})
    rehearse()
    # What is alive now is never looked at by the collector again, so that its pages stay shared.
    gc.collect()
    gc.freeze()
    ZygoteProcess(control).run()
    sys.exit(0)


if __name__ == "__main__":
    main()
