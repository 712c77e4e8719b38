"""Items over HTTP: waiting for one, bad input of every kind refused whole, repeated calls."""

import asyncio
import json
import time
from typing import Any

import pytest

from hub.services.effects import WakeQueue
from tests.support.api_hub import ApiWorld


@pytest.fixture
async def queue(world: ApiWorld) -> str:
    """A queue."""
    await world.call("POST", "/queues", json={"label": "orders"})
    return "/queues/orders"


async def test_a_taker_is_woken_by_the_first_item(world: ApiWorld, queue: str) -> None:
    """Nobody polls: the call waits, and has the item at once."""
    waiting = asyncio.create_task(world.call("POST", f"{queue}/take", json={"wait_s": 20}))
    await world.call("POST", f"{queue}/items", json={"payload": {"n": 1}})
    for effect in world.effects:
        if isinstance(effect, WakeQueue):  # effects are noted here, not performed
            world.hub.signals.queue_changed(effect.workspace_id, effect.queue_id)
    status, taken = await asyncio.wait_for(waiting, 15)
    assert (status, [one["payload"] for one in taken["items"]]) == (200, [{"n": 1}])


async def test_a_repeated_take_gets_the_same_items_without_waiting(world: ApiWorld, queue: str) -> None:
    """P11: the answer was lost; the key brings it again."""
    await world.call("POST", f"{queue}/items", json={"payload": {}})
    asked: dict[str, Any] = {"json": {"wait_s": 20}, "headers": {"Idempotency-Key": "once"}}
    first = await world.call("POST", f"{queue}/take", **asked)
    began = time.monotonic()
    assert await world.call("POST", f"{queue}/take", **asked) == first
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"payload": {"n": NaN}}', "payload.n"),
        (b'{"payload": {"n": 1e999}}', "payload.n"),
        (b'{"payload": {"n": 123456789012345678901234567890}}', "payload"),
        (b'{"payload": {}, "reference": "a\\u0000b"}', "reference"),
        (b'{"payload": {}, "deadline": "9999-12-31T23:00:00-05:00"}', "deadline"),
        (b'{"payload": {}, "deadline": "2026-03-01T00:00:00"}', "deadline"),
        (b'{"payload": [], "priority": 99}', "payload"),
        (b'{"payload": {}, "tags": ["a b"]}', "tags.0"),
    ],
)
async def test_bad_items_are_refused_by_their_field(world: ApiWorld, queue: str, body: bytes, field: str) -> None:
    """422 (400 for what is no JSON), and nothing is added."""
    headers = {"Content-Type": "application/json"}
    status, told = await world.call("POST", f"{queue}/items", data=body, headers=headers)
    assert status in {400, 422}, told
    if status == 422:
        assert field in {fault["field"] for fault in told["errors"]}
    assert (await world.get(f"{queue}/items"))["items"] == []


async def test_an_item_is_completed_once_in_a_call(world: ApiWorld, queue: str) -> None:
    """Named twice it is refused, and stays in work."""
    await world.call("POST", f"{queue}/items", json={"payload": {}})
    _, taken = await world.call("POST", f"{queue}/take", json={})
    item = taken["items"][0]
    ended = {"item": item["id"], "fence": item["fence"], "outcome": "done"}
    status, _ = await world.call("POST", f"{queue}/work", json={"completed": [ended, ended]})
    assert (status, (await world.get(f"/items/{item['id']}"))["state"]) == (422, "processing")
    status, told = await world.call("POST", f"{queue}/work", json={"completed": [ended], "take": 5})
    assert (status, told["completed"], told["items"]) == (200, 1, [])
    assert json.dumps((await world.get("/queues/orders"))["counts"]) == '{"done": 1}'


async def test_who_asks_the_journal_for_leave_names_his_lease(world: ApiWorld, queue: str) -> None:
    """Without one nobody is told to go."""
    _, item = await world.call("POST", f"{queue}/items", json={"payload": {}})
    status, told = await world.call("POST", f"/items/{item['id']}/once/pay", json={})
    assert (status, told["errors"][0]["field"]) == (422, "fence")
