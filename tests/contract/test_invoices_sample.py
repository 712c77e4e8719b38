"""The invoices sample: a real BotCity bot that knows nothing of us, behind our gateway."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from agent.wire.maestro import task_object
from tests.support.gateway import GatewayWorld, always, gateway_world, snapshot
from tests.support.sdk import argv, python

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """A gateway before a scripted hub that knows the task."""
    async with gateway_world(tmp_path) as world:
        yield world


@pytest.mark.parametrize(
    ("end", "reported", "message", "totals"),
    [
        ("SUCCESS", "succeeded", "All 10 invoices booked", (10, 10, 0)),
        ("PARTIALLY_COMPLETED", "partial", "7 invoices booked, 3 refused", (10, 7, 3)),
        ("FAILED", "failed", "The accounting portal does not answer", (10, 3, 7)),
    ],
)
async def test_the_invoices_sample(
    gateway: GatewayWorld, end: str, reported: str, message: str, totals: tuple[int, int, int]
) -> None:
    """A real BotCity bot: parameters in, lines out, a final status with items."""
    parameters = {"month": "2026-05", "pace": 0.01, "end": end}
    gateway.daemon.bot.task = snapshot(parameters=parameters)
    gateway.hub.answer = always(data=task_object(gateway.daemon.bot.task))

    ended = await python("bot.py", *argv(gateway.url), cwd=SAMPLES / "invoices")

    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "Task ID is: 1042"
    assert "10 invoices to book for 2026-05" in lines
    (report,) = gateway.daemon.reports
    assert (report.status, report.message) == (reported, message)
    assert report.totals is not None
    assert (report.totals.total, report.totals.processed, report.totals.failed) == totals


async def test_the_invoices_sample_lets_itself_be_interrupted(gateway: GatewayWorld) -> None:
    """It asks once an item, and says how far it came."""
    asked = 0

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.json_response(task_object(snapshot(parameters={"pace": 0}, interrupted=asked > 4)))

    gateway.hub.answer = answer

    ended = await python("bot.py", *argv(gateway.url), cwd=SAMPLES / "invoices")

    assert ended.code == 0, ended.err
    (report,) = gateway.daemon.reports
    assert (report.status, report.message) == ("partial", "Interrupted after 3 of 10 invoices")


async def test_the_invoices_sample_runs_on_a_developers_machine() -> None:
    """Without arguments it works offline, as the vendor's template does."""
    ended = await python("bot.py", cwd=SAMPLES / "invoices")

    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == "SUCCESS: All 10 invoices booked"
