"""A day of idle costs nothing (reliability.md T1, R6): nothing polls where it can be woken."""

import asyncio
import os

from agent.wire.words import Kind
from tests.simulation.chance import Chance
from tests.simulation.draw import Draw
from tests.simulation.runner import SimRunner
from tests.simulation.work import Plan
from tests.simulation.world import World, open_world

HOURS = int(os.environ.get("BOTYARD_IDLE_HOURS", "1"))
"""Virtual ones; 24 are the long form."""
_HOUR_S = 3600.0
_HUB_WAKES = 2_250
"""An hour: dispatch and sweep each 5 s (core.md section 1), tasks that are due and that wait long each 30 s, and the
clocks of triggers, items, windows, queues and prerequisites once in 30 to 120 s.
"""
_RUNNER_WAKES = 800
"""An hour: a heartbeat each 10 s, a ping each 15 s, a look at the disk each minute, the spool."""

_DEVICES = {"SimStore._read", "_Job.run"}
"""What simulated disks and threads take of time; who asks them was woken before."""


def _wakes(world: World, owner: str) -> int:
    """How often that machine's program was woken by its own timers."""
    return sum(
        count
        for (name, label), count in world.loop.timers_run.items()
        if name.startswith(owner) and label not in _DEVICES
    )


def test_idle_costs_next_to_nothing() -> None:
    """T1, P8: hub and two runners without work; who looks each second, for whatever reason, is seen here."""
    chance = Chance(7)
    plan = Plan(label="one", kind=Kind.PYTHON)
    draw = Draw(chance=chance, slots=(2, 1), plans=(plan,), tasks=0, troubles=(), faults_s=1.0, fault_gap_s=1.0)
    with open_world(chance, SimRunner, draw=draw) as world:
        loop = world.loop
        loop.run_until_complete(world.begin())
        loop.run_until_complete(asyncio.sleep(60.0))
        loop.timers_run.clear()
        loop.run_until_complete(asyncio.sleep(HOURS * _HOUR_S))
        told = loop.timers_run.most_common(12)
        assert 0 < _wakes(world, "hub") <= HOURS * _HUB_WAKES, told
        for machine in world.machines:
            assert 0 < _wakes(world, f"{machine.name}.agent") <= HOURS * _RUNNER_WAKES, told
            assert machine.is_daemon_up
            assert world.hub.parts is not None
            assert world.hub.parts.sessions.find(machine.runner_id) is not None
        assert world.ended_by_themselves() == []
