"""Waiting for processes on an event loop, without a thread and without polling where there are pidfds."""

import asyncio
import os
import select
import sys

from agent.process import same_process

_LOOK_EVERY_S = 0.5


async def wait_gone(pid: int, start: str, pidfd: int | None = None) -> None:
    """Return when the process has ended (it may be a zombie still). A given `pidfd` stays the caller's."""
    if pidfd is not None:
        await _wait_readable(pidfd)
        return
    if sys.platform == "linux":
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            if same_process(pid, start):
                await _wait_readable(fd)
        finally:
            os.close(fd)
        return
    while same_process(pid, start):  # noqa: ASYNC110 - no event tells it on this platform
        await asyncio.sleep(_LOOK_EVERY_S)


def is_gone(pidfd: int) -> bool:
    """Tell whether the process behind a pidfd has ended."""
    return bool(select.select([pidfd], [], [], 0)[0])


async def _wait_readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _set, ended)
    try:
        await ended
    finally:
        loop.remove_reader(fd)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
