"""The simulated hub keeps what it acknowledged, and nothing it did not (reliability.md T1, G1)."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.wire.words import Kind, TaskState
from tests.history.recorder import Recorder
from tests.simulation import work
from tests.simulation.chance import Chance
from tests.simulation.hub import HubGone, SimHub
from tests.simulation.loop import SimLoop
from tests.simulation.machine import Surroundings
from tests.simulation.network import Network
from tests.simulation.work import Plan


def in_world(story: Callable[[SimHub], Awaitable[None]], seed: int = 7) -> SimLoop:
    """Run a story with one hub."""
    chance = Chance(seed)
    loop = SimLoop(chance.stream("order"))
    recorder = Recorder(lambda: loop.now)
    network = Network(loop, chance.stream("network"))
    around = Surroundings(loop=loop, chance=chance, network=network, recorder=recorder)

    async def main(folder: Path) -> None:
        hub = SimHub(around, folder)
        await hub.start()
        await hub.ask(lambda parts: work.seed(parts, [Plan(label="one", kind=Kind.PYTHON)]))
        await story(hub)
        hub.crash()
        assert hub.failures == []

    with tempfile.TemporaryDirectory() as folder, chance.product():
        try:
            loop.run_until_complete(main(Path(folder)))
        finally:
            loop.dispose()
            loop.close()
    assert loop.failures == []
    return loop


def test_an_acknowledged_task_is_there_after_a_crash() -> None:
    """G1, R2: what was answered was committed."""

    async def story(hub: SimHub) -> None:
        task = await hub.ask(lambda parts: work.create(parts, "one"))
        hub.crash()
        with pytest.raises(HubGone):
            await hub.ask(lambda parts: work.show(parts, task.id))
        await hub.start()
        again = await hub.ask(lambda parts: work.show(parts, task.id))
        assert (again.state, again.id) == (TaskState.QUEUED, task.id)

    in_world(story)


def test_a_hub_stops_in_order_within_ten_seconds() -> None:
    """R5."""

    async def story(hub: SimHub) -> None:
        await hub.stop()
        assert not hub.is_up
        await hub.start()
        assert hub.is_up

    in_world(story)


def test_same_seed_same_trace() -> None:
    """T1: with the real services and SQLite below them."""

    async def story(hub: SimHub) -> None:
        for _ in range(3):
            await hub.ask(lambda parts: work.create(parts, "one"))
        hub.crash()
        await hub.start()
        await asyncio.sleep(60.0)

    assert in_world(story).digest == in_world(story).digest != in_world(story, seed=8).digest
