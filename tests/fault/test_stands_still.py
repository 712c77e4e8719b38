"""A daemon or a hub that stands still for 20 s is not taken for gone, and takes none of its bots for lost (R7)."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.support.rig import Rig
from tests.support.waiting import eventually

STILL_S = 20.0
"""R7's own figure, below the 35 s of R42: not stretched with the unit of tests."""
PRINTER = """
import pathlib, sys, time, json, os
folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
number = 0
while not (folder / "enough").exists():
    print("line", number, flush=True)
    number += 1
    time.sleep(0.1)
sys.exit(7)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_who_stands_still_for_20_seconds_is_not_gone(tmp_path: Path) -> None:
    """R7: "event loop blocked 20 s (SIGSTOP): no false disconnect": here a daemon, there a hub, at once."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    async with Rig(tmp_path / "here") as here, Rig(tmp_path / "there") as there:
        (task, before), (other, before_there) = await asyncio.gather(_printing(here), _printing(there))
        stopped = (here.runners["desk-1"].pid, there.hub.pid)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(STILL_S)  # the time that passes is what this is about
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        # then each session is the same one, and the output goes on to a true end
        await asyncio.gather(_goes_on(here, task, before), _goes_on(there, other, before_there))


async def _printing(rig: Rig) -> tuple[str, str]:
    """A task whose bot prints, and when its runner's session was opened."""
    await rig.add_runner("desk-1")
    await rig.deploy("printer", {"main.py": PRINTER})
    task = await rig.submit("printer", folder=str(rig.folder))
    await rig.printed(task, b"line 5\n")
    return task, (await rig.get("/api/v1/runners"))["items"][0]["connected_at"]


async def _goes_on(rig: Rig, task: str, connected_at: str) -> None:
    known = len(await rig.output(task))
    await eventually(lambda: _grows(rig, task, known), within=30)
    after = (await rig.get("/api/v1/runners"))["items"][0]
    assert (after["connected"], after["connected_at"]) == (True, connected_at)
    (rig.folder / "enough").touch()
    ended = await rig.finished(task, within=60)
    assert (ended["outcome"], ended["exit_code"], ended["output"]["state"]) == ("failed", 7, "complete")
    numbers = [int(line.split()[1]) for line in (await rig.output(task)).splitlines()]
    assert numbers == list(range(len(numbers)))


async def _grows(rig: Rig, task: str, known: int) -> bool:
    return len(await rig.output(task)) > known
