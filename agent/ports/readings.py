"""Blocking readings one at a time: one that hangs, as a file system may, keeps one thread however often it is asked."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Readings:
    """Each on a thread of its own, which delays no end of this process. Loops may come and go."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._under_way: Future[Any] | None = None

    async def read(self, reading: Callable[[], T]) -> T:
        """What `reading` returns; whoever waits may be cancelled, while a reading that hangs is left behind."""
        while self._under_way is not None and not self._under_way.done():
            await asyncio.wait({asyncio.wrap_future(self._under_way)})
        future: Future[T] = Future()
        # Running from here on: nobody who stops waiting ends it.
        future.set_running_or_notify_cancel()
        Thread(target=_run, args=(future, reading), name=self._name, daemon=True).start()
        self._under_way = future
        return await asyncio.wrap_future(future)


def _run(future: "Future[T]", reading: Callable[[], T]) -> None:
    try:
        result = reading()
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        future.set_exception(error)
    else:
        future.set_result(result)
