"""A web bot on a virtual desktop, seen from outside: a picture on demand, the picture of its failure, its recording."""

import tempfile
from pathlib import Path

import pytest

from agent.desktops.port import Frame
from tests.support.desktops import need_programs
from tests.support.pictures import read_pictures, read_png
from tests.support.rig import Rig
from tests.support.waiting import eventually

RED = b"\0\0\xff\0"
BOT = """\
import os, shutil, subprocess, sys, tempfile, time
page = os.path.abspath("page.html")
open(page, "w").write("<body style='margin:0; background:#f00'><title>all red</title>")
browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
profile = tempfile.mkdtemp()
command = [browser, "--no-sandbox", "--no-first-run", "--disable-gpu", "--window-size=640,480", "--window-position=0,0"]
process = subprocess.Popen([*command, f"--user-data-dir={profile}", f"--app=file://{page}"])
print("opened", flush=True)
while not os.path.exists(os.environ["BOTYARD_PARAMETERS"] + ".never"):
    time.sleep(0.1)
"""


def is_red(frame: Frame) -> bool:
    """Whether most of the browser's window is of the page's colour."""
    place = (300 * frame.width + 320) * 4
    return frame.pixels[place : place + 4] == RED


@pytest.mark.browser
async def test_a_killed_web_bot_leaves_a_picture_and_a_recording() -> None:
    """Killed by a person, through a daemon that was killed itself meanwhile."""
    need_programs("Xvfb", "chromium")
    # pytest's own folders are too long for what a browser puts into them.
    with tempfile.TemporaryDirectory(prefix="botyard-screens-") as folder:
        await _see_it(Path(folder))


async def _see_it(folder: Path) -> None:
    async with Rig(folder) as rig:
        rig.env |= {"BOTYARD_AGENT_DESKTOPS": "virtual", "BOTYARD_AGENT_DESKTOP_SERVER": "xvfb"}
        rig.env |= {"BOTYARD_AGENT_DESKTOP_SIZE": "1280x720"}
        await rig.add_runner("desk", "--slots", "1")
        await rig.deploy("red", {"bot.py": BOT})
        await rig.botyard("automation", "edit", "red", "--desktop", "required", "--record")
        task = await rig.submit("red")

        async def sees_red() -> bool:
            answer = await rig.botyard("runner", "screenshot", "desk", "-o", "-", code=None)
            assert answer.code == 0, answer.err.decode()
            return is_red(read_png(answer.out))

        await eventually(sees_red, within=90)
        # The next daemon goes on with what it finds.
        await rig.runners["desk"].kill()
        await rig.start_runner("desk")
        await rig.botyard("task", "kill", task)
        assert (await rig.finished(task))["reason"] == "killed"
        items = {one["name"]: one["id"] for one in (await rig.get(f"/api/v1/tasks/{task}/artifacts"))["items"]}
        assert items.keys() == {"failure-screenshot.png", "recording.png"}
        failed = await rig.get(f"/api/v1/artifacts/{items['failure-screenshot.png']}/file")
        assert is_red(read_png(failed))
        shown = read_pictures(await rig.get(f"/api/v1/artifacts/{items['recording.png']}/file"))
        assert not is_red(shown[0].frame)
        assert any(is_red(one.frame) for one in shown)
        viewed = await rig.get("/api/v1/events?type=runner.screen_viewed")
        assert viewed["items"]
