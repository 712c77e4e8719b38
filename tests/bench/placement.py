"""Placement in numbers: a thousand waiting tasks on a thousand runners, and `why` among as many; in one process.

    python -m tests.bench.placement

The store is the real one (SQLite, a file), dispatch and book are the hub's; runners are played.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from agent.wire.messages import Stamp, Start
from hub.domain.automation import Definition
from hub.services import automations, tasks, waiting
from hub.services.loops import Dispatcher
from hub.services.tasks import NewTask
from hub.storage.migrations.run import migrate
from hub.storage.transaction import Done, Transaction
from tests.bench.figures import percentile
from tests.support.clock import FakeClock
from tests.support.work_world import (
    ADMIN,
    BUILD,
    HOME,
    HUB_ID,
    WORKSPACE,
    PlayedSession,
    WorkWorld,
    insert,
    work_world,
)

SITES = 10
_ASKED = 40


async def measure(folder: Path, count: int) -> dict[str, float]:
    """Seconds until `count` tasks of ten automations stand on as many runners of ten sites; milliseconds of `why`.

    The first `why` of a process is left out: it makes the statements ready that all others use.
    """
    url = f"sqlite:///{folder / 'placement.db'}"
    await asyncio.to_thread(asyncio.run, migrate(url))
    async with work_world(url, FakeClock()) as world:
        ids = await _seed(world, count)
        asked = []
        await world.store.read(waiting.why, WORKSPACE, ids[0], world.book.offers(WORKSPACE))
        for task_id in ids[:: max(1, count // _ASKED)]:
            began = time.perf_counter()
            offers = world.book.offers(WORKSPACE)
            await world.store.read(waiting.why, WORKSPACE, task_id, offers)
            asked.append(1000 * (time.perf_counter() - began))
        for number in range(count):
            world.book.slot_free(_runner(number), 1, 0, 1, Stamp(boot_ns=1, wall_ns=1))
        began = time.perf_counter()
        await Dispatcher(world.store, world.book, world.signals, sweep_s=5.0).serve(WORKSPACE)
        placed_s = time.perf_counter() - began
        started = [one for session in world.sessions.by_runner.values() for one in session.sent]
        assert count == sum(isinstance(one, Start) for one in started)
    return {"placed_1000_s": placed_s * 1000 / count, "why_p50_ms": percentile(asked, 0.5), "why_max_ms": max(asked)}


async def _seed(world: WorkWorld, count: int) -> list[str]:
    await world.store.write(_runners, count)
    for site in range(SITES):
        needs = {"site": f"site-{site}"}
        await world.store.write(automations.create, ADMIN, Definition(label=f"a{site}", bot="invoices", needs=needs))
    for number in range(count):
        session = PlayedSession(runner_id=_runner(number), epoch=1)
        world.sessions.by_runner[session.runner_id] = session
        world.book.open_session(WORKSPACE, session.runner_id, 1, {"site": f"site-{number % SITES}"})
        world.book.resumed(session.runner_id, 1, [BUILD])
    made = []
    for number in range(count):
        new = NewTask(workspace_id=WORKSPACE, automation=f"a{number % SITES}", parameters={}, actor="token:ana")
        made.append((await world.store.write(tasks.create, new)).id)
    return made


def _runners(tx: Transaction, count: int) -> Done[None]:
    known = {"public_key": "k", "home_id": HOME, "fingerprint": "f", "slots": 1, "state": "enrolled"}
    known |= {"session_epoch": 1, "last_epoch": 1, "hub_id": HUB_ID, "created_at": tx.now}
    for number in range(count):
        runner_id, labels = _runner(number), {"site": f"site-{number % SITES}"}
        insert(tx, "runners", id=runner_id, name=f"bench-{number}", labels=labels, **known)
        insert(tx, "preparations", runner_id=runner_id, build_id=BUILD, state="prepared", updated_at=tx.now)
    return Done(None)


def _runner(number: int) -> str:
    return f"rnr_{number + 0x100:032x}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="botyard-bench-") as where:
        found = asyncio.run(measure(Path(where), 1000))
    sys.stdout.write("".join(f"{name}  {value:.3f}\n" for name, value in found.items()))
