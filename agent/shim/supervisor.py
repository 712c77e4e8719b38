"""The shim's loop: from an order to the end of its bot (core.md §1 D1, D3, D10, §2, §3, §4).

    supervise ── room on disk, socket ── verdict ── child ── loop ── exit file ── end
                        │                   │
                        └ void: unfit       └ void: stale, or somebody else's

One thread, one selector. Whatever can fail for want of disk or descriptors is done before the verdict, so that it voids
the order instead of breaking a bot. Facts go ahead of data: the exit of the main process is durable and told before its
pipes are drained.

The loop ends when the final exit file is written and the tree is empty. Nothing in it waits for the daemon.
"""

import os
import selectors
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from agent.masking import PatternSet
from agent.ports.clock import Clock
from agent.ports.files import Disk
from agent.process import start_of
from agent.segment_writer import SegmentWriter
from agent.segments import Stream
from agent.shim import kernel
from agent.shim.child import Child, read_failure, start_child
from agent.shim.ending import Ending
from agent.shim.exit_file import ExitFile
from agent.shim.handover import send_answer
from agent.shim.order import Role, ShimOrder, Stamp
from agent.shim.requests import Desk
from agent.shim.service import Service
from agent.shim.taps import Taps
from agent.shim.tree import Tree
from agent.shim.verdict import Verdict, VerdictDesk, VerdictKind
from agent.wire.words import VoidReason

OUTPUT_FOLDER = "output"
OOM_FILE: list[int] = []
"""The descriptor of this shim's own OOM score, opened by `idle` while that was allowed."""
_NS = 1_000_000_000
_FAREWELL_NS = _NS
"""How long the last messages may take to reach the daemon."""


def supervise(order: ShimOrder, descriptors: tuple[int, ...], channel: socket.socket, clock: Clock, disk: Disk) -> int:
    """Decide the verdict and, when it is `started`, be the parent of the bot until all is over; return an exit code."""
    verdicts = VerdictDesk(disk=disk, clock=clock)
    folder = Path(order.folder)
    try:
        house = House(order, dict(zip(order.descriptors, descriptors, strict=True)), clock, disk)
    except OSError as error:
        send_answer(channel, verdicts.link_void(folder, VoidReason.UNFIT, str(error)))
        return 0
    verdict = verdicts.link_started(order, os.getpid(), start_of(os.getpid()) or "")
    send_answer(channel, verdict)
    channel.close()
    if verdict.kind is not VerdictKind.STARTED or verdict.nonce != order.nonce:
        house.abandon()
        return 0
    Supervisor(house, verdict).run()
    return 0


class House:
    """Everything that is made before the verdict: room on disk, the socket, masks, timer."""

    def __init__(self, order: ShimOrder, held: dict[Role, int], clock: Clock, disk: Disk) -> None:
        # First, and exclusively: where it is there already, an order came twice, and nothing of the first is touched.
        output = Path(order.folder) / OUTPUT_FOLDER
        output.mkdir(mode=0o700)
        _leave_terminal()
        self.order = order
        self.clock = clock
        self.disk = disk
        self.folder = Path(order.folder)
        self.gateway = held.get(Role.GATEWAY)
        self.cgroup_procs = held.get(Role.CGROUP, -1)
        self.patterns = PatternSet(order.masks)
        self.selector = selectors.DefaultSelector()
        directory = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self.directory = held[Role.FOLDER] if Role.FOLDER in held else os.open(self.folder, directory)
        self.exit_file = ExitFile(folder=self.folder, disk=disk)
        self.exit_file.reserve()
        self.writer = SegmentWriter(folder=output, disk=disk, cap_bytes=order.output_cap_bytes)
        self.writer.open()
        self.service = Service(self.directory, order.nonce, self.selector)

    def abandon(self) -> None:
        """Take everything back: this order does not start here."""
        self.service.close()
        self.exit_file.release()
        self.writer.close(0)


class Supervisor:
    """The parent of one bot."""

    def __init__(self, house: House, verdict: Verdict) -> None:
        order, self._clock, self._selector = house.order, house.clock, house.selector
        self._house = house
        self._timer = kernel.open_timer()
        self._wake = _wake_on_children(self._selector, self._on_children)
        child = start_child(order, house.cgroup_procs, OOM_FILE[0] if OOM_FILE else -1)
        self._child = child
        self._taps = Taps(
            {Stream.STDOUT: child.stdout, Stream.STDERR: child.stderr}, house.patterns, house.writer, house.clock
        )
        self._tree = Tree(main=child.pid, cgroup=Path(order.cgroup) if order.cgroup else None)
        self._ending = Ending(house, verdict, self._tree, self._taps)
        house.service.serve(
            Desk(house, verdict, self._tree, self._ending).handle, lambda: self._ending.state(child.pid, verdict)
        )
        self._watch_child(child)
        self._told_length = 0
        self._output_due_ns = 0

    def run(self) -> None:
        """Serve until all is over, then say farewell."""
        # The child may have ended before the first look.
        self._on_children(0)
        while not self._ending.is_over:
            self._turn()
        until = self._clock.boot_ns() + _FAREWELL_NS
        while self._house.service.has_backlog and self._clock.boot_ns() < until:
            self._select(until)
        self._house.service.close()

    def _turn(self) -> None:
        self._select(self._next_due_ns())
        now = Stamp.of(self._clock)
        if _is_due(self._taps.flush_due_ns, now.boot_ns):
            self._taps.flush()
        if _is_due(self._house.writer.sync_due_ns, now.boot_ns):
            self._house.writer.sync()
        self._ring_output(now.boot_ns)
        self._ending.look(now)
        if self._ending.is_drain_over(now.boot_ns):
            for stream in self._taps.open_streams():
                self._selector.unregister(self._taps.descriptor(stream))
                self._taps.end(stream, is_end_seen=False)
        self._ending.finish_if_done(now)

    def _select(self, due_ns: int | None) -> None:
        timeout = None if due_ns is None else max(0.0, (due_ns - self._clock.boot_ns()) / _NS)
        if due_ns is not None and timeout and timeout > 1.0 and self._timer >= 0:
            # The selector's own clock stands still while the machine sleeps; this one wakes with it.
            kernel.set_timer(self._timer, due_ns)
        for key, events in self._selector.select(timeout):
            # One callback may have taken away what a later one is for.
            if key.fd in self._selector.get_map():
                key.data(events)

    def _next_due_ns(self) -> int | None:
        ending_ns = self._ending.next_due_ns(self._clock.boot_ns())
        dues = [self._taps.flush_due_ns, self._house.writer.sync_due_ns, ending_ns]
        if self._told_length != self._house.writer.length:
            dues.append(self._output_due_ns)
        return min((due for due in dues if due is not None), default=None)

    def _ring_output(self, now_ns: int) -> None:
        """Ring at most every 5 ms; the length is told, so a lost ring costs nothing."""
        length = self._house.writer.length
        if length == self._told_length or now_ns < self._output_due_ns:
            return
        self._told_length = length
        self._output_due_ns = now_ns + 5_000_000
        self._house.service.push({"event": "output", "length": length}, is_hint=True)

    def _watch_child(self, child: Child) -> None:
        for stream in self._taps.open_streams():
            fd = self._taps.descriptor(stream)
            self._selector.register(fd, selectors.EVENT_READ, self._reader(stream, fd))
        self._selector.register(child.exec_error, selectors.EVENT_READ, self._on_exec)
        if self._timer >= 0:
            self._selector.register(self._timer, selectors.EVENT_READ, lambda _: _drain(self._timer))

    def _reader(self, stream: Stream, fd: int) -> Callable[[int], None]:
        def on_ready(_: int) -> None:
            # Unregistered before it is closed by the end of the stream: a closed descriptor cannot be.
            if self._taps.at_end(stream):
                self._selector.unregister(fd)
                self._taps.end(stream, is_end_seen=True)

        return on_ready

    def _on_exec(self, _: int) -> None:
        data = os.read(self._child.exec_error, 4096)
        self._selector.unregister(self._child.exec_error)
        os.close(self._child.exec_error)
        self._ending.note_exec(read_failure(data))

    def _on_children(self, _: int) -> None:
        _drain(self._wake)
        self._tree.reap()
        if self._tree.exited is not None and self._child.exec_error in self._selector.get_map():
            # Why the command could not be started must be known before its exit is told.
            self._on_exec(0)
        self._ending.note_children(Stamp.of(self._clock))


def _leave_terminal() -> None:
    """Let go of the daemon's standard streams: a pipe that a shim holds hides the daemon's end."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd, inheritable=False)
    os.close(nothing)


def _wake_on_children(selector: selectors.BaseSelector, act: Callable[[int], None]) -> int:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector.register(reader, selectors.EVENT_READ, act)
    return reader


def _drain(fd: int) -> None:
    try:
        os.read(fd, 4096)
    except BlockingIOError:
        return


def _is_due(due_ns: int | None, now_ns: int) -> bool:
    return due_ns is not None and due_ns <= now_ns
