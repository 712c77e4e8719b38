"""Everything that is not the bot's own task goes to the hub, once (core.md §6)."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientError, web
from yarl import URL

from agent.gateway.reads import is_pure_read
from tests.support.gateway import EXECUTION, SECRET, TOKEN, GatewayWorld, always, cut, gateway_world, silence
from tests.support.waiting import eventually

OTHER = "/api/v2/datapool/orders/push"


@pytest.mark.parametrize(
    ("method", "path", "pure"),
    [
        ("GET", "/api/v2/task/7", True),
        ("GET", "/api/v2/task", True),
        ("GET", "/api/v2/log/a/entry-list", True),
        ("GET", "/api/v2/artifact/5/file", True),
        ("GET", "/api/v2/credential/a/key/b", True),
        ("GET", "/api/v2/datapool/a/entry/9", True),
        ("GET", "/api/v2/machine/log/vm", True),
        ("GET", "/api/v2/datapool/a/pull", False),
        ("GET", "/api/v2/something/new", False),
        ("POST", "/api/v2/task/7", False),
        ("DELETE", "/api/v2/log/a", False),
        ("PUT", "/api/v2/scheduling/1", False),
    ],
)
def test_only_named_reads_go_without_a_key(method: str, path: str, *, pure: bool) -> None:
    """core.md §6: an allow-list; `datapool pull` is a GET that takes."""
    assert is_pure_read(method, path) is pure


async def test_a_call_arrives_as_it_was_sent(world: GatewayWorld) -> None:
    """Path and query keep their percent signs; the ticket replaces the bot's token."""
    status, _ = await world.call("POST", "/api/v2/log/a%20b%2Fc/entry?days=1&x=%26", json={"a": 1})

    (seen,) = world.hub.seen
    assert status == 200
    assert (seen.method, seen.target) == ("POST", "/api/v2/log/a%20b%2Fc/entry?days=1&x=%26")
    assert seen.headers["authorization"] == "Bearer ticket-1"
    assert seen.headers["botyard-execution"] == EXECUTION
    assert TOKEN not in str(seen.headers)


async def test_an_answer_comes_back_with_status_type_and_body(world: GatewayWorld) -> None:
    """maestro.md §1.1: the content type decides what clients make of an answer; 204 stays empty (§1.4)."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if request.path.endswith("pull"):
            return web.Response(status=204)
        return web.Response(status=201, body=b"a;b", headers={"Content-Type": "text/csv; charset=utf-8", "X-Own": "1"})

    world.hub.answer = answer
    async with world.client.get(world.url + "/api/v2/log/x/export", headers={"token": TOKEN}) as response:
        assert (response.status, await response.read()) == (201, b"a;b")
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "X-Own" not in response.headers
    async with world.client.get(world.url + "/api/v2/datapool/x/pull", headers={"token": TOKEN}) as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_a_call_whose_answer_was_cut_is_sent_again_under_its_key(world: GatewayWorld) -> None:
    """core.md §6: one key made before the first send; the hub replays, so the effect happens once."""
    done: dict[str, int] = {}

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        key = request.headers["Idempotency-Key"]
        is_first = key not in done
        number = done.setdefault(key, len(done) + 1)
        return cut(request) if is_first else web.json_response({"number": number})

    world.hub.answer = answer

    first = await world.call("POST", OTHER, json={"values": {}})
    second = await world.call("POST", OTHER, json={"values": {}})

    assert first == (200, {"number": 1})
    assert second == (200, {"number": 2})
    assert len(world.hub.seen) == 4


async def test_an_answer_cut_in_its_middle_is_asked_for_again(world: GatewayWorld) -> None:
    """The head of an answer is not the answer."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if len(world.hub.seen) > 1:
            return web.json_response({"whole": True})
        response = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"whole"')
        cut(request)
        return response

    world.hub.answer = answer

    assert await world.call("POST", OTHER, json={}) == (200, {"whole": True})
    assert len({seen.headers["idempotency-key"] for seen in world.hub.seen}) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_the_http_client_repeats_nothing_by_itself(world: GatewayWorld, method: str) -> None:
    """core.md §6: aiohttp resends GET, PUT, DELETE once after a dropped connection: switched off."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        return cut(request)

    world.hub.answer = answer
    headers = {"token": "byk_of-the-hub"}  # without an execution there is no key, hence no second try of ours

    status, _ = await world.call(method, "/api/v2/datapool/x/pull", headers=headers)

    assert status == 503
    assert len(world.hub.seen) == 1


async def test_calls_wait_through_a_restart_of_the_hub(tmp_path: Path) -> None:
    """design.md §3: waits through a hub restart, within the SDK's 30 s."""
    async with gateway_world(tmp_path, give_up_s=15.0) as world, asyncio.TaskGroup() as group:
        await world.hub.stop()
        world.daemon.close_session()
        call = group.create_task(world.call("POST", OTHER, json={"values": {"a": 1}}))
        await eventually(lambda: world.daemon.waits == 1)

        await world.hub.start()
        world.daemon.open_session(world.hub.url, epoch=2, ticket="ticket-2")

        assert (await call)[0] == 200
        assert world.hub.seen[0].headers["authorization"] == "Bearer ticket-2"


async def test_a_dead_ticket_is_never_the_bots_401(world: GatewayWorld) -> None:
    """maestro.md §1.2: a 401 makes maestro-client hang for ever; the next session's ticket is taken instead."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer ticket-1":
            world.daemon.open_session(world.hub.url, epoch=2, ticket="ticket-2")
            return web.json_response({"message": "no"}, status=401)
        return web.json_response({"ok": True})

    world.hub.answer = answer

    assert await world.call("POST", OTHER, json={}) == (200, {"ok": True})


@pytest.mark.parametrize("hub", ["away", "401", "503", "silent"])
async def test_a_hub_that_does_not_come_back_is_503_with_a_message(tmp_path: Path, hub: str) -> None:
    """core.md §6: gives up with 503 and a `message`, before the SDK's own time-out."""
    async with gateway_world(tmp_path, give_up_s=0.4) as world:
        match hub:
            case "away":
                world.daemon.close_session()
            case "silent":
                world.hub.answer = silence
            case status:
                world.hub.answer = always(int(status), data={"message": "x"})

        answered, answer = await world.call("POST", OTHER, json={})

    assert (answered, answer["error"]) == (503, "Service Unavailable")
    assert answer["message"]


async def test_redirects_are_not_followed(world: GatewayWorld) -> None:
    """A redirect could carry the ticket to somebody else; SDKs turn a POST into a GET (maestro.md §1.1)."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": world.hub.url + "/elsewhere"})

    world.hub.answer = answer

    status, _ = await world.call("POST", OTHER, json={})

    assert status == 502
    assert len(world.hub.seen) == 1


async def test_a_proxys_error_page_becomes_our_shape(world: GatewayWorld) -> None:
    """maestro.md §1.3: any answer that is not 2xx is an object with a string `message`."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=413, text="<html>", content_type="text/html")

    world.hub.answer = answer

    status, shape = await world.call("POST", OTHER, json={})

    assert (status, shape["status"], shape["path"]) == (413, 413, OTHER)


@pytest.mark.parametrize("size", [0, 10, 256 * 1024, 1_500_000])
async def test_bodies_of_any_size_arrive_whole(world: GatewayWorld, size: int) -> None:
    """core.md §6: large ones over a file, which leaves nothing behind; sent again from its beginning after a cut."""
    sent = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        return cut(request) if len(world.hub.seen) == 1 else web.json_response({})

    world.hub.answer = answer

    status, _ = await world.call("POST", "/api/v2/artifact/log/5", data=io.BytesIO(sent))

    assert status == 200
    assert [seen.body == sent for seen in world.hub.seen] == [True, True]
    assert not any((world.folder / "uploads").glob("*"))


async def test_a_body_over_the_limit_is_413(world: GatewayWorld) -> None:
    """A bot cannot fill the runner's disk by uploading; told by its length, and by counting where there is none."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    for body in (io.BytesIO(b"x" * 3_000_001), endless()):
        try:
            status, answer = await world.call("POST", "/api/v2/artifact/log/5", data=body)
        except ClientError:
            continue  # refused before all was sent, and noticed as such
        assert (status, answer["error"][:7]) == (413, "Request")
    assert world.hub.seen == []


async def test_a_large_answer_is_streamed(world: GatewayWorld) -> None:
    """A file is handed through piece by piece; one that breaks off breaks off at the bot, too."""
    piece = b"p" * 500_000

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        for _ in range(6):
            await response.write(piece)
        if "torn" in request.path_qs:
            return cut(request)
        await response.write_eof()
        return response

    world.hub.answer = answer
    url = world.url + "/api/v2/artifact/5/file"
    async with world.client.get(url, headers={"token": TOKEN}) as response:
        assert await response.read() == piece * 6
    with pytest.raises(ClientError):
        async with world.client.get(url + "?torn=1", headers={"token": TOKEN}) as response:
            await response.read()


async def test_texts_for_people_are_masked(world: GatewayWorld) -> None:
    """core.md §3: texts of alerts, errors and log rows are masked by the gateway."""
    await world.call("POST", "/api/v2/alerts", json={"title": f"t {SECRET}", "more": [{"x": SECRET}], "n": 1})
    await world.call("POST", OTHER, json={"values": {"password": SECRET}})

    assert json.loads(world.hub.seen[0].body) == {"title": "t ***", "more": [{"x": "***"}], "n": 1}
    assert SECRET.encode() in world.hub.seen[1].body


async def test_a_secret_reaches_the_bot_only_after_its_mask_is_in_place(world: GatewayWorld) -> None:
    """core.md §3: shim unreachable: no secret, 503."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(text="s3cret")

    world.hub.answer = answer
    path = "/api/v2/credential/mail/key/password"

    async with world.client.get(world.url + path, headers={"token": TOKEN}) as response:
        assert await response.text() == "s3cret"
    assert world.daemon.masks == ["s3cret"]
    world.daemon.masks_fail = True
    status, answer = await world.call("GET", path)

    assert status == 503
    assert "s3cret" not in str(answer)


@pytest.mark.parametrize("shim", ["is there", "is away"])
async def test_a_secret_that_no_mask_covers_is_not_given_in_any_part(world: GatewayWorld, shim: str) -> None:
    """core.md §3, S15: an answer that goes on after 1 MiB cannot be masked; its connection is given back at once."""
    asked: list[web.Request] = []

    async def long(request: web.Request, body: bytes) -> web.StreamResponse:
        asked.append(request)
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError, AssertionError):
            await response.write(b"s3cret" * 2**18)
            await eventually(lambda: request.transport is None or request.transport.is_closing(), within=5)
        return response

    world.hub.answer = long
    world.daemon.masks_fail = shim == "is away"
    status, told = await world.call("GET", "/api/v2/credential/mail/key/password")

    assert status == 502
    assert told["message"] == "The hub's secret is larger than 1048576 bytes"
    await eventually(lambda: asked[0].transport is None or asked[0].transport.is_closing())


async def test_an_answer_that_nobody_wants_is_not_left_open(world: GatewayWorld) -> None:
    """core.md §6: a long 503 is asked for again; the connection of the first does not stay until the daemon's end."""
    asked: list[web.Request] = []

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        asked.append(request)
        if len(asked) > 1:
            return web.json_response({})
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(bytes(2**16))
        return response

    world.hub.answer = answer
    status, _ = await world.call("POST", OTHER, json={})

    assert status == 200
    await eventually(lambda: asked[0].transport is None or asked[0].transport.is_closing())


async def test_the_message_of_a_finish_is_masked(world: GatewayWorld) -> None:
    """core.md §3: "texts of reports … are masked by the gateway", one that the hub is told at once, too."""
    said = {"finishStatus": "SUCCESS", "finishMessage": f"with {SECRET}"}
    for path in ("/api/v2/task/7", "/api/v2/task/7/finish"):
        await world.call("POST", path, json=said)

    for seen in world.hub.seen:
        assert json.loads(seen.body) == {"finishStatus": "SUCCESS", "finishMessage": "with ***"}


@pytest.mark.parametrize(
    "path", ["/api/v2/x/%2e%2e/%2e%2e/runner/v1/blobs", "/api/v2/x/..%2f..%2frunner", "/api/v2/%252e%252e/x"]
)
async def test_no_path_leaves_the_bots_part_of_the_hub(world: GatewayWorld, path: str) -> None:
    """The ticket opens the runner's own routes as well (S10): a path that a proxy might fold goes nowhere."""
    async with world.client.get(URL(world.url + path, encoded=True), headers={"token": TOKEN}) as response:
        assert response.status == 404
    assert world.hub.seen == []


async def test_a_login_is_forwarded_and_its_token_speaks_for_itself(world: GatewayWorld) -> None:
    """maestro.md §3.1: a bot may log in by itself; what it gets is the hub's own token, sent on without our ticket."""
    world.hub.answer = always(401, data={"message": "wrong"})
    status, answer = await world.call("POST", "/api/v2/workspace/login", json={"login": "a", "key": "b"}, headers={})
    assert (status, answer) == (401, {"message": "wrong"})

    world.hub.answer = always(data={"id": 1042})
    await world.call("GET", "/api/v2/task/1042", headers={"token": "bya_x", "organization": "acme"})

    login, look = world.hub.seen
    assert "authorization" not in login.headers
    assert "authorization" not in look.headers
    assert (look.headers["token"], look.headers["organization"]) == ("bya_x", "acme")
