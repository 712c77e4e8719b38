"""Calls from outside: signed, mapped, fired once for each message; everything else is refused and makes nothing."""

import asyncio
import base64
import io
import json
from typing import Any

import pytest

from hub.api import hooks
from hub.domain.webhook import BODY_MAX_BYTES, Delivery, signature
from hub.services import tasks as task_service
from hub.services import webhooks
from tests.support.api_hub import ApiWorld
from tests.support.waiting import eventually

BODY = {"invoice": {"month": "2026-03"}}


@pytest.fixture
async def hook(world: ApiWorld) -> dict[str, str]:
    """A webhook that maps the month, its path and its secret."""
    definition = {"kind": "webhook", "map": {"month": "body.invoice.month"}}
    body = {"label": "incoming", "automation": "invoices", "definition": definition}
    status, made = await world.call("POST", "/triggers", json=body)
    assert status == 201, made
    _, told = await world.call("POST", "/triggers/incoming/secret")
    assert told["url"].endswith(f"/hooks/{made['id']}")
    return {"path": f"/hooks/{made['id']}", "secret": told["secret"]}


async def post(world: ApiWorld, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """(status, JSON) of a call from outside."""
    async with world.client.post(world.url + path, data=io.BytesIO(body), headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


def signed(world: ApiWorld, secret: str, body: bytes, *, name: str = "msg_1", late_s: int = 0) -> dict[str, str]:
    """Headers as a sender makes them."""
    timestamp = str(int(world.clock.now().timestamp()) - late_s)
    told = signature(secret, name, timestamp, body)
    return {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": told}


async def tasks(world: ApiWorld) -> list[dict[str, Any]]:
    """All tasks."""
    found: list[dict[str, Any]] = (await world.get("/tasks"))["items"]
    return found


async def test_a_message_makes_one_task_however_often_it_comes(world: ApiWorld, hook: dict[str, str]) -> None:
    """R66: delivered again, it gets the first one's task."""
    raw = json.dumps(BODY).encode()
    first = await post(world, hook["path"], raw, signed(world, hook["secret"], raw))
    again = await post(world, hook["path"], raw, signed(world, hook["secret"], raw))
    assert (first[0], again[0]) == (202, 200)
    assert (again[1]["task"], again[1]["repeated"]) == (first[1]["task"], True)
    (task,) = await tasks(world)
    assert task["parameters"] == {"month": "2026-03"}
    assert (await post(world, hook["path"], raw, signed(world, hook["secret"], raw, name="msg_2")))[0] == 202
    assert len(await tasks(world)) == 2


async def test_a_stranger_never_reaches_the_writer(
    world: ApiWorld, hook: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not signed is refused by a read; what was, by a secret that is void by now, is refused as well."""
    raw = json.dumps(BODY).encode()
    good = signed(world, hook["secret"], raw)
    named, delivery = hook["path"].rpartition("/")[2], Delivery(headers=good, body=raw)
    verified = await world.store.read(webhooks.verify, named, delivery)
    await world.call("POST", "/triggers/incoming/secret")
    with pytest.raises(webhooks.NotSigned):
        await world.store.write(webhooks.receive, named, delivery, verified)
    monkeypatch.setattr(webhooks, "receive", None)
    assert (await post(world, hook["path"], raw, good))[0] == 401
    assert (await post(world, "/hooks/trg_none", raw, good))[0] == 404
    assert await tasks(world) == []


def test_the_signature_is_the_standards() -> None:
    """The example of the standard's own documentation."""
    told = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
    )
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_one_of_several_signatures_is_enough(world: ApiWorld, hook: dict[str, str]) -> None:
    """While a sender changes its secret it signs with both."""
    raw = json.dumps(BODY).encode()
    headers = signed(world, hook["secret"], raw)
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']}"
    assert (await post(world, hook["path"], raw, headers))[0] == 202


@pytest.mark.parametrize("late_s", [301, -301])
async def test_old_and_coming_messages_are_refused(world: ApiWorld, hook: dict[str, str], late_s: int) -> None:
    """S41: five minutes either way."""
    raw = json.dumps(BODY).encode()
    status, told = await post(world, hook["path"], raw, signed(world, hook["secret"], raw, late_s=late_s))
    assert (status, "five minutes" in told["detail"]) == (401, True)


async def test_what_is_not_signed_so_makes_nothing(world: ApiWorld, hook: dict[str, str]) -> None:
    """Another secret, another body, no headers, a huge body, no JSON, a payload that the expressions can't read."""
    raw = json.dumps(BODY).encode()
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    good = signed(world, hook["secret"], raw)
    assert (await post(world, hook["path"], raw, signed(world, other, raw)))[0] == 401
    assert (await post(world, hook["path"], raw + b" ", good))[0] == 401
    assert (await post(world, hook["path"], raw, {}))[0] == 401
    assert (await post(world, hook["path"], b"x" * (2 * 1024 * 1024), good))[0] == 413
    assert BODY_MAX_BYTES < 2 * 1024 * 1024
    for bad in (b"no json", b'{"invoice": {}}'):
        status, told = await post(world, hook["path"], bad, signed(world, hook["secret"], bad, name="bad"))
        assert status == 422, told
    assert (await post(world, "/hooks/trg_none", raw, good))[0] == 404
    assert await tasks(world) == []
    # Strangers leave no line; what somebody who knows the secret sends in vain does, and it says what was wrong.
    history = (await world.get("/triggers/incoming/history"))["items"]
    assert [(one["outcome"], one["task"]) for one in history] == [("failed", None)] * 2
    assert "map.month" in history[0]["why"]
    assert "no JSON" in history[1]["why"]
    # The same message comes again, mended: it is taken.
    assert (await post(world, hook["path"], raw, signed(world, hook["secret"], raw, name="bad")))[0] == 202


async def test_a_new_secret_voids_the_old_one(world: ApiWorld, hook: dict[str, str]) -> None:
    """And a paused trigger takes no calls."""
    raw = json.dumps(BODY).encode()
    _, told = await world.call("POST", "/triggers/incoming/secret")
    assert (await post(world, hook["path"], raw, signed(world, hook["secret"], raw)))[0] == 401
    await world.call("POST", "/triggers/incoming/pause")
    assert (await post(world, hook["path"], raw, signed(world, told["secret"], raw)))[0] == 409
    shown = json.dumps([await world.get("/triggers/incoming"), await world.get("/events?limit=200")])
    assert told["secret"] not in shown


async def test_a_token_is_enough_where_the_trigger_says_so(world: ApiWorld) -> None:
    """Without a map the members of the body are the parameters."""
    body = {"label": "simple", "automation": "strict", "definition": {"kind": "webhook", "sign": "token"}}
    _, made = await world.call("POST", "/triggers", json=body)
    _, told = await world.call("POST", "/triggers/simple/secret")
    raw = b'{"month": "2026-04"}'
    headers = {"Authorization": f"Bearer {told['secret']}"}
    assert (await post(world, f"/hooks/{made['id']}", raw, headers))[0] == 202
    assert (await post(world, f"/hooks/{made['id']}", raw, {"Authorization": "Bearer x"}))[0] == 401
    # What the automation refuses is a failed firing, told to the caller and in the history.
    status, refused = await post(world, f"/hooks/{made['id']}", b'{"year": 1}', headers)
    assert (status, "month" in refused["detail"]) == (409, True)
    history = (await world.get("/triggers/simple/history"))["items"]
    assert [one["outcome"] for one in history] == ["failed", "fired"]


async def test_expressions_are_checked_when_they_are_defined(world: ApiWorld) -> None:
    """All faults at once, each with its field."""
    definition = {"kind": "webhook", "map": {"month": "body.(", "day": "env.HOME", "bad name": "body.x"}}
    body = {"label": "wrong", "automation": "invoices", "definition": definition}
    status, told = await world.call("POST", "/triggers", json=body)
    assert status == 422
    assert {fault["field"] for fault in told["errors"]} == {"map.month", "map.day", "map.bad name"}


async def test_who_waits_is_told_the_outcome(world: ApiWorld, hook: dict[str, str]) -> None:
    """Woken by the end of the task, whatever else happens; without one in time it is the task alone."""
    raw = json.dumps(BODY).encode()
    async with asyncio.TaskGroup() as group:
        path, headers = f"{hook['path']}?wait=50", signed(world, hook["secret"], raw)
        answer = group.create_task(post(world, path, raw, headers))
        await eventually(lambda: tasks(world))
        (task,) = await tasks(world)
        await world.call("POST", f"/tasks/{task['id']}/cancel")
    status, told = answer.result()
    assert (status, told["outcome"], told["number"]) == (200, "canceled", task["number"])
    headers = signed(world, hook["secret"], raw, name="msg_2")
    status, told = await post(world, f"{hook['path']}?wait=0.01", raw, headers)
    assert (status, told["repeated"]) == (202, False)


async def test_who_waits_does_not_read_at_each_ring_of_the_feed(
    world: ApiWorld, hook: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a thousand events a second a call that waits costs a few reads; here the pause never ends."""
    looks: list[str] = []
    show = task_service.show

    def counted(*given: Any) -> Any:
        looks.append(str(given[-1]))
        return show(*given)

    monkeypatch.setattr(hooks, "_LOOK_EVERY_S", 3600.0)
    monkeypatch.setattr(task_service, "show", counted)
    raw = json.dumps(BODY).encode()
    async with asyncio.TaskGroup() as group:
        path, headers = f"{hook['path']}?wait=50", signed(world, hook["secret"], raw)
        waiting = group.create_task(post(world, path, raw, headers))
        await eventually(lambda: looks)
        before = len(looks)
        for _ in range(50):
            world.store.feed_changed.ring()
            await world.store.read(lambda _: None)
            await world.store.read(lambda _: None)
        assert before == len(looks)
        waiting.cancel()
