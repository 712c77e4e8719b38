"""How requests are refused, described and secured: the same on every route (S8, S39, S54; issue 2 part 10)."""

import io
import json
import logging
from typing import Any

import pytest
from aiohttp import web
from openapi_pydantic import OpenAPI

from hub.api import ROUTES
from hub.api.description import describe
from hub.api.problem import Problem
from hub.services import tasks
from tests.support.api_hub import ApiWorld


async def test_an_unknown_member_is_refused_with_its_name(world: ApiWorld) -> None:
    """S8: strict schemas."""
    status, problem = await world.call("POST", "/tasks", json={"automation": "invoices", "prioritty": 3, "test": "yes"})
    assert (422, "body") == (status, problem["code"])
    assert {"prioritty", "test"} == {one["field"] for one in problem["errors"]}
    assert Problem.model_validate(problem).type == "urn:botyard:body"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 415), (b"{", 400), (b"[]", 422), (b"null", 422), (b"\xff\xfe", 400), (b'{"automation": 7}', 422)],
)
async def test_a_body_that_is_none_is_refused(world: ApiWorld, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    async with world.request("POST", "/tasks", data=body, headers=headers) as response:
        assert (status, "application/problem+json") == (response.status, response.content_type)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999", b"1" * 250 + b"e99"])
async def test_a_number_that_json_does_not_have_is_named(world: ApiWorld, number: bytes) -> None:
    """A reader that takes it would only fail where it is stored; what only looks like one is taken."""
    headers = {"Content-Type": "application/json"}
    body = b'{"automation": "invoices", "parameters": {"month": [1, {"a": %s}], "note": "NaN 1e999"}}'
    status, problem = await world.call("POST", "/tasks", data=body % number, headers=headers)
    assert (422, ["parameters.month.1.a"]) == (status, [one["field"] for one in problem["errors"]])
    status, task = await world.call("POST", "/tasks", data=body % b"1", headers=headers)
    assert (201, "NaN 1e999") == (status, task["parameters"]["note"])


async def test_a_form_is_no_json(world: ApiWorld) -> None:
    """A page of another origin can send forms without asking; it can't send this."""
    async with world.request("POST", "/tasks", data={"automation": "invoices"}) as response:
        assert 415 == response.status


async def test_a_large_body_is_refused_while_it_is_read(world: ApiWorld) -> None:
    """S39."""
    status, problem = await world.call("POST", "/tasks", data=io.BytesIO(b"x" * (2 * 1024 * 1024)))
    assert (413, "too_large") == (status, problem["code"])


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "cursor=%F0", "nonsense=1", "limit=1&limit=2", "state=done"]
)
async def test_a_query_that_can_not_be_read_is_refused(world: ApiWorld, query: str) -> None:
    status, problem = await world.call("GET", f"/tasks?{query}")
    assert (400, "query") == (status, problem["code"])
    assert problem["errors"]


_ENDED = {"fence": 1, "outcome": "done"}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/items/a%00b", None, "item"),
        ("GET", "/queues/orders/items?reference=a%00b", None, "reference"),
        ("GET", "/dead-letters?queue=a%00b", None, "queue"),
        ("POST", "/queues/orders/cancel", {"ids": ["a\0b"]}, "ids.0"),
        ("POST", "/queues/orders/cancel", {"after": "2026-01-01T00:00:00+00:00 a\0b"}, "after"),
        ("POST", "/queues/orders/move", {"to": "a\0b"}, "to"),
        (
            "POST",
            "/queues/orders/work",
            {"completed": [{"item": "a\0", "fence": 1, "outcome": "done"}]},
            "completed.0.item",
        ),
    ],
)
async def test_a_nul_is_told_before_a_database_sees_it(
    each_world: ApiWorld, method: str, path: str, body: Any, field: str
) -> None:
    """PostgreSQL takes none, which would be a failure of the hub's."""
    await each_world.call("POST", "/queues", json={"label": "orders"})
    status, problem = await each_world.call(method, path, json=body)
    assert status in {400, 422}
    assert [one["field"] for one in problem["errors"]] == [field]


async def test_an_unforeseen_error_tells_its_id_and_nothing_else(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S54."""

    def fail(*_: Any) -> None:
        raise RuntimeError("secret detail in /etc/somewhere")

    monkeypatch.setattr(tasks, "page", fail)
    with caplog.at_level(logging.ERROR):
        async with world.request("GET", "/tasks") as response:
            text = await response.text()
            correlation = response.headers["X-Request-Id"]
    assert 500 == response.status
    assert "secret" not in text
    assert correlation in text
    assert correlation in caplog.text
    assert "secret detail" in caplog.text


async def test_a_secret_answer_is_never_given_twice(world: ApiWorld) -> None:
    """core.md §6: answers with secrets are never stored."""
    headers = {"Idempotency-Key": "once"}
    status, made = await world.call("POST", "/keys", json={"name": "ci"}, headers=headers)
    assert 201 == status
    assert made["key"].startswith("byk_")
    status, problem = await world.call("POST", "/keys", json={"name": "ci"}, headers=headers)
    assert (409, "secret_shown_once") == (status, problem["code"])
    assert made["key"] not in str(await world.get("/keys")) + str(await world.get("/events?limit=1000"))


async def test_the_description_fits_openapi_and_names_every_route(world: ApiWorld) -> None:
    async with world.client.get(f"{world.url}/api/v1/openapi.json") as response:
        described = await response.json()
    OpenAPI.model_validate(described)
    assert described == describe(ROUTES, described["info"]["version"])
    served = {f"{route.method} {route.full_path}" for route in ROUTES}
    named = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert served == named
    operations = [one["operationId"] for methods in described["paths"].values() for one in methods.values()]
    assert len(operations) == len(set(operations))


def test_every_example_fits_its_own_model() -> None:
    for route in ROUTES:
        if route.spec.example:
            assert route.body is not None
            route.body.model_validate_json(json.dumps(dict(route.spec.example)))


async def test_the_page_of_the_api_shows_every_route_and_needs_no_other_address(world: ApiWorld) -> None:
    async with world.client.get(f"{world.url}/api/docs") as response:
        page = await response.text()
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert [] == [route.path for route in ROUTES if f"<code>{route.full_path}</code>" not in page]
    assert "<script" not in page
    assert "https://" not in page
    async with world.client.get(f"{world.url}/api/docs.css") as response:
        assert "text/css" == response.content_type


async def test_a_listing_of_the_router_has_no_path_besides_the_table(world: ApiWorld) -> None:
    """Whatever aiohttp serves below the prefix is a declared route, the description, or the refusal of all else."""
    app = web.Application()
    from hub.api import mount

    mount(app, world.hub)
    paths = {resource.canonical for resource in app.router.resources()}
    own = {route.full_path for route in ROUTES}
    # Calls from outside have no key of ours: their messages are signed (tests/api/test_hooks.py).
    open_paths = {"/", "/api/v1/openapi.json", "/api/docs", "/api/docs.css", "/hooks/{trigger}"}
    # A view's address is itself a secret (tests/runners/test_screens.py).
    open_paths |= {"/screens/{view}", "/screens/{view}/live", "/screens.css"}
    assert {*open_paths, "/api/v1/{anything}"} == paths - own
