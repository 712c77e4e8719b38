"""Breakers and retry policies over HTTP and from the command line's side: set up, shown, refused with every fault."""

from typing import Any

import pytest

from hub.services import breakers
from hub.storage import breakers as breaker_rows
from tests.support.api_hub import ApiWorld


async def done(world: ApiWorld, method: str, path: str, **options: Any) -> Any:
    """The JSON of a call that works."""
    status, body = await world.call(method, path, **options)
    assert status in {200, 201}, body
    return body


async def test_a_breaker_is_set_up_opened_and_closed_by_hand(world: ApiWorld) -> None:
    made = await done(world, "PATCH", "/breakers/sap", json={"threshold": 3, "probe_after_s": 60})
    assert ("closed", 3, 60, 900) == (made["state"], made["threshold"], made["probe_after_s"], made["cap_s"])
    opened = await done(world, "POST", "/breakers/sap/open", json={"why": "maintenance"})
    assert ("open", None, True) == (opened["state"], opened["probe_at"], opened["why"].startswith("maintenance ("))
    assert ["sap"] == [one["label"] for one in (await world.get("/breakers"))["items"]]
    assert opened == await world.get("/breakers/sap")
    assert "closed" == (await done(world, "POST", "/breakers/sap/close"))["state"]


async def test_queues_and_items_name_the_breaker_that_holds_them(world: ApiWorld) -> None:
    """Application, since when, next probe; an item that has ended, and one of another application, is held by none."""
    await done(world, "PATCH", "/breakers/sap", json={"threshold": 1, "probe_after_s": 60})
    await done(world, "POST", "/queues", json={"label": "orders", "target": "sap"})
    await done(world, "POST", "/queues", json={"label": "plain"})
    made = [(await done(world, "POST", "/queues/orders/items", json={"payload": {}}))["id"] for _ in range(2)]
    other = (await done(world, "POST", "/queues/plain/items", json={"payload": {}}))["id"]
    assert None is (await world.get("/queues/orders"))["breaker"]
    (taken,) = (await done(world, "POST", "/queues/orders/take", json={}))["items"]
    failed = {"fence": taken["fence"], "outcome": "failed", "error_class": "system", "message": "no answer"}
    await done(world, "POST", f"/items/{taken['id']}/complete", json=failed)

    breaker = await world.get("/breakers/sap")
    held = (await world.get("/queues/orders"))["breaker"]
    assert ("sap", "open", "no answer") == (held["application"], held["state"], held["why"])
    assert (breaker["opened_at"], breaker["probe_at"]) == (held["since"], held["next_probe"])
    assert None is not held["next_probe"]
    for one in made:
        assert held == (await world.get(f"/items/{one}"))["breaker"]
    assert None is (await world.get(f"/items/{other}"))["breaker"]
    assert None is (await world.get("/queues/plain"))["breaker"]
    await done(world, "POST", f"/items/{made[1]}/cancel", json={})
    assert None is (await world.get(f"/items/{made[1]}"))["breaker"]

    world.clock.advance(61)
    await world.store.write(breakers.turn)
    half = (await world.get("/queues/orders"))["breaker"]
    assert ("half_open", held["since"], None) == (half["state"], half["since"], half["next_probe"])
    await done(world, "POST", "/breakers/sap/close")
    assert None is (await world.get("/queues/orders"))["breaker"]


async def test_a_list_of_queues_asks_for_all_breakers_at_once(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """And, where no queue has a target, for none; a list of items never asks."""
    asked: list[list[str]] = []
    look = breaker_rows.not_closed

    def noted(tx: Any, workspace_id: str, labels: Any) -> Any:
        asked.append(sorted(labels))
        return look(tx, workspace_id, labels)

    monkeypatch.setattr(breaker_rows, "not_closed", noted)
    await done(world, "POST", "/queues", json={"label": "plain"})
    await world.get("/queues")
    assert [] == asked
    for label, target in (("a", "sap"), ("b", "sap"), ("c", "crm")):
        await done(world, "POST", "/queues", json={"label": label, "target": target})
        await done(world, "POST", f"/queues/{label}/items", json={"payload": {}})
    await done(world, "POST", "/breakers/crm/open", json={})
    asked.clear()
    found = (await world.get("/queues"))["items"]
    assert [["crm", "sap"]] == asked
    assert {"a": None, "b": None, "c": "crm", "plain": None} == {
        one["label"]: one["breaker"] and one["breaker"]["application"] for one in found
    }
    await world.get("/queues/c/items")
    assert [["crm", "sap"]] == asked


async def test_faults_of_a_breaker_are_told_at_once(world: ApiWorld) -> None:
    async with world.request("PATCH", "/breakers/sap", json={"threshold": 0, "probe_after_s": "soon"}) as response:
        body = await response.json()
        assert 422 == response.status
        assert {"threshold", "probe_after_s"} == {fault["field"] for fault in body["errors"]}
    async with world.request("PATCH", "/breakers/sap", json={"cap_s": 10}) as response:
        body = await response.json()
        assert (422, ["cap_s"]) == (response.status, [fault["field"] for fault in body["errors"]])
    async with world.request("GET", "/breakers/sap") as response:
        assert 404 == response.status, "what is refused makes nothing"


RETRY: dict[str, Any] = {
    "attempts": 2,
    "causes": {"machine": {"limit": 3, "base_s": 30, "cap_s": 3600, "route": "other_runner", "then": "person"}},
    "stop_after": 5,
}


async def test_a_retry_policy_by_cause_is_kept_and_shown(world: ApiWorld) -> None:
    """The short form goes on being taken; members that are not named stay; `causes` is replaced as a whole."""
    path = "/automations/invoices"
    shown = (await done(world, "PATCH", path, json={"retry": RETRY}))["retry"]
    assert RETRY == {name: shown[name] for name in RETRY}
    assert ["failed", "lost", "timed_out"] == shown["on"]
    shown = (await done(world, "PATCH", path, json={"retry": {"attempts": 4, "on": ["failed"]}}))["retry"]
    assert (4, ["failed"], 5, RETRY["causes"]) == (
        shown["attempts"],
        shown["on"],
        shown["stop_after"],
        shown["causes"],
    )
    shown = (await done(world, "PATCH", path, json={"retry": {"causes": {}, "stop_after": None}}))["retry"]
    assert ({}, None, 4) == (shown["causes"], shown["stop_after"], shown["attempts"])
    made = await done(world, "POST", "/automations", json={"label": "b", "bot": "invoices", "retry": RETRY})
    assert (RETRY["causes"], None) == (made["retry"]["causes"], made["paused_why"])


async def test_faults_of_a_retry_policy_are_told_at_once(world: ApiWorld) -> None:
    machine = {"route": "retry", "then": "retry", "base_s": 60, "cap_s": 30}
    body = {"retry": {"on": ["canceled"], "causes": {"machine": machine}}}
    async with world.request("PATCH", "/automations/invoices", json=body) as response:
        told = await response.json()
        assert 422 == response.status
        fields = [fault["field"] for fault in told["errors"]]
        assert ["retry.on", "retry.causes.machine.cap_s", "retry.causes.machine.then"] == fields
    refused: tuple[dict[str, Any], ...] = (
        {"disk": {}},
        {"machine": {"route": "elsewhere"}},
        {"machine": {"limit": 21}},
    )
    for wrong in refused:
        async with world.request("PATCH", "/automations/invoices", json={"retry": {"causes": wrong}}) as response:
            assert 422 == response.status, wrong
