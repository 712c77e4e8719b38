"""A link that breaks and returns again and again is shown as it is, and rouses nobody (R48, G2, D9)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.wire.messages import FactAck, Resumed, Start
from agent.wire.words import TaskState
from hub.services import runners
from hub.services.runners import RunnerState, RunnerView
from hub.storage import alerts
from tests.runners.conftest import BUILD, LinkWorld, link_world
from tests.support.scripted_runner import ScriptedRunner
from tests.support.waiting import eventually
from tests.support.work_world import held, started

_ALERT_S = 150


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LinkWorld]:
    """A hub whose sweeps are the test's own."""
    async with link_world(tmp_path, sweep_s=3600) as made:
        yield made


async def shown(world: LinkWorld, runner: ScriptedRunner) -> RunnerView:
    """The runner as people see it."""
    return await world.hub.store.read(runners.show, world.caller.workspace_id, runner.id)


async def is_shown(world: LinkWorld, runner: ScriptedRunner, state: RunnerState) -> RunnerView:
    """Once it is shown so."""

    async def look() -> RunnerView | None:
        view = await shown(world, runner)
        return view if view.state is state else None

    found = await eventually(look)
    assert found is not None
    return found


async def is_alerted(world: LinkWorld, runner: ScriptedRunner) -> bool:
    """Whether somebody is asked to look at it."""
    return await world.hub.store.read(alerts.is_open, world.caller.workspace_id, runners.UNREACHABLE, runner.id)


async def told(world: LinkWorld, kind: str) -> int:
    """Events of a kind."""
    headers = {"Authorization": f"Bearer {(world.hub.settings.data / 'admin-token').read_text().strip()}"}
    async with world.client.get(f"{world.url}/api/v1/events?type={kind}&limit=500", headers=headers) as answer:
        return len((await answer.json())["items"])


async def test_a_flapping_link_is_no_outage_and_each_outage_is_one(world: LinkWorld) -> None:
    """R48: "no UI flapping": no alert and no other state of the task while a link comes back within its grace; D9:
    "link gone: after 30 s: unreachable, alert": one for each outage, taken back when it is over.
    """
    runner = await world.runner()
    async with runner.connect(prepared=[BUILD]) as session:
        await session.offer()
        await eventually(lambda: runner.id in world.hub.book.offers(world.caller.workspace_id))
        task = await world.create()
        start = await session.next(Start)
        await session.say(start, started())
        await session.next(FactAck)
    # when its link breaks and comes back, each time within 20 s, for longer than an outage needs to be one
    for _ in range(6):
        gone = await is_shown(world, runner, RunnerState.UNREACHABLE)
        assert gone.unreachable_since is not None
        world.clock.advance(20)
        await world.sweeper.sweep()
        assert not await is_alerted(world, runner)
        assert (await world.show(task)).state is TaskState.RUNNING
        async with runner.connect(held(start, last_fact=1), prepared=[BUILD]) as session:
            assert (await session.next(Resumed)).action == "continue"
            back = await shown(world, runner)
            assert (back.state, back.unreachable_since) == (RunnerState.CONNECTED, None)
            world.clock.advance(5)  # between two rounds of the sweep
    # then nothing was told but the links themselves
    assert await told(world, "runner.unreachable") == 0
    # when it stays away, twice: each is one outage, told once
    for outages in (1, 2):
        await is_shown(world, runner, RunnerState.UNREACHABLE)
        for _ in range(3):
            world.clock.advance(_ALERT_S)
            await world.sweeper.sweep()
        assert (await is_alerted(world, runner), await told(world, "runner.unreachable")) == (True, outages)
        async with runner.connect(held(start, last_fact=1), prepared=[BUILD]) as session:
            assert (await session.next(Resumed)).action == "continue"
            assert not await is_alerted(world, runner)
    assert (await world.show(task)).state is TaskState.RUNNING
