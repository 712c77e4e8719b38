"""A loop that does not turn is told, with the place in the code where it stands (reliability.md R7).

A thread looks twice a second whether the event loop's own timer still moves. What it finds after a second is logged
once: the stack of the loop's thread. A process that was stopped as a whole (SIGSTOP, a paused machine) stands nowhere;
that is said without a stack.
"""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from agent.ports.clock import SystemClock

log = logging.getLogger(__name__)

STALL_S = 1.0
_LOOK_S = 0.5
_STACK_LINES = 12
_CLOCK = SystemClock()
"""Never a simulated one: what stands still is the real loop."""


class _Watch:
    """The loop's beat, and who looks at it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread_id = threading.get_ident()
        self._beat_s = _CLOCK.monotonic()
        self._told_of_s = 0.0
        self._over = threading.Event()
        self._timer = loop.call_later(_LOOK_S, self._beat)
        self._looker = threading.Thread(target=self._look, name="stall watch", daemon=True)
        self._looker.start()

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()
        self._over.set()
        self._looker.join()

    def _beat(self) -> None:
        now = _CLOCK.monotonic()
        if now - self._beat_s > STALL_S + _LOOK_S:
            log.warning("the event loop stood still for %.1f s", now - self._beat_s)
        self._beat_s = now
        self._timer = self._loop.call_later(_LOOK_S, self._beat)

    def _look(self) -> None:
        looked_s = _CLOCK.monotonic()
        while not self._over.wait(_LOOK_S):
            now, before = _CLOCK.monotonic(), looked_s
            looked_s = now
            if now - before > STALL_S:
                continue  # this thread stood still as well: the machine's doing
            beat_s = self._beat_s
            if now - beat_s > STALL_S + _LOOK_S and self._told_of_s != beat_s:
                self._told_of_s = beat_s
                log.warning("the event loop has not turned for %.1f s:\n%s", now - beat_s, self._stack())

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the documented way to another thread's stack
        return "".join(traceback.format_stack(frame)[-_STACK_LINES:]).rstrip() if frame else "(its thread has ended)"


@contextmanager
def stalls_told() -> Iterator[None]:
    """Watch the running loop while the block runs. Called on its thread."""
    watch = _Watch(asyncio.get_running_loop())
    try:
        yield
    finally:
        watch.close()
