"""The API for bots without an SDK (bot-packages.md §7)."""

from typing import Any

import pytest

from tests.support.gateway import SECRET, TOKEN, GatewayWorld, snapshot

BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def test_parameters_keep_their_types(world: GatewayWorld) -> None:
    """GET /parameters answers what the task was made with, hub or no hub."""
    world.daemon.close_session()
    known = {"n": 1, "s": "ä", "l": [None, True]}
    world.daemon.bot.task = snapshot(parameters=known)

    assert await world.call("GET", "/bot/v1/parameters", headers=BEARER) == (200, known)


async def test_an_answer_is_a_line(world: GatewayWorld) -> None:
    """What `curl` prints into a shell bot's output leaves `::endgroup::` behind it at the start of a line (§7)."""
    for path in ("cancelled", "secrets/none"):
        async with world.client.get(f"{world.url}/bot/v1/{path}", headers=BEARER) as response:
            assert (await response.text()).endswith("}\n")


async def test_cancelled_follows_the_daemon(world: GatewayWorld) -> None:
    """GET /cancelled: has a stop begun, or has somebody asked the bot to finish by itself?"""

    async def told() -> tuple[int, Any]:
        return await world.call("GET", "/bot/v1/cancelled", headers=BEARER)

    assert await told() == (200, {"cancelled": False, "interrupted": False})
    world.daemon.bot.interrupted = True
    assert await told() == (200, {"cancelled": False, "interrupted": True})
    world.daemon.bot.cancelled = True
    assert await told() == (200, {"cancelled": True, "interrupted": True})


@pytest.mark.parametrize(
    ("body", "status", "message", "total"),
    [
        ({"status": "partial", "totals": {"total": 4, "processed": 3, "failed": 1}}, "partial", None, 4),
        ({"status": "failed", "message": f"no {SECRET}"}, "failed", "no ***", None),
        ({"status": "failed", "error": {"type": "business", "message": "closed"}}, "failed", "closed", None),
        ({"status": "succeeded", "more": 1}, "succeeded", None, None),
    ],
)
async def test_a_result_is_a_report(
    world: GatewayWorld, body: dict[str, Any], status: str, message: str | None, total: int | None
) -> None:
    """POST /result: every member optional; durable when it answers 202, so a bot never waits for the network."""
    world.daemon.close_session()

    answered = await world.call("POST", "/bot/v1/result", json=body, headers=BEARER)

    assert answered == (202, {"status": status, "late": False})
    (report,) = world.daemon.reports
    assert (report.status, report.message) == (status, message)
    assert (report.totals.total if report.totals else None) == total


async def test_a_result_without_a_status_reports_nothing(world: GatewayWorld) -> None:
    """As the file does: then the exit code says how it went."""
    for body in (b"", b"{}", b'{"message": "x"}'):
        answered = await world.call("POST", "/bot/v1/result", data=body, headers=BEARER)
        assert answered == (202, {"status": None, "late": False})
    assert world.daemon.reports == []


@pytest.mark.parametrize("body", [b"no", b"[]", b'{"status": "great"}', b'{"totals": 4}', b"[" * 9999])
async def test_a_result_that_cannot_be_meant_is_400(world: GatewayWorld, body: bytes) -> None:
    """Refused with a sentence, and nothing is recorded."""
    status, answer = await world.call("POST", "/bot/v1/result", data=body, headers=BEARER)

    assert status == 400
    assert answer["detail"]
    assert world.daemon.reports == []
