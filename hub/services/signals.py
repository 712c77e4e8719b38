"""Wakes for the hub's loops: an effect rings, a loop wakes; a ring that nobody hears is made good by a sweep."""

import asyncio
from collections.abc import Collection

from hub.storage.doorbell import Doorbell


class Bell:
    """Names that rang since they were last collected. Ringing never blocks and never queues twice."""

    def __init__(self) -> None:
        self._rung: dict[str, None] = {}
        self._event = asyncio.Event()

    def ring(self, name: str = "") -> None:
        """Wake whoever waits; the name is handed to them once."""
        self._rung[name] = None
        self._event.set()

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
        self.due = Bell()
        """A task began to wait for a moment earlier than any before."""
        self.outputs = Bell()
        """Executions whose output may have become whole."""
        self.stale = Bell()
        """``workspace_id/runner_id`` of runners that answer orders too late, again and again."""
        self.builds = Doorbell()
        """A runner told how far a build is, or what runners should have changed: whoever follows a build looks."""
        self.expected_outputs: dict[str, tuple[str, int]] = {}
        """Executions that ended, with (workspace, length of their whole output)."""

    def expect_output(self, workspace_id: str, execution_id: str, output_bytes: int) -> None:
        """An output will have this length; ring when it has."""
        self.expected_outputs[execution_id] = (workspace_id, output_bytes)
        self.outputs.ring(execution_id)

    def output_grew(self, execution_id: str, have: int) -> None:
        """Called with each progress of an output."""
        expected = self.expected_outputs.get(execution_id)
        if expected is not None and have >= expected[1]:
            self.outputs.ring(execution_id)
