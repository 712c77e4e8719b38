"""Event triggers over HTTP: defined with all faults at once, tried on the last events, changed, shown."""

from typing import Any

from tests.support.api_hub import ApiWorld

ON_FAILURE: dict[str, Any] = {"kind": "event", "on": "task.settled", "automation": "invoices", "state": "canceled"}


async def test_it_is_tried_before_it_is_made(world: ApiWorld) -> None:
    """With the tasks that it would have made, and why an expression came to nothing."""
    for month in ("2026-01", "2026-02"):
        task = await world.new_task(parameters={"month": month})
        await world.call("POST", f"/tasks/{task['id']}/cancel")
    await world.new_task()
    body = {"definition": {**ON_FAILURE, "map": {"number": "event.data.number"}}}
    status, told = await world.call("POST", "/event-preview", json=body)
    assert status == 200, told
    assert (told["matched"], told["fires"], told["unread"]) == (2, 2, "")
    assert [one["parameters"] for one in told["items"]] == [{"number": 1}, {"number": 2}]
    assert told["items"][0]["why"] == "task.settled of invoices: canceled"
    body = {"definition": {**ON_FAILURE, "when": "event.data.nothing == 1", "map": {"x": "event.data.nothing"}}}
    status, told = await world.call("POST", "/event-preview", json=body)
    assert (told["fires"], "nothing" in told["unread"]) == (0, True)
    body = {"definition": {"kind": "event", "on": ["task.created"], "for": "1s", "unless": ["task.settled"]}}
    world.clock.advance(5)
    status, told = await world.call("POST", "/event-preview", json=body)
    assert told["items"][0]["why"] == "task.created of invoices"
    assert told["fires"] == 1
    body = {"definition": {"kind": "event", "on": ["runner.*"], "absent": "1s", "map": {"x": "since"}}}
    status, told = await world.call("POST", "/event-preview", json=body)
    assert (told["fires"], told["items"][0]["event"]) == (1, None)
    assert [] == (await world.get("/triggers"))["items"]


async def test_it_is_made_changed_and_shown(world: ApiWorld) -> None:
    """Lists where one text may stand; null takes a member away."""
    body = {"label": "watch", "automation": "invoices", "definition": ON_FAILURE}
    status, made = await world.call("POST", "/triggers", json=body)
    assert status == 201, made
    assert made["definition"] == {**ON_FAILURE, "on": ["task.settled"], "state": ["canceled"]}
    assert made["next_at"] is None
    changes = {"definition": {"kind": "event", "on": ["runner.disconnected"], "automation": None, "state": None}}
    changes["definition"]["for"] = "10m"
    status, made = await world.call("PATCH", "/triggers/watch", json=changes)
    assert made["definition"] == {"kind": "event", "on": ["runner.disconnected"], "for": "10m"}
    status, told = await world.call("GET", "/triggers/watch/matches?last=10")
    assert (status, told["fires"]) == (200, 0)
    status, told = await world.call("GET", "/triggers/watch/preview")
    assert (status, told["code"]) == (409, "no_schedule")


async def test_all_faults_come_at_once(world: ApiWorld) -> None:
    """Each with its field; nothing is made."""
    wrong = {"kind": "event", "on": ["task.setled"], "state": ["faild"], "when": "event.(", "map": {"a b": "1"}}
    for path, body in (
        ("/triggers", {"label": "watch", "automation": "strict", "definition": wrong}),
        ("/event-preview", {"definition": wrong}),
    ):
        status, told = await world.call("POST", path, json=body)
        assert status == 422
        assert {"on.0", "state.0", "when", "map.a b"} <= {fault["field"] for fault in told["errors"]}
    # What the event gives need not be given; what it does not give must be.
    body = {"label": "watch", "automation": "strict", "definition": ON_FAILURE}
    status, told = await world.call("POST", "/triggers", json=body)
    assert (status, [fault["field"] for fault in told["errors"]]) == (422, ["parameters.month"])
    body["definition"] = {**ON_FAILURE, "map": {"month": "event.at"}}
    assert (await world.call("POST", "/triggers", json=body))[0] == 201
