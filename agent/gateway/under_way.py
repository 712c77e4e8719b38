"""Calls under way, and what is left to do for bots that have gone: all ends before the way to the hub is closed."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)

_LEFT_MAX = 200
"""More bots than a machine runs; behind that the lease of what was taken ends."""
_ENDING_S = 1.0


class UnderWay:
    """What the gateway is doing. The server forgets a call whose bot hangs up; here it stays known to its end."""

    def __init__(self) -> None:
        self.is_stopping = False
        """From here on a call that is canceled was canceled by us, whether or not its bot is still there."""
        self._calls: set[asyncio.Task[Any]] = set()
        self._left: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def stop(self) -> None:
        """Say that the gateway stops, before the server cancels its calls."""
        self.is_stopping = True

    @contextmanager
    def noted(self) -> Iterator[None]:
        """The call that this task serves is under way as long as the block lasts."""
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            yield
        finally:
            self._calls.discard(task)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this for a bot that has gone; `end` waits for it a while."""
        if self._is_closed or len(self._left) >= _LEFT_MAX:
            work.close()
            log.warning("what a bot no longer waited for stays its own until its lease or its execution ends")
            return
        task = asyncio.create_task(work, name="for-a-bot-that-has-gone")
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    async def end(self, within_s: float) -> None:
        """Give all of it so many seconds, then cancel what is left; nothing of it runs when this returns."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while (tasks := self._calls | self._left) and (rest := until - loop.time()) > 0:
            await asyncio.wait(tasks, timeout=rest)
        self._is_closed = True
        if tasks := self._calls | self._left:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_ENDING_S)
