"""Desktops over HTTP: what automations want, what runners have, and the one place that says why they get no work."""

from typing import Any

from agent.wire.condition import Condition, ConditionFault, DesktopKind, DesktopState, FaultCode
from hub.services import conditions
from hub.services.subject import SessionKey
from tests.support.api_hub import RUNNER, ApiWorld

WISH = {
    "desktop": "required",
    "desktop_size": "1920x1080",
    "applications": ["browser"],
    "record": True,
    "failure_screenshot": False,
}


async def tell(world: ApiWorld, *codes: str, **members: Any) -> None:
    """The runner tells how its desktop is."""
    faults = [
        ConditionFault(code=FaultCode(one), message=one, remedy=f"end {one}.", since=world.clock.now()) for one in codes
    ]
    own: dict[str, Any] = {"slot": 0, "kind": DesktopKind.X11, "name": ":0", "width": 1920, "height": 1080}
    told = Condition(desktops=(DesktopState.model_validate({**own, "faults": faults}),), **members)
    world.hub.book.told(RUNNER, 1, told)
    key = SessionKey(workspace_id=world.admin.workspace_id, runner_id=RUNNER, epoch=1)
    await world.store.write(conditions.record, key, told)


async def test_what_an_automation_wants_goes_round(world: ApiWorld) -> None:
    status, made = await world.call("POST", "/automations", json={"label": "screen", "bot": "invoices", **WISH})
    assert (201, WISH, {}) == (status, {name: made[name] for name in WISH}, made["needs"])
    status, changed = await world.call("PATCH", "/automations/screen", json={"record": False, "needs": {"os": "linux"}})
    expected = {**WISH, "record": False, "needs": {"os": "linux"}}
    assert (200, expected) == (status, {name: changed[name] for name in expected})


async def test_every_fault_is_told_at_once(world: ApiWorld) -> None:
    said = {"desktop": "none", "desktop_size": "big", "applications": ["Excel"], "record": True}
    status, problem = await world.call(
        "PATCH", "/automations/invoices", json={**said, "needs": {"botyard.desktop": "x"}}
    )
    assert 422 == status
    fields = {one["field"] for one in problem["errors"]}
    assert {"desktop_size", "applications.0", "record", "needs.botyard.desktop"} == fields


async def test_a_runner_says_why_it_gets_no_work_and_what_it_has(world: ApiWorld) -> None:
    await tell(world, "locked", applications=("browser",))
    await world.call("POST", f"/runners/{RUNNER}/drain", json={"reason": "updates"})
    _, shown = await world.call("GET", f"/runners/{RUNNER}")
    assert [("drained", "all"), ("unfit", "desktop")] == [(one["code"], one["scope"]) for one in shown["no_work"]]
    assert [("locked", "end locked.", 0)] == [
        (one["fault"], one["remedy"], one["slot"]) for one in shown["no_work"][1:]
    ]
    (desktop,) = shown["desktops"]
    assert (":0", 1920, False, ["locked"]) == (
        desktop["name"],
        desktop["width"],
        desktop["is_fit"],
        [one["code"] for one in desktop["faults"]],
    )
    assert ["browser"] == shown["applications"]
    _, listed = await world.call("GET", "/runners")
    assert [["locked"]] == [one["faults"] for one in listed["items"] if one["id"] == RUNNER]
    assert shown["told_at"] is not None


async def test_why_names_the_fault(world: ApiWorld) -> None:
    await world.call("PATCH", "/automations/invoices", json={"desktop": "required"})
    task = await world.new_task()
    _, why = await world.call("GET", f"/tasks/{task['id']}/why")
    assert "No runner has a desktop." in why["reasons"][0]["message"]
    assert "botyard.desktop" not in str(why)
    await tell(world, "popup")
    _, why = await world.call("GET", f"/tasks/{task['id']}/why")
    assert ("unfit", "popup", "end popup.") in [(one["code"], one["fault"], one["remedy"]) for one in why["reasons"]]
