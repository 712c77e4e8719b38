"""Asks a person to look at tasks that have waited for a runner for 15 minutes, once each (core.md §4, clocks).

There is no start deadline: a task waits as long as it must. The alert is past when the task is granted or ended; one
that waits anew, for another try, is told anew.
"""

import asyncio
from datetime import timedelta

from hub.services.loops import for_ever
from hub.storage import alerts, long_waits
from hub.storage.store import Store
from hub.storage.transaction import Done, NewEvent, Transaction

WAITING_LONG = "task_waiting_long"
AFTER = timedelta(minutes=15)
_SLICE = 200
_LOOK_S = 30.0


class LongWaits:
    """Looks for them now and then: an alert of a quarter of an hour may come half a minute late."""

    def __init__(self, store: Store, look_s: float = _LOOK_S) -> None:
        self._store = store
        self._look_s = look_s

    async def run(self) -> None:
        """Look for ever."""
        await for_ever("long waits", self._step)

    async def _step(self) -> None:
        await self.look()
        await asyncio.sleep(self._look_s)

    async def look(self) -> None:
        """One look; writes only where there is something to say."""
        if await self._store.read(_is_due):
            while await self._store.write(tell):
                pass


def tell(tx: Transaction) -> Done[bool]:
    """Open and resolve alerts, a slice at a time; True when there may be more."""
    found = long_waits.untold(tx, WAITING_LONG, tx.now - AFTER, _SLICE)
    for workspace_id, task_id, number, automation in found:
        message = f"Task {number} of {automation} waits for a runner. What holds it: botyard task why {number}"
        if alerts.raise_alert(tx, workspace_id, WAITING_LONG, task_id, message):
            tx.record(
                NewEvent(
                    workspace_id=workspace_id,
                    kind="task.waiting_long",
                    subject=task_id,
                    actor="hub",
                    task_id=task_id,
                    data={"number": number, "automation": automation, "minutes": AFTER.seconds // 60},
                )
            )
    past = long_waits.past(tx, WAITING_LONG, _SLICE)
    for workspace_id, task_id in past:
        alerts.resolve(tx, workspace_id, WAITING_LONG, task_id)
    return Done(_SLICE in {len(found), len(past)})


def _is_due(tx: Transaction) -> bool:
    found = long_waits.untold(tx, WAITING_LONG, tx.now - AFTER, 1)
    return bool(found or long_waits.past(tx, WAITING_LONG, 1))
