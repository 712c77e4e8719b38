"""Items that were given up: listed across queues with why, counted by cause, put back."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_hub import ApiWorld, api_world
from tests.support.clock import FakeClock


@pytest.fixture
async def each_queue(database_url: str, clock: FakeClock, tmp_path: Path) -> AsyncIterator[ApiWorld]:
    """Two queues whose items are tried once, on each engine in turn."""
    async with api_world(database_url, clock, tmp_path / "data") as world:
        for label in ("orders", "letters"):
            await world.call("POST", "/queues", json={"label": label, "retry": {"attempts": 1}, "lease_s": 60})
        yield world


async def fail(world: ApiWorld, queue: str, **said: Any) -> str:
    """An item that failed so."""
    _, item = await world.call("POST", f"/queues/{queue}/items", json={"payload": {}, "reference": "4711"})
    _, taken = await world.call("POST", f"/queues/{queue}/take", json={})
    ended = {"fence": taken["items"][0]["fence"], "outcome": "failed", **said}
    assert (await world.call("POST", f"/items/{item['id']}/complete", json=ended))[0] == 200
    world.clock.advance(1)
    return str(item["id"])


async def test_they_are_listed_with_why_and_counted_by_cause(each_queue: ApiWorld) -> None:
    """Newest first, of all queues or of one; requeued they are gone from it."""
    world = each_queue
    first = await fail(world, "orders", error_class="business", message="no such customer")
    second = await fail(world, "orders", error_class="application", message="the form has changed")
    third = await fail(world, "letters", error_class="business")
    await world.call("POST", "/queues/orders/items", json={"payload": {}})
    found = await world.get("/dead-letters", "viewer")
    assert [one["id"] for one in found["items"]] == [third, second, first]
    assert [(one["queue"], one["cause"], one["count"]) for one in found["causes"]] == [
        ("letters", "business", 1),
        ("orders", "application", 1),
        ("orders", "business", 1),
    ]
    told = found["items"][1]
    assert (told["queue"], told["reference"], told["message"]) == ("orders", "4711", "the form has changed")
    assert (told["attempts"], told["cause"]) == (1, "application")
    assert told["since"] is not None
    assert told["remedy"].endswith(f"botyard item requeue {second}")
    page = await world.get("/dead-letters?queue=orders&limit=1")
    assert [one["id"] for one in page["items"]] == [second]
    rest = await world.get(f"/dead-letters?queue=orders&limit=1&cursor={page['next']}")
    assert ([one["id"] for one in rest["items"]], rest["next"], rest["causes"]) == ([first], None, [])
    await world.call("POST", f"/items/{second}/requeue")
    assert [one["cause"] for one in (await world.get("/dead-letters?queue=orders"))["causes"]] == ["business"]
    assert (await world.call("GET", "/dead-letters?queue=nowhere"))[0] == 404
    assert (await world.get("/dead-letters", "foreign"))["items"] == []


async def test_the_last_that_was_given_up_stands_first(each_queue: ApiWorld) -> None:
    """However old the item itself is."""
    world = each_queue
    _, old = await world.call("POST", "/queues/orders/items", json={"payload": {}})
    _, held = await world.call("POST", "/queues/orders/take", json={})
    world.clock.advance(1)
    younger = await fail(world, "orders")
    ended = {"fence": held["items"][0]["fence"], "outcome": "failed"}
    assert (await world.call("POST", f"/items/{old['id']}/complete", json=ended))[0] == 200
    assert [one["id"] for one in (await world.get("/dead-letters"))["items"]] == [old["id"], younger]


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("orders", 422),
        ("0001-01-01T00:00:00+23:00 itm_x", 422),
        ("2026-01-01T00:00:00 itm_x", 200),
        ("2026-01-01T00:00:00+00:00 itm_x", 200),
        ("2026-01-01T00:00:00+00:00 itm\0x", 400),
    ],
)
async def test_a_cursor_of_another_listing_is_told(each_queue: ApiWorld, place: str, status: int) -> None:
    """It is no fault of the hub's, on either engine."""
    cursor = base64.urlsafe_b64encode(place.encode()).decode()
    for path in ("/dead-letters", "/queues/orders/items"):
        assert (await each_queue.call("GET", path, params={"cursor": cursor}))[0] == status
