"""Who may call, and in what shape a refusal comes (maestro.md §1.2, §1.3; reliability.md S10, S54)."""

import asyncio
import logging

import pytest

from tests.support.gateway import TOKEN, GatewayWorld
from tests.support.waiting import eventually

PATHS = ["/api/v2/task/1042", "/api/v2/datapool/x/pull", "/bot/v1/parameters", "/bot/v1/cancelled"]


def shape_of(path: str) -> set[str]:
    """Members of an error: RFC 9457's for our own API, BotCity's for all else."""
    if path.startswith("/bot/v1/"):
        return {"type", "title", "status", "detail"}
    return {"status", "error", "message", "path"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, {"token": ""}, {"token": "wrong"}, {"Authorization": "Basic " + TOKEN}])
async def test_missing_and_unknown_tokens_are_401(world: GatewayWorld, path: str, headers: dict[str, str]) -> None:
    """maestro.md §1.2: 401 only for a token that is missing, unknown or expired."""
    status, answer = await world.call("GET", path, headers=headers)

    assert (status, answer["status"]) == (401, 401)
    assert set(answer) == shape_of(path)
    assert world.hub.seen == []


async def test_a_token_dies_with_its_execution(world: GatewayWorld) -> None:
    """reliability.md S10: asked for at each call, nothing is remembered here."""
    assert (await world.call("GET", PATHS[2]))[0] == 200

    del world.daemon.bots[TOKEN]

    assert (await world.call("GET", PATHS[2]))[0] == 401


async def test_calls_wait_while_a_new_daemon_adopts_its_bots(world: GatewayWorld) -> None:
    """core.md §2: masks are read back before gateway calls of that execution are taken; the bot does not see a 401."""
    world.daemon.adopting = True
    async with asyncio.TaskGroup() as group:
        call = group.create_task(world.call("GET", PATHS[2]))
        await eventually(lambda: len(asyncio.all_tasks()) > 2)
        assert not call.done()

        world.daemon.adopting = False

    assert call.result()[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v1/tasks", 404),
        ("POST", "/bot/v1/nothing", 404),
        ("DELETE", "/bot/v1/result", 405),
    ],
)
async def test_unknown_routes_have_the_shape(world: GatewayWorld, method: str, path: str, status: int) -> None:
    """maestro.md §1.3: the shape holds for unknown routes; our own API answers as the hub's does."""
    answered, shape = await world.call(method, path)

    assert answered == status
    assert set(shape) == shape_of(path)


async def test_a_wrong_way_to_call_is_told_the_right_one(world: GatewayWorld) -> None:
    """A remedy with each refusal: `api outputs` without -d is a GET."""
    assert "only POST is served, not GET" in (await world.call("GET", "/bot/v1/outputs"))[1]["detail"]
    assert "Reporting without an SDK" in (await world.call("GET", "/bot/v1/output"))[1]["detail"]


async def test_our_own_failure_tells_only_a_number(world: GatewayWorld, caplog: pytest.LogCaptureFixture) -> None:
    """reliability.md S54: errors carry only a correlation id; the token stands in no log."""

    def broken(text: str) -> str:
        raise RuntimeError("inside")

    world.daemon.bot.mask = broken  # type: ignore[method-assign]
    with caplog.at_level(logging.DEBUG):
        status, shape = await world.call("POST", PATHS[0] + "/finish", json={"finishMessage": "x"})

    assert status == 500
    assert "inside" not in str(shape)
    number = shape["message"].rpartition("(")[2].rstrip(")")
    assert number in caplog.text
    assert TOKEN not in caplog.text
