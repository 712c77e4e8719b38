"""A runner that people keep from new work: by a drain with a reason, by a maintenance window (issue 5)."""

from datetime import datetime, timedelta
from typing import Any

from tests.support.api_hub import ApiWorld


async def test_a_drain_says_why_who_and_since_when_until_it_is_resumed(each_world: ApiWorld) -> None:
    """Shown with the runner, in lists, and as the reason why a task waits; a second drain keeps what was said."""
    world = each_world
    shown: dict[str, Any] = {}
    for body in ({"reason": " new graphics driver "}, {}, None):
        status, shown = await world.call("POST", "/runners/desk-1/drain", "operator", json=body)
        assert (200, True, "new graphics driver", "token:the operator") == (
            status,
            shown["draining"],
            shown["drain_reason"],
            shown["drained_by"],
        )
    (listed,) = (await world.get("/runners"))["items"]
    assert ("new graphics driver", shown["drained_at"]) == (listed["drain_reason"], listed["drained_at"])
    task = await world.new_task()
    assert "queued" == task["state"]
    (why,) = (await world.get(f"/tasks/{task['id']}/why"))["reasons"]
    assert ("runners_draining", "desk-1", "botyard runner resume desk-1.") == (
        why["code"],
        why["runner"],
        why["remedy"],
    )
    assert "desk-1 since 2030-01-01 12:00 UTC: new graphics driver (by token:the operator)." in why["message"]
    await world.call("POST", "/runners/desk-1/drain", json={"reason": "and its screen"})
    assert "and its screen" == (await world.get("/runners/desk-1"))["drain_reason"]
    _, resumed = await world.call("POST", "/runners/desk-1/resume")
    assert (False, None, None, None) == tuple(
        resumed[name] for name in ("draining", "drain_reason", "drained_by", "drained_at")
    )


async def test_a_reason_that_is_too_long_changes_nothing(world: ApiWorld) -> None:
    status, problem = await world.call("POST", "/runners/desk-1/drain", json={"reason": "x" * 501})
    assert (422, ["reason"]) == (status, [one["field"] for one in problem["errors"]])
    assert not (await world.get("/runners/desk-1"))["draining"]


async def test_a_window_is_planned_shown_and_taken_back(each_world: ApiWorld) -> None:
    """Issue 5, maintenance windows: with the runner while it is open, and why a task waits names its end."""
    world = each_world
    start, end = world.clock.now(), world.clock.now() + timedelta(hours=2)
    wanted = {"ends_at": end.isoformat(), "reason": " Windows updates "}
    status, window = await world.call("POST", "/runners/desk-1/windows", "operator", json=wanted)
    assert (201, "Windows updates", "token:the operator") == (status, window["reason"], window["created_by"])
    later = {"starts_at": "2030-01-02T00:00:00+01:00", "ends_at": "2030-01-02T01:00:00+01:00", "reason": "disks"}
    _, second = await world.call("POST", "/runners/desk-1/windows", json=later)
    assert datetime.fromisoformat("2030-01-01T23:00:00Z") == datetime.fromisoformat(second["starts_at"])
    assert [window, second] == (await world.get("/runners/desk-1/windows"))["items"]
    assert [window] == [one["window"] for one in (await world.get("/runners"))["items"]]
    task = await world.new_task()
    (why,) = (await world.get(f"/tasks/{task['id']}/why"))["reasons"]
    assert ("maintenance", "desk-1", f"botyard runner window remove desk-1 {window['id']}." in why["remedy"]) == (
        why["code"],
        why["runner"],
        True,
    )
    assert f"until {end:%Y-%m-%d %H:%M:%S} UTC: Windows updates" in why["message"]
    status, _ = await world.call("DELETE", f"/runners/desk-1/windows/{window['id']}")
    assert (200, None) == (status, (await world.get("/runners/desk-1"))["window"])
    assert start == world.clock.now()


async def test_every_fault_of_a_window_is_told_at_once(world: ApiWorld) -> None:
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"ends_at": "2020-01-01T00:00:00Z", "reason": ""}, {"ends_at", "reason"}),
        (
            {"starts_at": "9999-12-31T23:00:00-10:00", "ends_at": "9999-12-31T23:30:00-10:00", "reason": "a"},
            {"starts_at"},
        ),
        ({"ends_at": "2030-01-02T00:00:00", "reason": "a"}, {"ends_at"}),
        ({"reason": "a"}, {"ends_at"}),
    ]
    for body, fields in cases:
        status, problem = await world.call("POST", "/runners/desk-1/windows", json=body)
        assert (422, fields) == (status, {one["field"] for one in problem["errors"]}), body
    assert [] == (await world.get("/runners/desk-1/windows"))["items"]
