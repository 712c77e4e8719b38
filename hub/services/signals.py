"""Wakes for the hub's loops: an effect rings, a loop wakes; a ring that nobody hears is made good by a sweep."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from hub.storage.doorbell import Doorbell


class Bell:
    """Names that rang since they were last collected. Ringing never blocks and never queues twice."""

    def __init__(self) -> None:
        self._rung: dict[str, None] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._event = asyncio.Event()

    def ring(self, name: str = "") -> None:
        """Wake whoever waits; the name is handed to them once."""
        self._rung[name] = None
        self._event.set()

    def ring_after(self, name: str, after_s: float) -> None:
        """Ring in so many seconds; of several moments that are set for a name the earliest counts. On the loop only."""
        loop = asyncio.get_running_loop()
        known = self._later.get(name)
        if known is not None and not known.cancelled() and loop.time() < known.when() <= loop.time() + after_s:
            return
        if known is not None:
            known.cancel()
        self._later[name] = loop.call_later(max(0.0, after_s), self._ring_now, name)

    def _ring_now(self, name: str) -> None:
        del self._later[name]
        self.ring(name)

    async def collect(self, timeout_s: float | None = None) -> Collection[str]:
        """Wait for a ring and take all names; an empty collection when `timeout_s` passed in silence."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return ()
        self._event.clear()
        rung, self._rung = self._rung, {}
        return tuple(rung)


class Signals:
    """The bells of one hub, and the outputs that are waited for."""

    def __init__(self) -> None:
        self.dispatch = Bell()
        """Workspaces in which something could be granted."""
        self.desired = Bell()
        """``workspace_id/runner_id``, or ``workspace_id/`` for all its runners."""
        self.watched = Bell()
        """The same for folders that they should watch."""
        self.due = Bell()
        """A task began to wait for a moment earlier than any before."""
        self.windows = Bell()
        """A maintenance window was planned, or taken back."""
        self.dependents = Bell()
        """A finished task has dependents that were not told yet."""
        self.outputs = Bell()
        """Executions whose output may have become whole."""
        self.stale = Bell()
        """``workspace_id/runner_id`` of runners that answer orders too late, again and again."""
        self.items = Bell()
        """A lease or a postponed item ends earlier than any before."""
        self.triggers = Bell()
        """A trigger is due earlier than any before."""
        self.listeners = Bell()
        """A trigger was made or changed: it may listen to events."""
        self.failing = Bell()
        """``workspace_id/runner_id`` of runners whose machine failed an execution."""
        self.breakers = Bell()
        """A breaker waits for a moment earlier than any before, or for none any more."""
        self.queues = Bell()
        """``workspace_id/queue_id`` of queues whose items changed, ``workspace_id/trigger_id`` whose task ended."""
        self._takers: dict[str, set[asyncio.Event]] = {}
        self.builds = Doorbell()
        """A runner told how far a build is, or what runners should have changed: whoever follows a build looks."""
        self.fitness = Doorbell()
        """Runners can take work that could not, or no longer, and no event says so: a maintenance window began or
        ended, a heartbeat told that one is fit or not. Whoever is told why a task waits looks."""
        self.commit_position = 0
        """How far the store is, durably, as runners are told with each heartbeat (core.md D8); it may lag a little."""
        self.expected_outputs: dict[str, tuple[str, int]] = {}
        """Executions that ended, with (workspace, length of their whole output)."""

    def expect_output(self, workspace_id: str, execution_id: str, output_bytes: int) -> None:
        """An output will have this length; ring when it has."""
        self.expected_outputs[execution_id] = (workspace_id, output_bytes)
        self.outputs.ring(execution_id)

    def queue_changed(self, workspace_id: str, queue_id: str) -> None:
        """Items may be there to be taken: wake whoever waits for them."""
        self.queues.ring(f"{workspace_id}/{queue_id}")
        for waiting in self._takers.get(queue_id, ()):
            waiting.set()

    @contextmanager
    def watching(self, queue_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever that queue changes, from now until the block ends."""
        changed = asyncio.Event()
        takers = self._takers.setdefault(queue_id, set())
        takers.add(changed)
        try:
            yield changed
        finally:
            takers.discard(changed)
            if not takers:
                self._takers.pop(queue_id, None)

    def output_grew(self, execution_id: str, have: int) -> None:
        """Called with each progress of an output."""
        expected = self.expected_outputs.get(execution_id)
        if expected is not None and have >= expected[1]:
            self.outputs.ring(execution_id)
