"""The power goes right after the end of an output was told: what was told must hold (G9, core.md §3)."""

import asyncio

import pytest

from agent.wire.words import Kind
from tests.history.checker import check
from tests.history.events import Fault, FaultKind
from tests.simulation.chance import Chance
from tests.simulation.draw import Draw
from tests.simulation.runner import SimRunner
from tests.simulation.work import Plan
from tests.simulation.world import World, open_world

PLAN = Plan(label="one", kind=Kind.PYTHON, run_limit_s=600)
TASKS = 4


async def live(world: World) -> None:
    """Shims die under their bots while nobody is there to take their output; then the machine loses power."""
    await world.begin()
    (machine,) = world.machines
    fault = world.recorder.add
    for _ in range(TASKS):
        await world.client.create(PLAN)
    while not machine.living:  # noqa: ASYNC110 - virtual time: it costs nothing
        await asyncio.sleep(1.0)
    world.hub.crash()
    await asyncio.sleep(0.1)
    for execution_id in machine.living:
        fault(Fault, what=FaultKind.SHIM_KILLED, runner=machine.runner_id, execution=execution_id)
        machine.kill_shim(execution_id)
    await asyncio.sleep(1.0)
    fault(Fault, what=FaultKind.HOST_CRASHED, runner=machine.runner_id)
    machine.crash()
    await machine.start()
    await world.hub.start()
    await world.come_to_an_end()
    await world.reckon()


@pytest.mark.parametrize("seed", range(8))
def test_what_was_told_of_an_end_is_there_after_a_power_cut(seed: int) -> None:
    """C1, C11: the last fact names no byte that the disk could still lose; nobody waits for one for ever."""
    chance = Chance(seed)
    draw = Draw(chance=chance, slots=(TASKS,), plans=(PLAN,), tasks=0, troubles=(), faults_s=1.0, fault_gap_s=1.0)
    with open_world(chance, SimRunner, draw=draw) as world:
        world.loop.run_until_complete(live(world))
        assert [] == world.ended_by_themselves()
        events = list(world.recorder.events)
    verdict = check(events)
    assert verdict.is_good, verdict.text()
