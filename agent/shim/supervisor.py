"""The shim's loop: from an order to the end of its bot (core.md §1 D1, D3, D10, §2, §3, §4).

    supervise ── room on disk, socket ── verdict ── child ── loop ── exit file ── end
                        │                   │
                        └ void: unfit       └ void: stale, or somebody else's

One thread, one selector. Whatever can fail for want of disk or descriptors is done before the verdict, so that it voids
the order instead of breaking a bot. Facts go ahead of data: the exit of the main process is durable and told before its
pipes are drained.

The loop ends when the final exit file is written and the tree is empty. Nothing in it waits for the daemon.
"""

import selectors
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.masking import PatternSet
from agent.segment_writer import SegmentWriter
from agent.segments import Stream
from agent.shim.body import Child, Source
from agent.shim.ending import Ending
from agent.shim.exit_file import ExitFile
from agent.shim.lines import LineDesk
from agent.shim.mask_file import keep_masks
from agent.shim.measure import disk_used
from agent.shim.order import Role, ShimOrder, Stamp
from agent.shim.ports import ShimPorts
from agent.shim.requests import Desk
from agent.shim.service import Service
from agent.shim.taps import Taps
from agent.shim.verdict import Verdict, VerdictDesk, VerdictKind
from agent.wire.words import VoidReason

OUTPUT_FOLDER = "output"
_NS = 1_000_000_000
_FAREWELL_NS = _NS
"""How long the last messages may take to reach the daemon."""


def supervise(
    order: ShimOrder, descriptors: tuple[int, ...], answer: Callable[[Verdict], None], ports: ShimPorts
) -> bool:
    """Decide the verdict and, when it is `started`, be the parent of the bot until all is over.

    `answer` tells the daemon the verdict that holds; it is called once. Returns whether the bot left nothing behind:
    no process, no pipe that somebody holds, no word untold.
    """
    supervisor = begin(order, descriptors, answer, ports)
    return supervisor is not None and supervisor.run()


def begin(
    order: ShimOrder, descriptors: tuple[int, ...], answer: Callable[[Verdict], None], ports: ShimPorts
) -> "Supervisor | None":
    """Decide the verdict and start the bot; None where it does not start here. `answer` is called once."""
    verdicts = VerdictDesk(disk=ports.disk, clock=ports.clock)
    folder = Path(order.folder)
    try:
        house = House(order, dict(zip(order.descriptors, descriptors, strict=True)), ports)
    except OSError as error:
        answer(verdicts.link_void(folder, VoidReason.UNFIT, str(error)))
        return None
    verdict = verdicts.link_started(order, *ports.whoami())
    if verdict.kind is not VerdictKind.STARTED or verdict.nonce != order.nonce:
        answer(verdict)
        house.abandon()
        return None
    supervisor = Supervisor(house, verdict)
    # After the fork: who is told now begins to work, on the core that the bot needs to start.
    answer(verdict)
    supervisor.look_at_children()
    return supervisor


class House:
    """Everything that is made before the verdict: room on disk, the socket, masks, timer."""

    def __init__(self, order: ShimOrder, held: dict[Role, int], ports: ShimPorts) -> None:
        # First, and exclusively: where it is there already, an order came twice, and nothing of the first is touched.
        output = Path(order.folder) / OUTPUT_FOLDER
        ports.disk.make_new_folder(output)
        ports.body.let_go()
        self.order = order
        self.clock = ports.clock
        self.disk = ports.disk
        self.body = ports.body
        self.folder = Path(order.folder)
        self.gateway = held.get(Role.GATEWAY)
        self.cgroup_procs = held.get(Role.CGROUP, -1)
        # Held for its life: the folder cannot be replaced by another of its name.
        self.directory = held.get(Role.FOLDER)
        self.patterns = PatternSet(order.masks)
        self.waiter = ports.waiter(self.clock)
        self.exit_file = ExitFile(folder=self.folder, disk=self.disk)
        self.exit_file.reserve()
        self.writer = SegmentWriter(
            folder=output, disk=self.disk, cap_bytes=order.output_cap_bytes, keep_free_bytes=order.keep_free_bytes
        )
        self.writer.open()
        self.service = Service(self.folder, order.nonce, self.waiter, ports.sockets)
        self.lines = LineDesk(self.add_masks, self.patterns, self.service.push)
        # What stands there before the bot writes; only whom it is counted for pays for the walk.
        self.disk_before = disk_used(self.folder) if order.bounds.disk_bytes is not None else None

    def add_masks(self, masks: Sequence[bytes]) -> None:
        """Mask these from the next byte on, and keep them for a daemon that comes after this shim."""
        known = frozenset(self.patterns.secrets)
        fresh = [mask for mask in masks if mask not in known]
        if fresh:
            self.patterns.add(fresh)
            keep_masks(self.folder, self.disk, fresh)

    def abandon(self) -> None:
        """Take everything back: this order does not start here."""
        self.service.close()
        self.exit_file.release()
        self.writer.close(0)


class Supervisor:
    """The parent of one bot: `run`, or `turn` again and again until `is_over`, then `end`."""

    def __init__(self, house: House, verdict: Verdict) -> None:
        order, self._clock, self._waiter = house.order, house.clock, house.waiter
        self._house = house
        child, self._tree = house.body.start_bot(order, house.cgroup_procs)
        self._child = child
        self._exec_error = child.exec_error
        self._taps = Taps(
            {Stream.STDOUT: child.stdout, Stream.STDERR: child.stderr},
            house.patterns,
            house.lines if order.lines else None,
            house.writer,
            house.clock,
        )
        self._ending = Ending(house, verdict, self._tree, self._taps)
        house.service.serve(
            Desk(house, verdict, self._tree, self._ending).handle, lambda: self._ending.state(child.pid, verdict)
        )
        self._ending.note_exec(child.failure)
        self._watch_child(child)
        self._told_length = 0
        self._output_due_ns = 0

    def run(self) -> bool:
        """Serve until all is over, then say farewell; return whether nothing of the bot is left."""
        while not self.is_over:
            self.turn()
        until = self._clock.boot_ns() + _FAREWELL_NS
        while self._house.service.has_backlog and self._clock.boot_ns() < until:
            self._select(until)
        return self.end()

    def look_at_children(self) -> None:
        """Note who has ended; the first time before `turn`, since the child may have by then."""
        self._on_children(0)

    @property
    def is_over(self) -> bool:
        """True when the final exit file is written and no process is left."""
        return self._ending.is_over

    def end(self) -> bool:
        """Take the socket away; return whether nothing of the bot is left, no word to its daemon either."""
        is_told = not self._house.service.has_backlog
        self._house.service.close()
        self._waiter.close()
        return is_told and self._tree.is_empty and self._taps.all_ended

    def turn(self) -> None:
        """Wait for something that is ready or due, and do it."""
        self._select(self.next_due_ns())
        now = Stamp.of(self._clock)
        if _is_due(self._taps.flush_due_ns, now.boot_ns):
            self._taps.flush()
        if _is_due(self._house.writer.sync_due_ns, now.boot_ns):
            self._house.writer.sync()
        self._ring_output(now.boot_ns)
        self._house.lines.tell_progress(now.boot_ns)
        self._ending.look(now)
        if self._ending.is_drain_over(now.boot_ns):
            for stream, source in self._taps.open_sources().items():
                self._waiter.unregister(source.fileno())
                self._taps.end(stream, is_end_seen=False)
        self._ending.finish_if_done(now)

    def _select(self, due_ns: int | None) -> None:
        for key, events in self._waiter.wait(due_ns):
            # One callback may have taken away what a later one is for.
            if key.fd in self._waiter.get_map():
                key.data(events)

    def next_due_ns(self) -> int | None:
        """When `turn` has something to do even if nothing is ready, by `Clock.boot_ns`."""
        ending_ns = self._ending.next_due_ns(self._clock.boot_ns())
        dues = [self._taps.flush_due_ns, self._house.writer.sync_due_ns, ending_ns, self._house.lines.progress_due_ns]
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
        for stream, source in self._taps.open_sources().items():
            self._waiter.register(source.fileno(), selectors.EVENT_READ, self._reader(stream, source.fileno()))
        self._waiter.register(child.wake.fileno(), selectors.EVENT_READ, self._on_children)
        if child.exec_error is not None:
            self._waiter.register(child.exec_error.fileno(), selectors.EVENT_READ, self._on_exec)

    def _reader(self, stream: Stream, fd: int) -> Callable[[int], None]:
        def on_ready(_: int) -> None:
            # Unregistered before it is closed by the end of the stream: a closed descriptor cannot be.
            if self._taps.at_end(stream):
                self._waiter.unregister(fd)
                self._taps.end(stream, is_end_seen=True)

        return on_ready

    def _on_exec(self, _: int) -> None:
        source, self._exec_error = self._exec_error, None
        if source is None:
            return
        failure = self._house.body.read_failure(source.read(4096))
        self._waiter.unregister(source.fileno())
        source.close()
        self._ending.note_exec(failure)

    def _on_children(self, _: int) -> None:
        _drain(self._child.wake)
        self._tree.reap()
        if self._tree.exited is not None:
            # Why the command could not be started must be known before its exit is told.
            self._on_exec(0)
        if self._tree.is_empty:
            self._read_rest()
        self._ending.note_children(Stamp.of(self._clock))

    def _read_rest(self) -> None:
        """Nobody of the tree writes any more: what stands in the pipes is mostly all, and one look ends them."""
        for stream, source in self._taps.open_sources().items():
            if self._taps.at_end(stream):
                self._waiter.unregister(source.fileno())
                self._taps.end(stream, is_end_seen=True)


def _drain(source: Source) -> None:
    try:
        source.read(4096)
    except BlockingIOError:
        return


def _is_due(due_ns: int | None, now_ns: int) -> bool:
    return due_ns is not None and due_ns <= now_ns
