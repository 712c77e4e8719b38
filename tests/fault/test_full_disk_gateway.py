"""A bot that speaks while its runner's disk is full: what has no room goes to the hub, or is refused (R27).

The bot has the vendor's own SDK; hub, runner and disk are real.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig, bots_alive
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REPORTS = 50
"""Of 32 KiB each: more than the room that the spool keeps for them."""
COMMAND = 'command = ["{path}/bot.py", "{maestro_server}", "{maestro_taskid}", "{maestro_token}", "acme"]\n'
BOT = f"""#!{sys.executable}
import json, os, pathlib, time, urllib.error, urllib.request
from botcity.maestro import AutomationTaskFinishStatus, BotMaestroSDK
maestro = BotMaestroSDK.from_sys_args()
execution = maestro.get_execution()
folder = pathlib.Path(execution.parameters["folder"])
def wait(name):
    while not (folder / name).exists(): time.sleep(0.02)
def row(number):
    body = json.dumps(dict(log="log", columns=dict(number=number, filler="x" * 20000))).encode()
    request = urllib.request.Request(os.environ["BOTYARD_API_URL"] + "/log", body, method="POST",
        headers={{"Authorization": "Bearer " + os.environ["BOTYARD_API_TOKEN"]}})
    try:
        return urllib.request.urlopen(request, timeout=20).status, ""
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["detail"]
print("up", flush=True)
wait("speak")
answers = []
while not answers or answers[-1][0] == 202:
    answers.append(row(len(answers)))
(folder / "rows").write_text(json.dumps(answers))
for number in range({REPORTS}):
    status = AutomationTaskFinishStatus.FAILED if number % 2 else AutomationTaskFinishStatus.SUCCESS
    maestro.finish_task(execution.task_id, status, f"report {{number}} " + "x" * 32000)
(folder / "spoken").write_text(maestro.get_task(execution.task_id).finish_message.partition(" x")[0])
wait("never")
"""


async def test_what_a_bot_says_on_a_full_disk_is_kept_by_the_hub_or_refused(tmp_path: Path) -> None:
    """core.md §3, R27, R70: a finish without room goes to the hub, rows hear 507, and a cancel goes through at once."""
    (tmp_path / "homes").mkdir()
    with small_disk(tmp_path / "small", "96m") as disk:
        (tmp_path / "homes" / "desk-1").symlink_to(disk)
        async with Rig(tmp_path) as rig:
            await rig.add_runner("desk-1")
            await rig.deploy("speaker", {"bot.py": BOT, "botyard.toml": COMMAND})
            task_id = await rig.submit("speaker", folder=str(tmp_path))
            await rig.printed(task_id, b"up")
            execution = (await rig.task(task_id))["execution"]
            fill(disk)
            (tmp_path / "speak").touch()
            # rows are kept until there is no room, and then refused
            await eventually((tmp_path / "rows").exists, within=30)
            *kept, refused = json.loads((tmp_path / "rows").read_text())
            assert {status for status, _ in kept} <= {202}
            assert refused == [507, "The runner's disk has no room for this"]
            # reports are all taken: by the spool as long as it has room, then by the hub
            await eventually((tmp_path / "spoken").exists, within=60)
            assert (tmp_path / "spoken").read_text() == f"report {REPORTS - 1}"
            reports = await _reports(rig, task_id)
            by_hub = [one for one in reports if one["actor"].startswith("bot:")]
            assert 0 < len(by_hub) < REPORTS, by_hub
            # a stop finds room, whatever the bot has said, and so does the end
            await rig.botyard("task", "cancel", task_id)
            task = await rig.finished(task_id, within=60)
            assert not bots_alive(execution)
            # what the bot said last counts, though the hub had it before what was said before it
            assert (task["outcome"], task["message"].partition(" x")[0]) == ("failed", f"report {REPORTS - 1}"), task
            assert len(await _reports(rig, task_id)) == REPORTS
            rows = await rig.get(f"/api/v1/tasks/{task_id}/log?limit=200")
            assert [one["columns"]["number"] for one in rows["items"]] == list(range(len(kept)))


async def _reports(rig: Rig, task_id: str) -> list[Any]:
    page = await rig.get(f"/api/v1/events?task={task_id}&limit=200")
    return [one for one in page["items"] if one["kind"] == "task.reported"]
