"""Bots reach queues and items of the hub through their gateway, and nothing else of it (S10, core.md §6)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.gateway import EXECUTION, SECRET, TOKEN, GatewayWorld, gateway_world
from tests.support.waiting import eventually


async def test_a_call_goes_on_in_the_name_of_its_execution(world: GatewayWorld) -> None:
    """The ticket replaces the bot's token, a key comes with it, secrets stay behind, the query stays."""
    body = {"fence": 3, "outcome": "failed", "message": f"no login with {SECRET}"}
    status, _ = await world.call("POST", "/bot/v1/items/itm_1/complete", data=json.dumps(body).encode())
    assert status == 200
    (seen,) = world.hub.seen
    assert (seen.method, seen.target) == ("POST", "/api/v1/items/itm_1/complete")
    assert seen.headers["authorization"] == "Bearer ticket-1"
    assert seen.headers["botyard-execution"] == EXECUTION
    assert seen.headers["content-type"] == "application/json"
    assert len(seen.headers["idempotency-key"]) == 32
    assert json.loads(seen.body)["message"] == "no login with ***"
    await world.call("GET", "/bot/v1/queues/invoices/items?reference=4711")
    assert world.hub.seen[-1].target == "/api/v1/queues/invoices/items?reference=4711"
    assert "idempotency-key" not in world.hub.seen[-1].headers


async def test_a_bot_with_a_key_of_its_own_may_repeat_a_call(world: GatewayWorld) -> None:
    """R21, P11: its runner died before it answered: the hub gets the same key again, which only this bot can make."""
    for key, path in (("take-1", "take"), ("take-1", "take"), ("take-2", "take"), ("x" * 3000, "work")):
        headers = {"token": TOKEN, "Idempotency-Key": key}
        status, _ = await world.call("POST", f"/bot/v1/queues/invoices/{path}", data=b"{}", headers=headers)
        assert status == 200
    first, again, second, long = (seen.headers["idempotency-key"] for seen in world.hub.seen)
    assert first == again
    assert len({first, second, long}) == 3
    assert [64] * 3 == [len(one) for one in (first, second, long)]
    assert "take" not in first


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/bot/v1/queues"),
        ("PATCH", "/bot/v1/queues/invoices"),
        ("POST", "/bot/v1/queues/invoices/pause"),
        ("POST", "/bot/v1/queues/invoices/cancel"),
        ("POST", "/bot/v1/items/itm_1/requeue"),
        ("DELETE", "/bot/v1/queues/invoices"),
        ("GET", "/bot/v1/queues/invoices/../../keys"),
        ("GET", "/bot/v1/queues/%2e%2e/items"),
        ("GET", "/bot/v1/queues/%252e%252e/items"),
        ("GET", "/bot/v1/items/a/b/c/d"),
    ],
)
async def test_nothing_but_the_work_of_items_is_handed_on(world: GatewayWorld, method: str, path: str) -> None:
    """Our ticket opens more than bots may see."""
    status, _ = await world.call(method, path)
    assert status in {404, 405}
    assert world.hub.seen == []


async def test_a_token_that_is_no_bots_is_refused(world: GatewayWorld) -> None:
    """Here, before the hub is asked."""
    status, _ = await world.call("POST", "/bot/v1/queues/invoices/take", headers={"token": "another"})
    assert status == 401
    assert world.hub.seen == []


async def test_files_of_items_go_through_as_they_are(world: GatewayWorld) -> None:
    """Larger than what fits in memory, bytes untouched, also where they look like a secret."""
    body = SECRET.encode() * 100_000
    status, _ = await world.call("PUT", "/bot/v1/items/itm_1/files/result.pdf?fence=3", data=body)
    assert status == 200
    (seen,) = world.hub.seen
    assert (seen.method, seen.target) == ("PUT", "/api/v1/items/itm_1/files/result.pdf?fence=3")
    assert seen.headers["content-type"] == "application/octet-stream"
    assert seen.body == body
    await world.call("POST", "/bot/v1/files", data=b"x")
    await world.call("GET", "/bot/v1/items/itm_1/files")
    await world.call("GET", "/bot/v1/items/itm_1/files/result.pdf")
    assert [one.target for one in world.hub.seen[1:]] == [
        "/api/v1/files",
        "/api/v1/items/itm_1/files",
        "/api/v1/items/itm_1/files/result.pdf",
    ]
    status, _ = await world.call("DELETE", "/bot/v1/items/itm_1/files/result.pdf")
    assert (status, len(world.hub.seen)) == (404, 4)


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """A gateway that does not give up while a slow machine gets on."""
    async with gateway_world(tmp_path, give_up_s=60.0) as made:
        yield made


async def _call(world: GatewayWorld, path: str, body: bytes, *more: str) -> asyncio.StreamWriter:
    """Send a call and leave the answer alone."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    lines = (f"POST /bot/v1{path} HTTP/1.1", "Host: x", f"token: {TOKEN}", f"Content-Length: {len(body)}", *more)
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    return writer


async def test_a_bot_that_hangs_up_takes_nothing(patient: GatewayWorld) -> None:
    """The waiting call ends at the hub; then the same call says, under its key, that nothing is wanted."""
    arrived, never = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request, _: bytes) -> web.StreamResponse:
        if "Botyard-Withdraw" not in request.headers:
            arrived.set()
            await never.wait()
        return web.json_response({"items": []})

    patient.hub.answer = wait
    said = b'{"wait_s": 20}'
    writer = await _call(patient, "/queues/invoices/take", said)
    await arrived.wait()
    writer.close()
    await eventually(lambda: len(patient.hub.seen) == 2)
    first, second = patient.hub.seen
    assert (first.target, first.body) == (second.target, second.body)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert "botyard-withdraw" not in first.headers
    never.set()


async def test_what_a_bot_said_before_it_hung_up_is_carried_out(patient: GatewayWorld) -> None:
    """A completion is no wait: it goes on without its bot."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request, _: bytes) -> web.StreamResponse:
        arrived.set()
        await go.wait()
        return web.json_response({})

    patient.hub.answer = slow
    writer = await _call(patient, "/items/itm_1/complete", b"{}")
    await arrived.wait()
    writer.close()
    await writer.wait_closed()
    assert patient.daemon.spoken == 0
    go.set()
    await eventually(lambda: patient.daemon.spoken == 1)
    assert len(patient.hub.seen) == 1


async def test_a_bot_with_a_key_of_its_own_may_come_again_for_the_answer(patient: GatewayWorld) -> None:
    """So its call goes on without it, and nothing is withdrawn."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request, _: bytes) -> web.StreamResponse:
        arrived.set()
        await go.wait()
        return web.json_response({"items": []})

    patient.hub.answer = slow
    writer = await _call(patient, "/queues/invoices/take", b"{}", "Idempotency-Key: mine")
    await arrived.wait()
    writer.close()
    await writer.wait_closed()
    go.set()
    await eventually(lambda: patient.daemon.spoken == 1)
    assert len(patient.hub.seen) == 1


async def test_a_gateway_that_stops_leaves_nothing_running(tmp_path: Path) -> None:
    """To the server a stop looks like a bot that hangs up; a call that went on would outlive the way to the hub."""
    async with gateway_world(tmp_path, linked=False, give_up_s=600.0) as world:
        staying = await _call(world, "/items/itm_1/complete", b"{}")
        gone = await _call(world, "/items/itm_1/complete", b"{}")
        await eventually(lambda: world.daemon.waits == 2)
        gone.close()
        await gone.wait_closed()
        await world.gateway.stop()
        staying.close()
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        assert [one for one in ours if "agent/gateway/" in repr(one)] == []


async def test_what_a_gateway_that_stops_was_taking_goes_back(patient: GatewayWorld) -> None:
    """Its bot never sees the items: they are withdrawn before the way to the hub is closed."""
    arrived, never = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request, _: bytes) -> web.StreamResponse:
        if "Botyard-Withdraw" not in request.headers:
            arrived.set()
            await never.wait()
        return web.json_response({"items": []})

    patient.hub.answer = wait
    writer = await _call(patient, "/queues/invoices/take", b"{}")
    await arrived.wait()
    await patient.gateway.stop()
    first, second = patient.hub.seen
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert second.headers["botyard-withdraw"] == "1"
    never.set()
    writer.close()


async def test_a_call_whose_first_send_is_being_answered_is_sent_again(patient: GatewayWorld) -> None:
    """Only that conflict has another answer in a moment."""
    answers = [(409, "idempotency_key_busy"), (409, "lease_lost")]

    async def busy(_: web.Request, __: bytes) -> web.StreamResponse:
        status, code = answers.pop(0)
        return web.json_response({"code": code}, status=status)

    patient.hub.answer = busy
    status, told = await patient.call("POST", "/bot/v1/items/itm_1/complete", data=b"{}")
    assert (status, told["code"], answers) == (409, "lease_lost", [])


@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_a_part_of_a_file_comes_with_what_is_said_of_it(world: GatewayWorld, size: int) -> None:
    """The range goes on to the hub; its length and its digest come back."""
    said = {"ETag": '"abc"', "Content-Range": f"bytes 0-{size - 1}/9000000", "Accept-Ranges": "bytes"}

    async def part(_: web.Request, __: bytes) -> web.StreamResponse:
        return web.Response(status=206, body=b"x" * size, headers=said)

    world.hub.answer = part
    headers = {"token": TOKEN, "Range": f"bytes=0-{size - 1}", "If-Range": '"abc"'}
    async with world.client.get(f"{world.url}/bot/v1/items/itm_1/files/a.pdf", headers=headers) as response:
        assert (response.status, len(await response.read())) == (206, size)
        assert {name: response.headers[name] for name in said} == said
        assert response.headers["Content-Length"] == str(size)
    assert world.hub.seen[0].headers["range"] == headers["Range"]
    assert world.hub.seen[0].headers["if-range"] == '"abc"'
