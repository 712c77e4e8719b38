"""A flag and an inbox that weigh nothing while nobody waits and nothing lies in them: a hub has thousands (P9).

asyncio's own make a deque at once, 760 bytes each, ten for a session [M: CPython 3.11]. For one event loop, as theirs.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Flag:
    """Set once or again; whoever waits is woken."""

    __slots__ = ("_is_set", "_waiters")

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Whether it is."""
        return self._is_set

    def set(self) -> None:
        """Wake everybody, now and from now on."""
        self._is_set = True
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Let whoever comes now wait."""
        self._is_set = False

    async def wait(self) -> None:
        """Return when it is set, or was while we waited."""
        if self._is_set:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        await waiter


class InboxFull(Exception):  # noqa: N818 - a state, met by the one caller
    """There is no room for one more."""


class Inbox(Generic[T]):
    """First in, first out, for one reader; bounded."""

    __slots__ = ("_filled", "_messages", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._messages: deque[T] | None = None
        self._filled = Flag()

    def put(self, message: T) -> None:
        """Add one. Raises InboxFull."""
        if self._messages is None:
            self._messages = deque()
        elif len(self._messages) >= self._most:
            raise InboxFull
        self._messages.append(message)
        self._filled.set()

    def __len__(self) -> int:
        return 0 if self._messages is None else len(self._messages)

    def empty(self) -> bool:
        """Whether nothing lies in it."""
        return self._messages is None

    def take(self) -> T:
        """The oldest, which must be there."""
        assert self._messages is not None
        message = self._messages.popleft()
        if not self._messages:
            self._messages = None
            self._filled.clear()
        return message

    async def get(self) -> T:
        """The oldest, once there is one."""
        await self._filled.wait()
        return self.take()
