"""The bot's own task at the gateway (core.md §6, maestro.md §3.2, §4)."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.wire.maestro import task_object
from tests.support.gateway import EXECUTION, SECRET, TOKEN, GatewayWorld, always, cut, gateway_world, silence, snapshot

FINISH = {
    "state": "FINISHED",
    "finishStatus": "SUCCESS",
    "finishMessage": "done",
    "totalItems": 10,
    "processedItems": 8,
    "failedItems": 2,
}
OWN = "/api/v2/task/1042"


async def test_version_is_open_and_answered_here(world: GatewayWorld) -> None:
    """An SDK calls it without headers, and stops at its first line without an answer (maestro.md §3.1)."""
    world.daemon.close_session()

    status, answer = await world.call("GET", "/api/v2/maestro/version", headers={})

    assert (status, answer) == (200, {"version": "3.1.0"})
    assert world.hub.seen == []


@pytest.mark.parametrize(
    ("word", "reported"),
    [("SUCCESS", "succeeded"), ("FAILED", "failed"), ("PARTIALLY_COMPLETED", "partial"), (2, "partial")],
)
async def test_a_finish_is_a_fact_and_answered_with_the_whole_task(
    world: GatewayWorld, word: str | int, reported: str
) -> None:
    """core.md §6: validated, written as a fact, answered at once with the whole task object; enums as ordinals too."""
    status, answer = await world.call("POST", OWN, json=FINISH | {"finishStatus": word})

    assert status == 200
    assert set(answer) == set(task_object(snapshot()))
    assert answer["id"] == 1042
    assert answer["state"] == "FINISHED"
    assert (answer["totalItems"], answer["processedItems"], answer["failedItems"]) == (10, 8, 2)
    (report,) = world.daemon.reports
    assert (report.status, report.message, report.late) == (reported, "done", False)
    assert world.hub.seen == []


async def test_a_finish_needs_no_hub_and_later_looks_show_it(world: GatewayWorld) -> None:
    """Hub dead before finish_task: the call returns, the bot's next GET says FINISHED (issue, "Shown by")."""
    await world.hub.stop()
    world.daemon.close_session()

    finished, _ = await world.call("POST", OWN, json=FINISH)
    status, seen = await world.call("GET", OWN)

    assert finished == status == 200
    assert (seen["state"], seen["finishStatus"], seen["finishMessage"]) == ("FINISHED", "SUCCESS", "done")


async def test_the_last_report_is_laid_over_the_hubs_view(world: GatewayWorld) -> None:
    """core.md §6: laid over later GETs of that task; what only the hub knows comes from the hub."""
    world.hub.answer = always(data=task_object(snapshot(priority=9, created_by="Ana")))
    await world.call("POST", OWN, json=FINISH)
    await world.call("POST", OWN, json=FINISH | {"finishStatus": "FAILED", "finishMessage": "no"})

    status, seen = await world.call("GET", OWN)

    assert status == 200
    assert (seen["state"], seen["finishStatus"], seen["finishMessage"]) == ("FINISHED", "FAILED", "no")
    assert (seen["priority"], seen["userEmail"]) == (9, "Ana")
    assert seen["dateLastModified"] == "2030-01-01T12:00:00.000+00:00"


async def test_a_look_goes_to_the_hub_with_the_ticket(world: GatewayWorld) -> None:
    """maestro.md §4: an interruption asked at the hub is seen at the next look."""
    world.hub.answer = always(data=task_object(snapshot(interrupted=True)))

    status, seen = await world.call("GET", OWN)

    assert (status, seen["interrupted"], seen["state"]) == (200, True, "RUNNING")
    (asked,) = world.hub.seen
    assert asked.headers["authorization"] == "Bearer ticket-1"
    assert asked.headers["botyard-execution"] == EXECUTION
    assert "token" not in asked.headers
    assert "idempotency-key" not in asked.headers


@pytest.mark.parametrize("hub", ["away", "silent", "broken", "refusing", "nonsense"])
async def test_a_look_is_answered_from_the_order_while_the_hub_cannot(world: GatewayWorld, hub: str) -> None:
    """Bots ask once an item and must not wait or fail: snapshot, own report and the flag that the daemon knows."""

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if hub == "broken":
            return cut(request)
        return web.json_response([1], status=500 if hub == "refusing" else 200)

    world.hub.answer = silence if hub == "silent" else answer
    if hub == "away":
        world.daemon.close_session()
    world.daemon.bot.interrupted = True

    status, seen = await world.call("GET", OWN)

    assert (status, seen["state"], seen["interrupted"]) == (200, "RUNNING", True)
    assert seen["parameters"] == {"month": "2026-03"}


async def test_secrets_are_masked_before_the_spool_and_long_texts_cut_after(world: GatewayWorld) -> None:
    """core.md §3: texts of reports are masked by the gateway before the spool; a cut secret would slip through."""
    text = "x" * (32 * 1024 - 3) + SECRET

    await world.call("POST", OWN, json=FINISH | {"finishMessage": text})

    (report,) = world.daemon.reports
    assert report.message == "x" * (32 * 1024 - 3) + "***"


async def test_a_finish_after_the_main_process_ended_is_late(world: GatewayWorld) -> None:
    """core.md §4: late once the shim has reaped the main process; it does not change what later looks show."""
    world.daemon.close_session()
    world.daemon.bot.reaped = True

    status, answer = await world.call("POST", OWN, json=FINISH)

    assert status == 200
    assert answer["state"] == "RUNNING"
    assert world.daemon.reports[0].late


async def test_finish_with_an_empty_body_means_success(world: GatewayWorld) -> None:
    """maestro.md §3.2: ``/finish`` with ``{}``; an empty body is not parsed as JSON (§1.1)."""
    for body in (b"", b"{}", b"null"):
        status, answer = await world.call("POST", OWN + "/finish", data=body)
        assert (status, answer["finishStatus"]) == (200, "SUCCESS")


async def test_items_that_do_not_add_up_are_not_refused(world: GatewayWorld) -> None:
    """maestro.md §3.2: do not refuse others."""
    status, answer = await world.call("POST", OWN, json=FINISH | {"totalItems": -1, "failedItems": None})

    assert status == 200
    assert (answer["totalItems"], answer["processedItems"], answer["failedItems"]) == (0, 8, 0)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"FINISHED"', b'{"state": "FINISHED", "finishStatus": "MAYBE"}', b'{"state": 9}', b"\xff", b"[[["],
)
async def test_a_body_that_cannot_be_meant_is_400_in_shape(world: GatewayWorld, body: bytes) -> None:
    """maestro.md §1.3: the shape holds for bodies that do not parse, too."""
    status, answer = await world.call("POST", OWN, data=body)

    assert (status, answer["status"], answer["error"], answer["path"]) == (400, 400, "Bad Request", OWN)
    assert isinstance(answer["message"], str)
    assert world.daemon.reports == []


@pytest.mark.parametrize("body", [{"interrupted": True}, {"state": "START"}, {"state": "CANCELED"}, {}])
async def test_other_updates_of_the_own_task_are_the_hubs(world: GatewayWorld, body: dict[str, Any]) -> None:
    """core.md §6: interrupt, restart and cancel are forwarded, with a key."""
    status, _ = await world.call("POST", OWN, json=body)

    assert status == 200
    assert world.daemon.reports == []
    (asked,) = world.hub.seen
    assert len(asked.headers["idempotency-key"]) == 32


async def test_a_finish_for_another_task_is_forwarded(world: GatewayWorld) -> None:
    """core.md §6, last words on finish_task."""
    await world.call("POST", "/api/v2/task/77", json=FINISH)
    await world.call("POST", "/api/v2/task/77/finish", data=b"")
    await world.call("GET", "/api/v2/task/77")

    assert [(seen.method, seen.target) for seen in world.hub.seen] == [
        ("POST", "/api/v2/task/77"),
        ("POST", "/api/v2/task/77/finish"),
        ("GET", "/api/v2/task/77"),
    ]
    assert world.daemon.reports == []


@pytest.mark.parametrize("word", ["abc", "None", "0", "-1", "1e3", "१०४२", "9" * 40])
async def test_a_word_where_a_number_belongs_is_not_there(world: GatewayWorld, word: str) -> None:
    """maestro.md §1.6: 404 with the usual body."""
    status, answer = await world.call("POST", f"/api/v2/task/{word}", json=FINISH)

    assert (status, answer["error"]) == (404, "Not Found")
    assert world.hub.seen == []


async def test_a_full_spool_hands_the_finish_to_the_hub(world: GatewayWorld) -> None:
    """core.md §3: is it full all the same, the gateway forwards a finish and answers with the hub's answer."""
    world.daemon.spool_full = True
    world.daemon.bot.last_fact = 7
    world.hub.answer = always(data={"id": 1042, "state": "FINISHED"})

    status, answer = await world.call("POST", OWN, json=FINISH | {"finishMessage": f"{SECRET} done"})

    assert (status, answer["state"]) == (200, "FINISHED")
    (seen,) = world.hub.seen
    # it says which fact it comes after, and no secret
    assert json.loads(seen.body) == FINISH | {"finishMessage": "*** done", "botyardAfterFact": 7}
    assert len(seen.headers["idempotency-key"]) == 32
    # and the bot's next look shows it, though the hub may be away by then
    world.daemon.close_session()
    _, shown = await world.call("GET", OWN)
    assert (shown["state"], shown["finishMessage"]) == ("FINISHED", "*** done")


@pytest.mark.parametrize(("case", "status", "why"), [("no hub", 503, "and the hub"), ("its end", 507, "the bot's end")])
async def test_a_finish_that_nobody_can_keep_says_why(tmp_path: Path, case: str, status: int, why: str) -> None:
    """core.md §3, §4: no room here and no hub there; after the bot's end a report is late, which only a fact tells."""
    async with gateway_world(tmp_path, give_up_s=0.3) as world:
        world.daemon.spool_full = True
        world.daemon.bot.reaped = case == "its end"
        await world.hub.stop()
        told, answer = await world.call("POST", OWN, json=FINISH)

        assert told == status
        assert answer["message"].startswith("The runner's disk has no room for")
        assert why in answer["message"]
        assert world.daemon.reports == []


async def test_reports_without_end_are_429(world: GatewayWorld) -> None:
    """A bot that reports in a loop must not fill the spool (G8)."""
    world.daemon.reports_max = 1
    await world.call("POST", OWN, json=FINISH)

    status, answer = await world.call("POST", OWN, json=FINISH)

    assert (status, answer["status"]) == (429, 429)


async def test_the_token_may_come_as_bearer_and_token_wins(world: GatewayWorld) -> None:
    """maestro.md §1.2: either header, whatever the organization says."""
    world.daemon.close_session()
    for headers in (
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer {TOKEN}", "X-Organization": "nobody"},
        {"token": TOKEN, "Authorization": "Bearer wrong", "organization": ""},
    ):
        status, _ = await world.call("GET", OWN, headers=headers)
        assert status == 200
