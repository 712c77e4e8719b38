"""The hub is away for a day of virtual time, and nothing changes but the clock (R6)."""

import asyncio
import os

import pytest

from agent.wire.words import Kind
from tests.history.checker import check
from tests.history.events import Granted, Settled
from tests.simulation.chance import Chance
from tests.simulation.draw import Draw
from tests.simulation.runner import SimRunner
from tests.simulation.work import Plan
from tests.simulation.world import World, open_world

DAY_S = 25 * 3600.0
"""More than after which the silent are lost (D9)."""
SEEDS = range(1, 9) if os.environ.get("BOTYARD_TEST_LONG") else (1,)
TASKS = 6
PLAN = Plan(label="one", kind=Kind.PYTHON, run_limit_s=600)


async def live(world: World, away_s: float) -> None:
    """Six tasks on four slots; the hub dies while bots run, and comes back so much later."""
    await world.begin()
    for _ in range(TASKS):
        await world.client.create(PLAN)
    await asyncio.sleep(2.0)
    if away_s:
        world.hub.crash()
        await asyncio.sleep(away_s)
        await world.hub.start()
    await world.come_to_an_end()
    await world.reckon()


def ends(seed: int, away_s: float) -> dict[str, tuple[str, str | None]]:
    """How each task ended; the checker found no fault in the history, and each had one execution."""
    chance = Chance(seed)
    draw = Draw(chance=chance, slots=(2, 2), plans=(PLAN,), tasks=0, troubles=(), faults_s=1.0, fault_gap_s=1.0)
    with open_world(chance, SimRunner, draw=draw) as world:
        world.loop.run_until_complete(live(world, away_s))
        assert [] == world.ended_by_themselves()
        events = list(world.recorder.events)
    assert [] == list(check(events).violations)
    assert TASKS == sum(isinstance(event, Granted) for event in events)
    return {event.task: (event.outcome, event.reason) for event in events if isinstance(event, Settled)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hub_that_was_away_for_a_day_changes_nothing_but_the_clock(seed: int) -> None:
    """R6, D9: bots finish, timers begin anew when the hub is back: each task ends as with a hub that was always there.

    None is lost after 24 h of the hub's own absence, none runs twice, all output is whole (C1-C4, C11).
    """
    assert ends(seed, 0.0) == ends(seed, DAY_S)
