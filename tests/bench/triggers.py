"""How late triggers fire: many of them on one SQLite file, fired by the hub's own clock of triggers.

No runner and no HTTP: what is measured is from a moment to the line in the history, with its task in the same commit.
"""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.ports import SystemClock
from hub.services import triggers
from hub.services.trigger_clock import TriggerClock
from hub.services.triggers import NewTrigger
from hub.storage.room import Room
from hub.storage.transaction import Done, Transaction
from tests.bench.figures import median, percentile
from tests.support.work_world import ADMIN, WorkWorld, work_world

_SLICE = 10
_WARM_UP_S = 5.0


async def lateness(folder: Path, count: int, seconds: float) -> dict[str, float]:
    """`count` triggers, each once a minute, spread over its seconds; looked at for so long."""
    async with _world(folder / "spread.db") as world:
        await _define(world, count, lambda number: f"{number % 60} * * * * ?")
        begin = datetime.now(UTC) + timedelta(seconds=_WARM_UP_S)
        await _fire(world, _WARM_UP_S + seconds)
        late = await _late_ms(world, begin)
    return {"trigger_late_p50_ms": median(late), "trigger_late_p99_ms": percentile(late, 0.99)}


async def herd(folder: Path, count: int) -> dict[str, float]:
    """`count` triggers that are all due in the same second, until the last has fired."""
    async with _world(folder / "herd.db") as world:
        moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10 + count / 200)
        line = f"{moment:%S} {moment:%M} {moment:%H} * * ?"
        await _define(world, count, lambda _: line)
        begin = datetime.now(UTC)
        late: list[float] = []
        while len(late) < count:
            await _fire(world, 1)
            late = await _late_ms(world, begin)
    return {"trigger_herd_per_s": count / (max(late) / 1000)}


@asynccontextmanager
async def _world(file: Path) -> AsyncIterator[WorkWorld]:
    clock: Any = SystemClock()  # the world asks for one that it may turn, and never turns it
    async with work_world(f"sqlite:///{file}", clock) as world:
        yield world


async def _define(world: WorkWorld, count: int, line_of: Any) -> None:
    for first in range(0, count, _SLICE):
        lines = {f"t{number}": line_of(number) for number in range(first, min(count, first + _SLICE))}
        await world.store.write(functools.partial(_insert, lines))


def _insert(lines: dict[str, str], tx: Transaction) -> Done[None]:
    for label, line in lines.items():
        new = NewTrigger(label=label, automation="invoices", definition={"cron": line})
        triggers.create(tx, ADMIN, new)
    return Done(None)


async def _fire(world: WorkWorld, seconds: float) -> None:
    """Let the clock of triggers run for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await TriggerClock(world.store, world.signals, SystemClock(), Room()).run()


async def _late_ms(world: WorkWorld, begin: datetime) -> list[float]:
    """How late each firing was whose moment came after `begin`."""
    rows = await world.rows("firings", outcome="fired")
    return [(row["at"] - row["scheduled_for"]).total_seconds() * 1000 for row in rows if row["scheduled_for"] > begin]
