"""`botyard deploy` and `botyard bot`: the way of a build, told as it goes."""

import asyncio
from pathlib import Path
from typing import Any

from tests.support.api_hub import RUNNER, ApiWorld
from tests.support.typed import Typed
from tests.support.waiting import eventually


async def test_a_name_that_cannot_be_a_label_is_refused_before_anything_is_kept(
    world: ApiWorld, typed: Typed, tmp_path: Path
) -> None:
    """A deploy is done whole or not at all."""
    (folder := tmp_path / "we ird").mkdir()
    (folder / "main.py").write_text("print(1)")
    before = (await typed("bot", "list", "--json")).out
    answer = await typed("deploy", str(folder))
    assert (2, True) == (answer.code, "name it with --bot" in answer.err)
    assert before == (await typed("bot", "list", "--json")).out
    assert 0 == (await typed("deploy", str(folder), "--no-automation", "--no-release")).code


async def test_deploy_shows_its_way_and_waits_for_a_prepared_runner(
    world: ApiWorld, typed: Typed, tmp_path: Path
) -> None:
    """Issue 2 part 10; design.md §1: `deploy` waits for ready, with release until one fit runner has prepared it."""
    folder = tmp_path / "greeter"
    folder.mkdir()
    (folder / "main.py").write_text("print('hello')\n")
    (folder / "VERSION").write_text("1.2.3\n")
    async with asyncio.TaskGroup() as group:
        deploying = group.create_task(typed("deploy", str(folder)))
        build = await eventually(lambda: _build(world, "greeter", "1.2.3"))
        prepared = {"runner_id": RUNNER, "build_id": build["id"], "state": "prepared", "progress": 1.0}
        await world.insert("preparations", updated_at=world.clock.now(), **prepared)
    answer = deploying.result()
    assert 0 == answer.code, answer.err
    assert f"greeter 1.2.3 {build['digest'][:12]}\n" == answer.out.decode()
    told = answer.err.splitlines()
    assert told[0].startswith("uploading greeter.zip")
    assert {"greeter 1.2.3: received", "greeter 1.2.3: ready", "greeter 1.2.3: released"} <= set(told)
    assert "greeter 1.2.3: prepared on 1 of 1 runners" in told
    assert "greeter" == (await world.get("/automations/greeter"))["bot"]
    again = await typed("deploy", str(folder))
    assert "greeter 1.2.3: known already" in again.err
    (folder / "main.py").write_text("print('other')\n")
    changed = await typed("deploy", str(folder))
    assert (1, True) == (changed.code, "A version never changes" in changed.err)


async def test_deploy_without_release_or_automation_leaves_both(world: ApiWorld, typed: Typed, tmp_path: Path) -> None:
    script = tmp_path / "hello.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    answer = await typed("deploy", str(script), "--no-release", "--no-automation", "--version", "9", "--json")
    build = answer.json()
    assert ("hello", "9", "ready", False, None) == tuple(
        build[name] for name in ("bot", "version", "state", "is_released", "automation")
    )
    assert b"hello 9 is released\n" == (await typed("bot", "release", "hello", "9")).out
    assert b"9        released" in (await typed("bot", "show", "hello")).out


async def _build(world: ApiWorld, bot: str, version: str) -> Any:
    status, body = await world.call("GET", f"/bots/{bot}/builds/{version}")
    return body if status == 200 and body["is_released"] else None
