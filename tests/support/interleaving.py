"""Runs two use cases at once and stops the first before each of its statements, and before its COMMIT, in turn.

On PostgreSQL the second use case runs while the first stands still between two statements, until it has ended or waits
for a lock of the first; then the first goes on. On SQLite operations are serial; there the pair runs in both orders.
`core.md` §5: an invariant lives in a guarded UPDATE, a unique index, or a locked row, never in "count, then insert".
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.util import await_only

from hub.storage.store import Store, claim, is_claim
from hub.storage.transaction import Done, Transaction
from tests.support.waiting import eventually

UseCase = Callable[[Transaction], Done[Any]]

_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@dataclass(frozen=True, slots=True)
class Met:
    """How one meeting went: where the first was stopped (0: not at all), and what each returned or raised."""

    stopped_before: int
    first: Any
    second: Any


class _Gate:
    """Stops one use case before its n-th statement, or after its last, on its first run only."""

    def __init__(self, before: int) -> None:
        self._before = before
        self._seen = 0
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    def guard(self, use_case: UseCase) -> UseCase:
        """Wrap `use_case`."""

        def stopping(tx: Transaction) -> Done[Any]:
            sa.event.listen(tx.connection, "before_cursor_execute", self._pass)
            try:
                done = use_case(tx)
                self._pass()  # all done, nothing committed yet
                return done
            finally:
                sa.event.remove(tx.connection, "before_cursor_execute", self._pass)

        return claim(stopping) if is_claim(use_case) else stopping

    def _pass(self, *_args: object) -> None:
        self._seen += 1
        if self._seen == self._before:
            self.reached.set()
            await_only(self.opened.wait())


async def meetings(store: Store, first: UseCase, second: UseCase, reset: Callable[[], Any]) -> AsyncIterator[Met]:
    """Yield every meeting of the two, in a world that `reset()` prepared; check your invariants after each."""
    if await store.read(_dialect) == "sqlite":
        for pair in ((first, second), (second, first)):
            await reset()
            answers = await asyncio.gather(*(store.write(one) for one in pair), return_exceptions=True)
            yield Met(0, *(answers if pair[0] is first else answers[::-1]))
        return
    before = 0
    while True:
        before += 1
        await reset()
        met = await _meet(store, first, second, before)
        if met is None:
            return
        yield met


async def _meet(store: Store, first: UseCase, second: UseCase, before: int) -> Met | None:
    gate = _Gate(before)
    one, two = asyncio.Event(), asyncio.Event()
    answers: dict[str, Any] = {}

    async def run(name: str, use_case: UseCase, ended: asyncio.Event) -> None:
        try:
            answers[name] = await store.write(use_case)
        except Exception as error:
            answers[name] = error
        ended.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(run("first", gate.guard(first), one))
        await eventually(lambda: gate.reached.is_set() or one.is_set(), saying="the first use case got somewhere")
        if not gate.reached.is_set():
            return None
        group.create_task(run("second", second, two))
        try:
            await eventually(partial(_is_stuck, store, two), within=1)
        except AssertionError:
            pass  # it waits for its turn alone, which comes when the first has ended
        finally:
            gate.opened.set()
    return Met(before, answers["first"], answers["second"])


async def _is_stuck(store: Store, ended: asyncio.Event) -> bool:
    return ended.is_set() or await store.read(_blocked)


def _dialect(tx: Transaction) -> str:
    return tx.connection.dialect.name


def _blocked(tx: Transaction) -> bool:
    return bool(tx.connection.exec_driver_sql(_BLOCKED).scalar_one())
