"""Calls for items whose bot has hung up: nothing is taken for them, and what was taken goes back unspent."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.api_hub import EXECUTION, RUNNER, ApiWorld, serve

TICKET = "t" * 64


@pytest.fixture
async def gateway(world: ApiWorld) -> AsyncIterator[ApiWorld]:
    """The hub as a runner's gateway sees it, whose bot runs; with a queue of one item."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.call("POST", "/queues", json={"label": "orders"})
    await world.call("POST", "/queues/orders/items", json={"payload": {}})
    session = SimpleNamespace(workspace_id=world.admin.workspace_id, workspace="default", runner_id=RUNNER)
    sessions = SimpleNamespace(by_ticket=lambda ticket: session if ticket == TICKET else None)
    hub = replace(world.hub, sessions=cast("Any", sessions))
    async with serve(hub) as url:
        yield replace(world, hub=hub, url=url)


async def ask(world: ApiWorld, path: str, body: dict[str, Any], key: str, **more: str) -> tuple[int, Any]:
    """A bot's call."""
    headers = {"Authorization": f"Bearer {TICKET}", "Botyard-Execution": EXECUTION, "Idempotency-Key": key, **more}
    async with world.client.post(f"{world.url}/api/v1/queues/orders{path}", json=body, headers=headers) as response:
        return response.status, await response.json()


async def states(world: ApiWorld) -> list[tuple[str, int, int]]:
    """(state, tries, attempts) of all items."""
    items = (await world.get("/queues/orders/items"))["items"]
    return [(one["state"], one["tries"], one["attempts"]) for one in items]


async def test_what_was_taken_goes_back(gateway: ApiWorld) -> None:
    """The answer was on its way when the bot hung up; said twice it is no error."""
    _, taken = await ask(gateway, "/take", {"count": 1}, "k1")
    assert len(taken["items"]) == 1
    for _ in range(2):
        status, again = await ask(gateway, "/take", {"count": 1}, "k1", **{"Botyard-Withdraw": "1"})
        assert (status, again) == (200, taken)
        assert await states(gateway) == [("pending", 0, 1)]


async def test_a_call_that_comes_late_takes_nothing(gateway: ApiWorld) -> None:
    """Withdrawn before it arrived: it finds its answer."""
    status, told = await ask(gateway, "/take", {"count": 1, "wait_s": 20}, "k1", **{"Botyard-Withdraw": "1"})
    assert (status, told["items"]) == (200, [])
    status, told = await ask(gateway, "/take", {"count": 1, "wait_s": 20}, "k1")
    assert (status, told["items"]) == (200, [])
    assert await states(gateway) == [("pending", 0, 0)]


async def test_a_bot_waits_while_all_there_is_is_kept_for_other_runners(gateway: ApiWorld) -> None:
    """R58: it is answered when its time is up, not at once; else it would ask again and again."""
    await gateway.call("PATCH", "/queues/orders", json={"retry": {"attempts": 5, "base_s": 0, "cap_s": 0}})
    _, taken = await ask(gateway, "/take", {"count": 1}, "k1")
    (item,) = taken["items"]
    failed = {"item": item["id"], "fence": item["fence"], "outcome": "failed", "error_class": "system"}
    await ask(gateway, "/work", {"completed": [failed]}, "k2")
    began_s = time.monotonic()
    _, told = await ask(gateway, "/take", {"count": 1, "wait_s": 0.5}, "k3")
    assert told["items"] == []
    assert time.monotonic() - began_s >= 0.4
    assert await states(gateway) == [("pending", 1, 1)]


async def test_what_was_completed_stays_so(gateway: ApiWorld) -> None:
    """Of a call that completes and takes, the first half counts."""
    _, taken = await ask(gateway, "/take", {}, "k1")
    await gateway.call("POST", "/queues/orders/items", json={"payload": {}})
    done = {"item": taken["items"][0]["id"], "fence": taken["items"][0]["fence"], "outcome": "done"}
    body = {"completed": [done], "take": 1}
    _, told = await ask(gateway, "/work", body, "k2")
    assert (told["completed"], len(told["items"])) == (1, 1)
    await ask(gateway, "/work", body, "k2", **{"Botyard-Withdraw": "1"})
    assert sorted(await states(gateway)) == [("done", 1, 1), ("pending", 0, 1)]
