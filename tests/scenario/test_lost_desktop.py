"""The desktop is lost under a bot: the timelines of it, and of the task that waits for that desktop, say so."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.desktops.records import Record
from tests.support.desktops import need_programs, nothing_left, records_of
from tests.support.rig import Rig
from tests.support.waiting import eventually

STAYS = """
import os, sys, time
print("here", flush=True)
while not os.path.exists(os.environ["BOTYARD_PARAM_FILE"]):
    time.sleep(0.05)
sys.exit(3)
"""
FEELS = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect("/tmp/.X11-unix/X" + os.environ["DISPLAY"][1:])
print("here", flush=True)
server.recv(1)
sys.exit(4)
"""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A runner with two slots and one virtual desktop."""
    need_programs("Xvfb", "openbox")
    async with Rig(tmp_path) as made:
        await made.add_runner("desk", "--slots", "2", start=False)
        home = made.home("desk")
        settings = 'desktops = "virtual"\ndesktop_count = 1\ndesktop_server = "xvfb"\ndesktop_size = "1024x768"\n'
        (home / "agent.toml").write_text(settings)
        with nothing_left(home):
            await made.start_runner("desk")
            for name, text in (("stays", STAYS), ("feels", FEELS)):
                await made.deploy(name, {"bot.py": text})
                await made.botyard("automation", "edit", name, "--desktop", "required")
            yield made
            await made.end_runner("desk")


async def lost(rig: Rig) -> Record:
    """The X server, which has been killed."""
    (record,) = records_of(rig.home("desk"))
    os.kill(record.pid, signal.SIGKILL)
    return record


async def unfit(rig: Rig, task: str) -> Any:
    """The step of its timeline."""
    steps = (await rig.get(f"/api/v1/tasks/{task}/timeline"))["items"]
    return next((one for one in steps if one["step"] == "unfit"), None)


async def test_a_lost_desktop_is_told_with_the_bot_that_had_it_and_with_the_one_that_waited(
    rig: Rig, tmp_path: Path
) -> None:
    """Issue 6, points 7 and 9. The second task waits for the desktop while the other slot is free."""
    first = await rig.submit("stays", file=str(tmp_path / "end"))
    await rig.printed(first, b"here")
    record = await lost(rig)
    step = await eventually(lambda: unfit(rig, first), within=20)
    lost_as = f"the desktop of slot 0 was lost while it ran: its X server {record.display} has ended"
    assert step["text"] == lost_as
    second = await rig.submit("feels")
    (reason,) = (await rig.get(f"/api/v1/tasks/{second}/why"))["reasons"]
    assert (reason["code"], reason["fault"]) == ("unfit", "gone")

    (tmp_path / "end").touch()
    assert (await rig.finished(first))["exit_code"] == 3
    shown = (await rig.botyard("task", "show", first)).text
    assert shown.index("started") < shown.index(lost_as) < shown.rindex("exit code 3")
    await rig.printed(second, b"here")
    waited = (
        f"waited      for desk to be fit: its desktop of slot 0 is not reached: its X server {record.display} has ended"
    )
    assert waited in (await rig.botyard("task", "show", second)).text

    # This one ends with its X server, before the runner has looked.
    await lost(rig)
    assert (await rig.finished(second))["exit_code"] == 4
    step = await eventually(lambda: unfit(rig, second), within=20)
    assert "the desktop of slot 0 " in step["text"]
