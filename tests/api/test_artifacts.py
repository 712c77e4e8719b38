"""A task's files over HTTP: listed, downloaded, previewed, asked for (bot-packages.md §6; reliability.md S29)."""

import hashlib
import json
from typing import Any

import pytest

from agent.wire.messages import Collect
from hub.services.effects import SendToRunner
from tests.support.api_hub import EXECUTION, RUNNER, ApiWorld

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
async def task(world: ApiWorld) -> Any:
    """A task that runs."""
    made = await world.new_task()
    await world.begin(made["id"])
    return made


async def test_files_are_listed_with_what_was_left_out(world: ApiWorld, task: Any) -> None:
    """bot-packages.md §6: "relative paths kept, size limits with a note of what was left out"."""
    # given two files and the last fact of their execution
    await world.attach(task, "out/report.txt", b"fine\n", EXECUTION)
    await world.attach(task, "log.html", b"<p>", EXECUTION)
    body = {"kind": "final", "left_out": ["big.iso: larger than 3 bytes"]}
    now = world.clock.now()
    fact: dict[str, Any] = {"seq": 9, "kind": "final", "fence": 1, "body": body, "received_at": now}
    await world.insert("facts", execution_id=EXECUTION, **fact)
    # when
    found = await world.get(f"/tasks/{task['id']}/artifacts")
    # then
    assert [("out/report.txt", 5), ("log.html", 3)] == [(one["name"], one["size_bytes"]) for one in found["items"]]
    assert [{"execution": EXECUTION, "text": "big.iso: larger than 3 bytes"}] == found["left_out"]
    assert hashlib.sha256(b"fine\n").hexdigest() == found["items"][0]["sha256"]


async def test_a_newer_version_takes_the_place_of_the_older_one(world: ApiWorld, task: Any) -> None:
    """Asked for while it runs, a file comes again at the end: one name, one file, the newest bytes."""
    first = await world.attach(task, "report.txt", b"half", EXECUTION)
    second = await world.attach(task, "report.txt", b"whole", EXECUTION)
    assert first == second
    found = (await world.get(f"/tasks/{task['id']}/artifacts"))["items"]
    assert [("report.txt", 5)] == [(one["name"], one["size_bytes"]) for one in found]
    async with world.request("GET", f"/artifacts/{first}/file") as response:
        assert b"whole" == await response.read()


async def test_a_download_is_an_attachment_that_no_browser_opens(world: ApiWorld, task: Any) -> None:
    """S29: nosniff, attachment, sandbox; the name is a header's value whatever the bot chose."""
    number = await world.attach(task, 'a/größe"\r\nX-Evil: 1.html', b"<script>alert(1)</script>")
    async with world.request("GET", f"/artifacts/{number}/file") as response:
        assert b"<script>alert(1)</script>" == await response.read()
        headers = response.headers
    assert "application/octet-stream" == headers["Content-Type"]
    assert ("nosniff", "X-Evil" in headers) == (headers["X-Content-Type-Options"], False)
    assert headers["Content-Disposition"].startswith('attachment; filename="gr__e___X-Evil_ 1.html"; filename*=UTF-8')
    assert headers["Content-Security-Policy"].startswith("sandbox")


async def test_a_download_goes_on_from_any_byte(world: ApiWorld, task: Any) -> None:
    data = bytes(range(256)) * 5000
    number = await world.attach(task, "data.bin", data)
    expected = {
        "bytes=1000000-": (206, data[1_000_000:]),
        "bytes=5-9": (206, data[5:10]),
        "bytes=-3": (206, data[-3:]),
        "bytes=9999999-": (416, None),
        "bytes=-0": (416, None),
        "pages=1": (200, data),
    }
    for header, (status, body) in expected.items():
        async with world.request("GET", f"/artifacts/{number}/file", headers={"Range": header}) as response:
            got = await response.read()
            assert (header, status) == (header, response.status)
            assert body in {None, got}


async def test_a_small_picture_is_shown_as_what_it_is(world: ApiWorld, task: Any) -> None:
    """S29: known by its first bytes, not by its name; SVG, which may hold scripts, is text."""
    picture = await world.attach(task, "shot.dat", PNG)
    async with world.request("GET", f"/artifacts/{picture}/preview") as response:
        assert ("image/png", PNG) == (response.content_type, await response.read())
        assert "nosniff" == response.headers["X-Content-Type-Options"]
        assert response.headers["Content-Security-Policy"].startswith("sandbox")
    fake = await world.attach(task, "fake.png", b"<svg onload='alert(1)'/>")
    shown = await world.get(f"/artifacts/{fake}/preview")
    assert ("text", ["<svg onload='alert(1)'/>"]) == (shown["kind"], shown["lines"])


async def test_texts_json_and_tables_are_looked_into(world: ApiWorld, task: Any) -> None:
    text = await world.attach(task, "a.log", b"one\ntwo\nthree\n")
    shown = await world.get(f"/artifacts/{text}/preview?lines=2")
    assert (["one", "two"], True, "a.log") == (shown["lines"], shown["cut"], shown["artifact"]["name"])
    data = await world.attach(task, "a.json", json.dumps({"b": [1, 2]}).encode())
    assert '  "b": [' == (await world.get(f"/artifacts/{data}/preview"))["lines"][1]
    table = await world.attach(task, "a.csv", b'name;sum\n"M\xc3\xbcller; Co";3\n')
    assert [["name", "sum"], ["Müller; Co", "3"]] == (await world.get(f"/artifacts/{table}/preview"))["rows"]


@pytest.mark.parametrize("named", ["99", "0", "-1", "x", "9" * 40, "1.5", "٣"])
async def test_a_file_that_is_not_there_is_told_so(world: ApiWorld, task: Any, named: str) -> None:
    status, problem = await world.call("GET", f"/artifacts/{named}")
    assert (404, "no_artifact") == (status, problem["code"])
    assert "botyard task artifacts" in problem["detail"]


async def test_bytes_that_the_store_has_lost_are_named(world: ApiWorld, task: Any) -> None:
    """R55: never half an answer that looks whole."""
    number = await world.attach(task, "a.txt", b"gone soon")
    sha256 = (await world.get(f"/artifacts/{number}"))["sha256"]
    (world.hub.settings.data / "blobs" / sha256[:2] / sha256).unlink()
    for path in (f"/artifacts/{number}/file", f"/artifacts/{number}/preview"):
        status, problem = await world.call("GET", path)
        assert (404, "artifact_gone") == (status, problem["code"])


async def test_a_running_tasks_runner_is_asked_for_its_files(world: ApiWorld, task: Any) -> None:
    """Part 5: collected "while running on request"; the order goes to the session that the runner has now."""
    status, asked = await world.call("POST", f"/tasks/{task['id']}/artifacts/collect")
    assert (202, EXECUTION) == (status, asked["execution"])
    sent = [effect for effect in world.effects if isinstance(effect, SendToRunner)]
    assert [(RUNNER, 1, Collect(execution_id=EXECUTION, fence=1))] == [
        (one.runner_id, one.epoch, one.message) for one in sent if isinstance(one.message, Collect)
    ]


async def test_nothing_is_asked_of_a_task_that_does_not_run_or_of_a_runner_that_is_away(world: ApiWorld) -> None:
    waiting = await world.new_task()
    status, problem = await world.call("POST", f"/tasks/{waiting['id']}/artifacts/collect")
    assert (409, "not_running") == (status, problem["code"])
    await world.begin(waiting["id"])
    await world.update("runners", RUNNER, session_epoch=None)
    status, problem = await world.call("POST", f"/tasks/{waiting['id']}/artifacts/collect")
    assert (409, "runner_away") == (status, problem["code"])
