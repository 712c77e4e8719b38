"""Triggers and calendars over HTTP."""

from typing import Any

import pytest

from hub.services import due_triggers
from tests.support.api_hub import ApiWorld

HOURLY: dict[str, Any] = {"label": "hourly", "automation": "invoices", "definition": {"cron": "0 * * * *"}}


async def made(world: ApiWorld, **members: Any) -> Any:
    status, body = await world.call("POST", "/triggers", json=HOURLY | members)
    assert 201 == status, body
    return body


async def hours(world: ApiWorld, count: int = 1) -> None:
    """So many hours pass, each looked at."""
    for _ in range(count):
        world.clock.advance(3600)
        await world.store.write(due_triggers.fire_due)


async def test_a_trigger_is_made_fires_and_tells_its_history(each_world: ApiWorld) -> None:
    world = each_world
    trigger = await made(world, name="Each hour", parameters={"month": "now"})
    assert ("Each hour", "schedule", "invoices", "active", None) == tuple(
        trigger[name] for name in ("name", "kind", "automation", "state", "off_why")
    )
    assert "2030-01-01T13:00:00Z" == trigger["next_at"]
    await hours(world, 3)
    (task, *_) = (await world.get("/tasks"))["items"]
    assert ("trigger:hourly", {"month": "now"}) == (task["created_by"], task["parameters"])
    first = await world.get("/triggers/hourly/history?limit=2")
    rest = await world.get(f"/triggers/hourly/history?limit=2&cursor={first['next']}")
    assert [3, 2, 1] == [one["task_number"] for one in first["items"] + rest["items"]]
    assert ("fired", 0.0, "2030-01-01T15:00:00Z") == tuple(
        first["items"][0][name] for name in ("outcome", "late_s", "scheduled_for")
    )
    assert rest["next"] is None


async def test_it_is_paused_resumed_changed_fired_and_deleted(world: ApiWorld) -> None:
    await made(world)
    assert (200, "paused") == _state(await world.call("POST", "/triggers/hourly/pause"))
    status, task = await world.call("POST", "/triggers/hourly/fire", "operator", json={"parameters": {"x": 1}})
    assert (201, {"x": 1}) == (status, task["parameters"])
    assert (200, "active") == _state(await world.call("POST", "/triggers/hourly/resume"))
    body = {"definition": {"phrase": "daily at 08:30", "zone": "Europe/Berlin", "overlap": "skip"}, "name": "Mornings"}
    status, changed = await world.call("PATCH", "/triggers/hourly", json=body)
    expected = {"kind": "schedule", "phrase": "daily at 08:30", "zone": "Europe/Berlin", "overlap": "skip"}
    assert (200, expected, "2030-01-02T07:30:00Z") == (status, changed["definition"], changed["next_at"])
    status, back = await world.call("PATCH", "/triggers/hourly", json={"definition": {"zone": None}})
    assert (200, "UTC") == (status, back["definition"]["zone"])
    assert 200 == (await world.call("DELETE", "/triggers/hourly"))[0]
    assert (404, "no_trigger") == _code(await world.call("GET", "/triggers/hourly"))
    assert 1 == len((await world.get("/tasks"))["items"])


async def test_secret_parameters_are_never_shown(world: ApiWorld) -> None:
    parameters = {"month": "2026-03", "pin": "4711"}
    trigger = await made(world, automation="strict", parameters=parameters)
    shown = [trigger, await world.get("/triggers/hourly"), (await world.get("/triggers"))["items"][0]]
    assert [{"month": "2026-03", "pin": "••••••"}] * 3 == [one["parameters"] for one in shown]


async def test_a_preview_across_a_clock_change(world: ApiWorld) -> None:
    definition = {"cron": "30 2 * * *", "zone": "Europe/Berlin"}
    await made(world, definition=definition)
    expected = [
        ("2030-03-30T02:30:00+01:00", "2030-03-30T01:30:00Z", ""),
        ("2030-03-31T03:00:00+02:00", "2030-03-31T01:00:00Z", "02:30 does not come on this day"),
        ("2030-04-01T02:30:00+02:00", "2030-04-01T00:30:00Z", ""),
    ]
    saved = await world.get("/triggers/hourly/preview?count=3&after=2030-03-30T00:00:00Z")
    body = {"definition": definition, "count": 3, "after": "2030-03-30T00:00:00Z"}
    status, asked = await world.call("POST", "/trigger-preview", "viewer", json=body)
    assert (200, saved) == (status, asked)
    assert "Europe/Berlin" == saved["zone"]
    for (local, at, note), one in zip(expected, saved["items"], strict=True):
        assert (local, at, local[-6:]) == (one["local"], one["at"], one["offset"])
        assert note in one["note"]
        assert bool(note) == bool(one["note"])


@pytest.mark.parametrize(
    ("members", "status", "fields"),
    [
        (
            {"definition": {"cron": "61 25 * * *", "zone": "Europe/Berlim", "end": "2020-01-01T00:00:00Z"}},
            422,
            ["zone", "cron.minute", "cron.hour"],
        ),
        ({"definition": {"cron": "0 0 31 2 *"}}, 422, ["cron.day-of-month"]),
        ({"definition": {"cron": "0 0 * * *", "end": "2020-01-01T00:00:00Z"}}, 422, ["cron"]),
        ({"definition": {}}, 422, ["cron"]),
        ({"label": "a b", "definition": {"every": "0s", "on_holiday": "after"}}, 422, ["label", "every"]),
        ({"automation": "strict", "parameters": {"x": 1}}, 422, ["parameters.x", "parameters.month"]),
    ],
)
async def test_all_faults_are_told_at_once(
    world: ApiWorld, members: dict[str, Any], status: int, fields: list[str]
) -> None:
    got, problem = await world.call("POST", "/triggers", json=HOURLY | members)
    assert (status, fields) == (got, [fault["field"] for fault in problem["errors"]])
    assert all(fault["remedy"] for fault in problem["errors"])


async def test_what_can_not_be_read_is_refused(world: ApiWorld) -> None:
    await made(world)
    for members in ({"definition": {"kind": "carrier-pigeon"}}, {"definition": {"start": "soon"}}, {"colour": "red"}):
        status, problem = await world.call("POST", "/triggers", json=HOURLY | {"label": "other"} | members)
        assert (422, "body") == (status, problem["code"]), problem
    assert (409, "label_used") == _code(await world.call("POST", "/triggers", json=HOURLY))
    assert (404, "no_calendar") == _code(
        await world.call("POST", "/triggers", json=HOURLY | {"label": "other", "calendar": "none"})
    )
    for cursor in ("eA", "eCB5", "MjAzMC0wMS0wMSB4"):
        status, _ = await world.call("GET", f"/triggers/hourly/history?cursor={cursor}")
        assert 400 == status


async def test_it_switches_itself_off_and_says_why(world: ApiWorld) -> None:
    await made(world, definition={"cron": "0 * * * *", "off_after": 2})
    await world.call("PATCH", "/automations/invoices", json={"state": "paused"})
    await hours(world, 3)
    shown = await world.get("/triggers/hourly")
    assert ("off", 2, None) == (shown["state"], shown["failed_in_a_row"], shown["next_at"])
    assert "is paused" in shown["off_why"]
    assert ["failed", "failed"] == [one["outcome"] for one in (await world.get("/triggers/hourly/history"))["items"]]
    events = (await world.get("/events?limit=500"))["items"]
    (event,) = [one for one in events if one["kind"] == "trigger.off"]
    assert ("trigger:hourly", "active", "off") == (event["actor"], event["old"], event["new"])


async def test_a_calendar_is_made_shown_changed_and_kept_while_it_is_used(world: ApiWorld) -> None:
    body = {"label": "bavaria", "country": "DE", "subdivision": "BY", "holidays": [{"date": "12-24", "name": "Eve"}]}
    status, calendar = await world.call("POST", "/calendars", json=body)
    assert (201, ["saturday", "sunday"], "bavaria") == (status, calendar["weekend"], calendar["name"])
    days = await world.get("/calendars/bavaria/days")
    named = {one["date"]: one["name"] for one in days["items"]}
    assert (2030, "Eve", "Epiphany") == (days["year"], named["2030-12-24"], named["2030-01-06"])
    await made(world, definition={"phrase": "daily at 08:00"}, calendar="bavaria")
    status, changed = await world.call("PATCH", "/calendars/bavaria", json={"working_days": ["2030-12-24"]})
    assert (200, ["2030-12-24"], "DE") == (status, changed["working_days"], changed["country"])
    assert (409, "calendar_in_use") == _code(await world.call("DELETE", "/calendars/bavaria"))
    await world.call("PATCH", "/triggers/hourly", json={"calendar": None})
    assert (await world.get("/triggers/hourly"))["calendar"] is None
    assert 200 == (await world.call("DELETE", "/calendars/bavaria"))[0]


async def test_all_faults_of_a_calendar_are_told_at_once(world: ApiWorld) -> None:
    body = {"label": "x y", "country": "Germany", "holidays": [{"date": "13-01"}], "weekend": ["someday"]}
    status, problem = await world.call("POST", "/calendars", json=body)
    fields = [fault["field"] for fault in problem["errors"]]
    assert (422, ["label", "country", "weekend", "holidays.0.date"]) == (status, fields)
    await world.call("POST", "/calendars", json={"label": "ours"})
    assert (409, "label_used") == _code(await world.call("POST", "/calendars", json={"label": "ours"}))
    assert (422, "year") == _code(await world.call("GET", "/calendars/ours/days?year=1066"))


async def test_an_idempotency_key_makes_one_trigger(world: ApiWorld) -> None:
    for _ in range(2):
        status, _ = await world.call("POST", "/triggers", json=HOURLY, headers={"Idempotency-Key": "k" * 20})
        assert 201 == status
    assert 1 == len((await world.get("/triggers"))["items"])


def _state(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["state"]


def _code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["code"]
