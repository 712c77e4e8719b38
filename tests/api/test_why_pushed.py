"""Why a task waits is pushed to its followers as it changes: nobody's clock asks (issue 5).

The look that makes lost rings good is far away here, so whatever comes was pushed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from hub.api import follow as follow_module
from hub.services.window_clock import WindowClock
from hub.storage import runners
from hub.storage.transaction import Done
from tests.support.api_hub import RUNNER, ApiWorld, server_sent
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def _nobody_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "LOOK_AGAIN_S", 3600.0)
    monkeypatch.setattr(follow_module, "WHY_EVERY_S", 0.0)


@asynccontextmanager
async def told(world: ApiWorld, task: Any) -> AsyncIterator[list[str]]:
    """What its follower was told last: the codes of all reasons."""
    codes: list[str] = []

    async def follow() -> None:
        async with world.request("GET", f"/tasks/{task['id']}/output", params={"follow": "true"}) as response:
            async for event in server_sent(response):
                if event.name == "waiting":
                    codes[:] = [one["code"] for one in event.data["reasons"]]

    async with asyncio.TaskGroup() as group:
        follower = group.create_task(follow())
        await eventually(lambda: codes)
        yield codes
        follower.cancel()


async def done(world: ApiWorld, method: str, path: str, **body: Any) -> Any:
    """A call that works."""
    status, answer = await world.call(method, path, json=body or None)
    assert status < 300, answer
    return answer


async def test_drains_limits_and_windows_are_pushed(world: ApiWorld) -> None:
    """Each change of somebody's is told at once, and so is its end."""
    await done(world, "POST", "/resources", label="sap", capacity=2)
    await done(world, "PATCH", "/automations/invoices", uses={"sap": 2})
    async with told(world, await world.new_task()) as codes:
        await done(world, "POST", f"/runners/{RUNNER}/drain", reason="updates")
        await eventually(lambda: codes == ["runners_draining"])
        await done(world, "POST", f"/runners/{RUNNER}/resume")
        await eventually(lambda: "runners_draining" not in codes)
        await done(world, "PATCH", "/resources/sap", capacity=1)
        await eventually(lambda: "limit" in codes)
        await done(world, "PATCH", "/resources/sap", capacity=2)
        await eventually(lambda: "limit" not in codes)
        ends_at = (world.clock.now() + timedelta(hours=1)).isoformat()
        window = await done(world, "POST", f"/runners/{RUNNER}/windows", ends_at=ends_at, reason="updates")
        await eventually(lambda: codes == ["maintenance"])
        await done(world, "DELETE", f"/runners/{RUNNER}/windows/{window['id']}")
        await eventually(lambda: codes != ["maintenance"])


async def test_a_window_that_begins_by_itself_is_pushed(world: ApiWorld) -> None:
    """No event says that its moment has come: the clock of windows rings."""
    start, end = (world.clock.now() + timedelta(minutes=some) for some in (10, 20))
    said = {"starts_at": start.isoformat(), "ends_at": end.isoformat(), "reason": "updates"}
    await done(world, "POST", f"/runners/{RUNNER}/windows", **said)
    keeper = WindowClock(world.store, world.hub.book, world.hub.signals, world.clock)
    await keeper.look()
    async with told(world, await world.new_task()) as codes:
        world.clock.advance(601)
        await keeper.look()
        await eventually(lambda: codes == ["maintenance"])
        world.clock.advance(600)
        await keeper.look()
        await eventually(lambda: codes != ["maintenance"])


async def test_what_no_event_says_has_a_bell(world: ApiWorld) -> None:
    """A heartbeat that tells another fitness rings it."""
    away = {"session_epoch": None}
    async with told(world, await world.new_task()) as codes:
        await world.store.write(lambda tx: Done(runners.change(tx, world.admin.workspace_id, RUNNER, away)))
        world.hub.signals.fitness.ring()
        await eventually(lambda: codes == ["runners_offline"])
