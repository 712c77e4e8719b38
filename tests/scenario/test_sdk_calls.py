"""A bot's calls while the hub is killed and started again, and while answers of it are lost (core.md §6).

The bot has the vendor's own SDK, and our small API for what that does not serve here. Each thing that it asks for it
asks for once; then what the hub has is counted.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.losing_proxy import LosingProxy
from tests.support.rig import Rig
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COMMAND = 'command = ["{path}/bot.py", "{maestro_server}", "{maestro_taskid}", "{maestro_token}", "acme"]\n'
BOT = f"""#!{sys.executable}
import datetime, json, os, pathlib, time, urllib.request
from botcity.maestro import AutomationTaskFinishStatus, BotMaestroSDK
SUCCESS = AutomationTaskFinishStatus.SUCCESS
later = datetime.datetime.now() + datetime.timedelta(days=1)
maestro = BotMaestroSDK.from_sys_args()
execution = maestro.get_execution()
folder = pathlib.Path(execution.parameters["folder"])
calls = (folder / "calls").open("w", buffering=1)

def own(method, path, body):
    request = urllib.request.Request(os.environ["BOTYARD_API_URL"] + path, body, method=method,
        headers={{"Authorization": "Bearer " + os.environ["BOTYARD_API_TOKEN"]}})
    return urllib.request.urlopen(request, timeout=30).status

def call(name, run):
    began = time.monotonic()
    answer = run()
    calls.write(json.dumps([name, number, answer, time.monotonic() - began]) + "\\n")
    return answer

number = 0
while not (folder / "enough").exists():
    row = json.dumps(dict(log="calls", columns=dict(number=number))).encode()
    task = call("create", lambda: maestro.create_task("later", dict(number=number), min_execution_date=later).id)
    call("get", lambda: maestro.get_task(task).parameters["number"])
    call("row", lambda: own("POST", "/log", row))
    call("file", lambda: own("PUT", f"/artifacts/{{number}}.txt", b"file %d" % number))
    call("interrupt", lambda: maestro.interrupt_task(task) and None)
    call("finish other", lambda: maestro.finish_task(task, SUCCESS, f"by {{number}}") and None)
    number += 1
maestro.finish_task(execution.task_id, SUCCESS, f"{{number}} rounds", number, number, 0)
"""


async def test_calls_wait_for_the_hub_and_each_takes_effect_once(tmp_path: Path) -> None:
    """core.md §6, R1: two kills of the hub, and each call's first answer lost: all succeed, nothing happens twice."""
    async with Rig(tmp_path) as rig:
        proxy = LosingProxy(target=rig.port)
        await proxy.start()
        try:
            # given a bot that calls and calls
            await rig.add_runner("desk-1", url=f"http://127.0.0.1:{proxy.port}")
            await rig.deploy("later", {"never.sh": "#!/bin/sh\n"})
            await rig.deploy("caller", {"bot.py": BOT, "botyard.toml": COMMAND})
            task_id = await rig.submit("caller", folder=str(tmp_path))
            await _goes_on(tmp_path)
            # when answers are lost, and the hub is killed twice, once while they are
            proxy.is_losing = True
            await _goes_on(tmp_path, calls=7)
            await rig.hub.kill()
            await rig.start_hub()
            await _goes_on(tmp_path)
            proxy.is_losing = False
            await rig.hub.kill()
            await rig.start_hub()
            await _goes_on(tmp_path)
            (tmp_path / "enough").touch()
            finished = await rig.finished(task_id, within=60)
        finally:
            await proxy.close()
        # then no call failed: none of them took longer than the SDK waits
        calls = _calls(tmp_path)
        rounds = 1 + max(number for _, number, _, _ in calls)
        assert finished["outcome"] == "succeeded", (await rig.output(task_id)).decode()
        assert (finished["message"], finished["totals"]["total"]) == (f"{rounds} rounds", rounds)
        assert {line.split()[0] for line in proxy.lost} >= {b"POST", b"GET"}, proxy.lost
        await _the_hub_has_each_once(rig, task_id, calls, rounds)


async def _the_hub_has_each_once(rig: Rig, task_id: str, calls: list[Any], rounds: int) -> None:
    made = {number: task for name, number, task, _ in calls if name == "create"}
    assert all(answer == number for name, number, answer, _ in calls if name == "get")
    shown = (await rig.get("/api/v1/tasks?automation=later&limit=200"))["items"]
    assert sorted(one["number"] for one in shown) == sorted(made.values())
    for one in shown:
        told = await rig.get(f"/api/v1/events?task={one['id']}&limit=200")
        kinds = Counter(event["kind"] for event in told["items"])
        assert set(kinds.values()) == {1}, kinds
        assert {"task.created", "task.interrupt_requested", "task.settled"} <= kinds.keys(), kinds
        assert made[int(one["message"].removeprefix("by "))] == one["number"]
    rows = (await rig.get(f"/api/v1/tasks/{task_id}/log?limit=200"))["items"]
    assert [row["columns"]["number"] for row in rows] == list(range(rounds))
    files = (await rig.get(f"/api/v1/tasks/{task_id}/artifacts"))["items"]
    assert sorted(one["name"] for one in files) == sorted(f"{number}.txt" for number in range(rounds))
    own = await rig.get(f"/api/v1/events?task={task_id}&limit=200")
    kinds = Counter(event["kind"] for event in own["items"])
    assert (kinds["task.reported"], kinds["task.settled"]) == (1, 1), kinds


def _calls(folder: Path) -> list[Any]:
    lines = (folder / "calls").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


async def _goes_on(folder: Path, calls: int = 3) -> None:
    """Wait until so many more calls were answered."""
    path = folder / "calls"
    await eventually(path.exists, within=30)
    aim = len(_calls(folder)) + calls
    await eventually(lambda: len(_calls(folder)) >= aim, within=60, saying="the bot's calls stand still")
