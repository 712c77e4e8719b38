"""`maestro.md` §1.2, §1.3, §3.1 against a real store: who calls, errors in shape, version, login."""

import io
from typing import Any

import sqlalchemy as sa
from packaging import version

from hub.storage import tables
from tests.support.maestro_hub import TICKET, MaestroWorld


async def test_version_is_open(world: MaestroWorld) -> None:
    """§3.1: no headers; a version that switches on everything."""
    status, answer = await world.call("GET", "/maestro/version", headers={})

    assert status == 200
    assert version.parse(answer["version"]) >= version.parse("3.0.2")


async def test_a_login_gives_a_token_that_works_for_a_day(world: MaestroWorld) -> None:
    """§3.1: accessToken, organizationLabel not empty; §1.2: 24 h."""
    body = {"login": world.login, "key": world.operator}
    status, answer = await world.call("POST", "/workspace/login", json=body, headers={})

    assert (status, answer["organizationLabel"], answer["expiresIn"]) == (200, "default", 86400)
    for headers in (
        {"token": answer["accessToken"], "organization": world.login},
        {"Authorization": f"Bearer {answer['accessToken']}", "X-Organization": "default"},
        {"Authorization": f"bearer {answer['accessToken']}"},
        {"token": answer["accessToken"], "Authorization": "Bearer wrong", "organization": ""},
    ):
        assert (await world.call("GET", "/task", headers=headers))[0] == 200
    world.clock.advance(86_401)
    assert (await world.call("GET", "/task", headers={"token": answer["accessToken"]}))[0] == 401


async def test_a_wrong_login_is_4xx_in_shape(world: MaestroWorld) -> None:
    """§3.1: any 4xx with the usual error body."""
    cases: list[tuple[dict[str, Any], int]] = [
        ({"login": "nobody", "key": "byk_x"}, 401),
        ({"login": "\ud800", "key": "\udfff"}, 401),
        ({"login": world.login, "key": world.viewer}, 401),
        ({"login": None, "key": None}, 400),
        ({}, 400),
        ({"login": 1, "key": 2}, 400),
    ]
    for body, expected in cases:
        status, error = await world.call("POST", "/workspace/login", json=body, headers={})

        assert (status, set(error)) == (expected, {"status", "error", "message", "path"})


async def test_401_is_for_tokens_only(world: MaestroWorld) -> None:
    """§1.2: missing, unknown, expired; a ticket is none without its execution."""
    cases: list[dict[str, str]] = [
        {},
        {"token": ""},
        {"token": "bya_nonsense"},
        {"Authorization": "Basic abc"},
        {"Authorization": f"Bearer {TICKET}"},
        {"Authorization": "Bearer wrong", "Botyard-Execution": "exe_" + "1" * 32},
        {"Botyard-Execution": "exe_" + "1" * 32},
    ]
    for headers in cases:
        status, error = await world.call("GET", "/task/1", headers=headers)

        assert (status, error["error"]) == (401, "Unauthorized")


async def test_no_rights_are_403(world: MaestroWorld) -> None:
    """§1.2: a viewer may look and not act."""
    number = await world.new_task()
    viewer = {"token": world.viewer}

    assert (await world.call("GET", f"/task/{number}", headers=viewer))[0] == 200
    for method, path in (("POST", "/task"), ("POST", f"/task/{number}"), ("POST", f"/task/{number}/cancel")):
        status, error = await world.call(method, path, headers=viewer, json={})
        assert (status, error["error"]) == (403, "Forbidden")


async def test_a_runner_speaks_for_its_own_executions_only(world: MaestroWorld) -> None:
    """S10: not for another runner's, not for one that never started; 403, since 401 would make the gateway wait."""
    start = await world.running_task()
    mine = world.as_bot(start.execution_id)
    assert (await world.call("GET", "/task/1", headers=mine))[0] == 200
    assert (await world.call("GET", "/task/1", headers=world.as_bot("exe_" + "9" * 32)))[0] == 403

    await world.sql(sa.update(tables.executions).values(state="void", settled_at=world.clock.now()))

    assert (await world.call("GET", "/task/1", headers=mine))[0] == 403


async def test_unknown_routes_have_the_shape(world: MaestroWorld) -> None:
    """§1.3: the shape holds for unknown routes, too."""
    for method, path, expected in (
        ("GET", "/nothing", 404),
        ("GET", "/task/1/nothing", 404),
        ("POST", "/datapool/x/push", 404),
        ("DELETE", "/task/1", 405),
        ("PUT", "/task", 405),
        ("GET", "/workspace/login", 405),
        ("GET", "/", 404),
    ):
        status, error = await world.call(method, path)

        assert (status, error["status"]) == (expected, expected)
        assert error["message"]


async def test_bodies_of_reads_are_ignored(world: MaestroWorld) -> None:
    """§1.1: GETs come with a content type and no body, some with one that means nothing."""
    number = await world.new_task()
    headers = {"token": world.operator, "Content-Type": "application/json"}
    for body in (b"", b"{", b'{"days": 7}'):
        assert (await world.call("GET", f"/task/{number}?x=1", headers=headers, data=body))[0] == 200


async def test_a_body_over_the_limit_is_413(world: MaestroWorld) -> None:
    """§1.3, S39."""
    status, error = await world.call("POST", "/task/1", data=io.BytesIO(b"x" * 1_100_000))

    assert (status, error["status"]) == (413, 413)


async def test_answers_are_plain_ascii_json_and_never_redirects(world: MaestroWorld) -> None:
    """§1.1: `application/json`, escapes for everything else; a trailing slash is no redirect."""
    number = await world.new_task(parameters={"name": "Müller 小林"})
    url = f"{world.url}/api/v2/task/{number}"
    async with world.client.get(url, headers={"token": world.operator}) as response:
        body = await response.read()
        assert body.isascii()
        assert response.headers["Content-Type"].startswith("application/json")
    async with world.client.get(url + "/", headers={"token": world.operator}, allow_redirects=False) as response:
        assert response.status == 404
