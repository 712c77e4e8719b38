"""Where operations wait for the store: two bounded lanes, urgent work first (core.md §5)."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hub.storage.store import StoreUnavailable
from hub.storage.transaction import Effect, Transaction

_ORDINARY_SHARE = 8
"""Of a group, one eighth is kept for the ordinary lane, so that urgent work alone can not starve it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Operation:
    """One call of `write` or `read` on its way: what to run, and who wants to know."""

    name: str
    run: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    is_read: bool = False
    is_claim: bool = False
    on_failure: Sequence[Effect] = ()
    on_doubt: Sequence[Effect] = ()


def bound(function: Callable[..., Any], args: Sequence[Any]) -> Callable[[Transaction], Any]:
    """A use case or query with its arguments."""
    return lambda tx: function(tx, *args)


def name_of(function: Callable[..., Any]) -> str:
    """How the log names a use case or query."""
    inner = function.func if isinstance(function, partial) else function
    return f"{inner.__module__}.{getattr(inner, '__qualname__', type(inner).__name__)}"


class Lanes:
    """Two bounded queues. Plain data: the engine that owns it brings the lock or the loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: deque[Operation] = deque()
        self._ordinary: deque[Operation] = deque()
        self._overtaken = 0
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._ordinary)

    def put(self, operation: Operation, *, urgent: bool) -> None:
        """Queue an operation. Raises StoreUnavailable when its lane is full or the store is closing."""
        if self.is_closed:
            raise StoreUnavailable("store_closed", "The hub is stopping.")
        lane = self._urgent if urgent else self._ordinary
        if len(lane) >= self._limit:
            raise StoreUnavailable("store_busy", f"{len(lane)} operations wait already. Ask again.")
        lane.append(operation)

    def take(self, most: int) -> list[Operation]:
        """Take up to `most` operations, urgent ones first; one in eight is of the ordinary lane where some wait."""
        owed = most // _ORDINARY_SHARE or self._overtaken // (_ORDINARY_SHARE - 1)
        kept = min(len(self._ordinary), owed)
        taken = [self._urgent.popleft() for _ in range(min(len(self._urgent), most - kept))]
        urgent = len(taken)
        taken += [self._ordinary.popleft() for _ in range(min(len(self._ordinary), most - urgent))]
        self._overtaken = 0 if len(taken) > urgent or not self._ordinary else self._overtaken + urgent
        return taken
