"""The watch over a restored store costs one that was not restored next to nothing."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from agent.ports import SystemClock
from hub.services import held_loops
from hub.services.held_loops import HeldWatch
from hub.storage.doorbell import Doorbell
from tests.support.waiting import eventually


class CountingStore:
    """Holds nothing; counts how often it is asked."""

    def __init__(self) -> None:
        self.feed_changed = Doorbell()
        self.asked = 0

    async def read(self, *_: Any) -> bool:
        self.asked += 1
        return False


@pytest.mark.parametrize(("pause_s", "most"), [(3600.0, 1), (0.0, 100)])
async def test_events_between_two_looks_are_answered_by_one(
    monkeypatch: pytest.MonkeyPatch, pause_s: float, most: int
) -> None:
    monkeypatch.setattr(held_loops, "_LOOK_S", pause_s)
    store: Any = CountingStore()
    watch = asyncio.create_task(HeldWatch(store, SystemClock(), 0.0).run())
    await eventually(lambda: store.asked > 0)
    for _ in range(50):
        store.feed_changed.ring()
        await asyncio.sleep(0)
    assert store.asked <= most
    if not pause_s:
        await eventually(lambda: store.asked > 1)
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
