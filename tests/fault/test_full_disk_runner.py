"""A runner whose disk is full: bots go on, what is missing is counted, no new work; what ends is told (R27, P4)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import Rig
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BOT = """
import json, os, pathlib, time
folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
print("up", flush=True)
while not (folder / "speak").exists(): time.sleep(0.02)
for _ in range(100): os.write(1, b"x" * 999 + b"\\n")
(folder / "spoken").touch()
while not (folder / "end").exists(): time.sleep(0.02)
print("done", flush=True)
"""


async def test_a_full_runner_keeps_its_bots_and_tells_their_end(tmp_path: Path) -> None:
    """R27, core.md §3: a full disk costs output, counted; the end fits into the spool's room; then all is well."""
    (tmp_path / "homes").mkdir()
    with small_disk(tmp_path / "small", "96m") as disk:
        (tmp_path / "homes" / "desk-1").symlink_to(disk)
        async with Rig(tmp_path) as rig:
            await rig.add_runner("desk-1", "--slots", "2")
            await rig.deploy("speaker", {"main.py": BOT})
            task_id = await rig.submit("speaker", folder=str(tmp_path))
            await rig.printed(task_id, b"up")
            filler = fill(disk)
            reason = await eventually(lambda: _unfit(rig), within=40)
            assert any("disk" in each for each in reason)
            waiting = await rig.submit("speaker", folder=str(tmp_path))
            (tmp_path / "speak").touch()
            await eventually((tmp_path / "spoken").exists, within=30)
            (tmp_path / "end").touch()
            # its end is told on the full disk
            task = await rig.finished(task_id, within=60)
            assert task["outcome"] == "succeeded", json.dumps(task)
            assert task["output"]["state"] == "incomplete", json.dumps(task["output"])
            assert (await rig.task(waiting))["state"] == "queued"
            # with room again the other one runs, and is whole
            filler.unlink()
            done = await rig.finished(waiting, within=90)
            assert (done["outcome"], done["output"]["state"]) == ("succeeded", "complete")


async def _unfit(rig: Rig) -> Any:
    page = await rig.get("/api/v1/runners")
    details = await rig.get(f"/api/v1/runners/{page['items'][0]['id']}")
    return details["unfit"]
