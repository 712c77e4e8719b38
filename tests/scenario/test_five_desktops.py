"""Five browsers at once, each on a virtual desktop of its own, of one runner and one hub (issue 6)."""

import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from agent.process import memory_share_of
from tests.scenario.test_web_bot import NAMES
from tests.support.desktops import need_programs, nothing_left, processes_of, records_of
from tests.support.rig import Rig
from tests.support.waiting import eventually

FIVE = 5
WEB = """
import json, os, re, subprocess, sys, time, urllib.request
number, meeting, browser = (os.environ["BOTYARD_PARAM_" + name] for name in ("NUMBER", "MEETING", "BROWSER"))
driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
while not (found := re.search(r"successfully on port (\\d+)", driver.stdout.readline())):
    pass

def call(method, path, body=None):
    url = f"http://127.0.0.1:{found[1]}{path}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=120) as answer:
        return json.load(answer)["value"]

args = ["--no-sandbox", "--no-first-run", "--disable-dev-shm-usage", "--disable-gpu", "--start-maximized"]
wish = {"browserName": "chrome", "goog:chromeOptions": {"binary": browser, "args": args}}
session = "/session/" + call("POST", "/session", {"capabilities": {"alwaysMatch": wish}})["sessionId"]
call("POST", session + "/url", {"url": f"data:text/html,<title>bot {number}</title><body bgcolor=teal>"})
open(f"{meeting}/{number}", "w").close()
while not os.path.exists(f"{meeting}/go"):
    time.sleep(0.1)
size = call("POST", session + "/execute/sync", {"script": "return [screen.width, screen.height]", "args": []})
print(call("GET", session + "/title"), *size, os.environ["DISPLAY"], os.path.basename(os.environ["XAUTHORITY"]))
call("DELETE", session)
driver.terminate()
"""


@pytest.mark.browser
async def test_five_web_bots_run_side_by_side_on_five_desktops_of_one_runner() -> None:
    """Each needs a desktop of this size, gets one alone, and finds its window, not headless, there."""
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None or shutil.which("chromedriver") is None:
        pytest.skip("no Chromium with its driver on this machine")
    need_programs("Xvnc", "openbox")
    # As in `test_web_bot`: a home as people have them, not one as long as pytest's folders.
    with tempfile.TemporaryDirectory(prefix="botyard-five-") as folder:
        async with Rig(Path(folder)) as rig, desk(rig) as home:
            meeting = Path(folder, "meeting")
            meeting.mkdir()
            began = time.monotonic()
            tasks = [await ordered(rig, number, meeting, browser) for number in range(FIVE)]
            await eventually(lambda: len(list(meeting.iterdir())) == FIVE, within=120, saying="not five browsers")
            print(f"five browsers after {time.monotonic() - began:.1f} s; {_memory(home)}")
            (meeting / "go").touch()
            rows = [await row_of(rig, task) for task in tasks]
            displays = [record.display for record in records_of(home)]
            assert [row[:2] for row in rows] == [["bot", str(number)] for number in range(FIVE)]
            assert [row[2:4] for row in rows] == FIVE * [["1280", "800"]]
            assert sorted(row[4] for row in rows) == sorted(displays)
            assert sorted(row[5] for row in rows) == [f"{slot}.auth" for slot in range(FIVE)]


@asynccontextmanager
async def desk(rig: Rig) -> AsyncIterator[Path]:
    """A runner with five virtual desktops and the bot; its home. At the end nothing of them is left."""
    home = rig.home("desk")
    await rig.add_runner("desk", "--slots", str(FIVE), start=False)
    (home / "agent.toml").write_text('desktops = "virtual"\ndesktop_size = "1280x800"\n')
    with nothing_left(home):
        await rig.start_runner("desk")
        await rig.deploy("web", {"bot.py": WEB})
        await rig.botyard("automation", "edit", "web", "--desktop", "required", "--desktop-size", "1280x800")
        yield home
        await rig.run(sys.executable, "-m", "agent", "stop", "--now", "--home", str(home))
        await eventually(lambda: not rig.runners["desk"].alive, within=60, saying="the daemon did not end")
        assert processes_of(home) == []


async def ordered(rig: Rig, number: int, meeting: Path, browser: str) -> str:
    """A task for the bot; its id."""
    said = {"number": str(number), "meeting": str(meeting), "browser": browser}
    task = await rig.send("POST", "/api/v1/tasks", {"automation": "web", "parameters": said})
    return str(task["id"])


async def row_of(rig: Rig, task: str) -> list[str]:
    """What the bot of a task printed last; it must have succeeded."""
    done, text = await rig.finished(task), (await rig.output(task)).decode()
    assert done["outcome"] == "succeeded", text
    return text.splitlines()[-1].split()


def _memory(home: Path) -> str:
    """What desktops and bots take now, shared pages counted once."""
    desktops = {process.pid for process in processes_of(home)}
    bots = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if "BOTYARD_EXECUTION_ID" in process.environ():
                bots.add(process.pid)
    shares = {name: sum(memory_share_of(pid) or 0 for pid in pids) for name, pids in (("X", desktops), ("bots", bots))}
    return f"MiB: {', '.join(f'{name} {size >> 20}' for name, size in shares.items())}"
