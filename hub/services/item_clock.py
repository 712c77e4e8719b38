"""The clock of items: leases that run out, postponed items that fall due, batches that were left, history to remove."""

import math
from datetime import datetime

from agent.ports import Clock
from hub.domain.item import SETTLED
from hub.services import item_adding, item_ends
from hub.services.effects import WakeItems, WakeQueue
from hub.services.loops import for_ever
from hub.services.signals import Signals
from hub.storage import item_keeping
from hub.storage import items as rows
from hub.storage.item_keeping import LeasePlace
from hub.storage.store import Store
from hub.storage.transaction import Done, Effect, Transaction

_SLEEP_S = 30.0
"""The wall clock may be set: moments are looked at again at least this often."""
_SLICE = 500
_RENEWED_BEFORE_S = 60.0
"""Leases of bots that live are prolonged so long before their end; shorter ones when half of them is over."""
_LEAST_S = 0.05
_IDLE_S = 120.0
"""While nothing is held and nothing is postponed; a lease that ends about then, or sooner, wakes it."""
_TIDY_EVERY_S = 600.0
_STRAYS_EVERY_S = 60.0
"""Items in the hands of executions that are over are looked for so often: a net, nothing is known to leave any."""


def turn(tx: Transaction, after: LeasePlace | None = None, limit: int = _SLICE) -> Done[LeasePlace | None]:
    """Do a slice of what is due, of all workspaces; where the leases of living bots go on, if they do."""
    following = item_keeping.renew_living(tx, _RENEWED_BEFORE_S, after, limit)
    changed = rows.fall_due(tx, _SLICE)
    effects: list[Effect] = [WakeQueue(workspace_id=one, queue_id=queue) for one, queue in sorted(changed)]
    expired = item_ends.expire(tx)
    return Done(following, [*effects, *expired.effects])


def tidy(tx: Transaction) -> Done[int]:
    """Remove a slice of what nobody needs any more: left batches, and settled items past their queue's retention."""
    dropped = item_adding.drop_stale(tx).result
    removed = item_keeping.remove_old(tx, sorted(SETTLED), _SLICE)
    return Done(dropped + removed, [WakeItems()] if removed == _SLICE else [])


class ItemClock:
    """Sleeps until the next lease ends or the next item falls due; woken by earlier ones."""

    def __init__(self, store: Store, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._tidied_s = -_TIDY_EVERY_S
        self._swept_s = -_STRAYS_EVERY_S

    async def run(self) -> None:
        """Turn for ever."""
        await for_ever("items", self._step)

    async def _step(self) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._tidied_s >= _TIDY_EVERY_S:
            is_more = await self._store.write(tidy) >= _SLICE
            self._tidied_s = self._tidied_s if is_more else now_s
        if now_s - self._swept_s >= _STRAYS_EVERY_S:
            for stray in await self._store.read(item_keeping.strays, _SLICE):
                await self._store.write(item_ends.of_stray, *stray)
            self._swept_s = now_s
        lease_s, due_s = self._left_s(await self._store.read(rows.next_moments))
        if lease_s <= _RENEWED_BEFORE_S or due_s <= 0:
            after = await self._store.write(turn)
            while after is not None:
                after = await self._store.write(turn, after)
            lease_s, due_s = self._left_s(await self._store.read(rows.next_moments))
        # A lease that was not prolonged is somebody's without a runner: looked at once more when half of it is over.
        until_lease_s = lease_s - _RENEWED_BEFORE_S if lease_s > _RENEWED_BEFORE_S else lease_s / 2
        wait_s = min(until_lease_s, due_s)
        await self._signals.items.collect(_IDLE_S if math.isinf(wait_s) else min(max(wait_s, _LEAST_S), _SLEEP_S))

    def _left_s(self, moments: tuple[datetime | None, datetime | None]) -> tuple[float, float]:
        """Seconds until each."""
        lease_s, due_s = (math.inf if one is None else (one - self._clock.now()).total_seconds() for one in moments)
        return lease_s, due_s
