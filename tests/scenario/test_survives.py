"""What dies is our own programs, never the bot, its output or its true end (`core.md` §2, §3, §6)."""

import asyncio
import hashlib
import signal
from pathlib import Path

from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

# Prints numbered lines until it is told that it is enough, and keeps a diary of exactly what it printed, so that the
# hub's copy is compared to the byte.
PRINTER = """
import json, os, pathlib, sys, time
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder = pathlib.Path(parameters["folder"])
diary = (folder / "diary").open("wb")
number = 0
while not (folder / "enough").exists():
    line = b"line %d of the diary\\n" % number
    os.write(1, line)
    diary.write(line)
    diary.flush()
    number += 1
    time.sleep(0.002)
sys.exit(int(parameters.get("code", 0)))
"""

REPORTER = """
import os, pathlib, sys, time
from botcity.maestro import AutomationTaskFinishStatus, BotMaestroSDK
maestro = BotMaestroSDK.from_sys_args()
execution = maestro.get_execution()
folder = pathlib.Path(execution.parameters["folder"])
print("waiting to report", flush=True)
while not (folder / "go").exists():
    time.sleep(0.02)
begin = time.monotonic()
maestro.finish_task(
    task_id=execution.task_id, status=AutomationTaskFinishStatus.SUCCESS, message="done",
    total_items=3, processed_items=3, failed_items=0,
)
took = time.monotonic() - begin
state = maestro.get_task(execution.task_id).state
(folder / "answer").write_text(f"{took:.3f} {state}")
print("reported", flush=True)
"""
BOTCITY_REQUIREMENTS = "botcity-maestro-sdk==0.9.1\n"


async def test_the_hub_is_killed_while_a_bot_prints(tmp_path: Path) -> None:
    """G1, R1: the bot lives, the output is whole to the byte, the outcome is true; three kills in one run."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("printer", {"main.py": PRINTER})
        task_id = await rig.submit("printer", folder=str(tmp_path))
        for lines in (200, 900, 1500):
            await rig.printed(task_id, b"line %d " % lines)
            (bot, *_) = bots_alive((await rig.task(task_id))["execution"])
            await rig.hub.kill()
            assert bot.is_running()
            await rig.start_hub()
        (tmp_path / "enough").touch()
        finished = await rig.finished(task_id, within=60)
        written = (tmp_path / "diary").read_bytes()
        assert (finished["outcome"], finished["exit_code"]) == ("succeeded", 0)
        assert finished["output"]["complete"] is True
        assert finished["output"]["sha256"] == hashlib.sha256(written).hexdigest()
        assert written == await rig.output(task_id)


async def test_the_daemon_is_killed_while_a_bot_prints(tmp_path: Path) -> None:
    """R21: the bot lives under its shim, the next daemon adopts it, and 7 arrives as 7."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("printer", {"main.py": PRINTER})
        task_id = await rig.submit("printer", folder=str(tmp_path), code="7")
        for lines in (200, 1000):
            await rig.printed(task_id, b"line %d " % lines)
            await rig.runners["desk-1"].kill()
            assert bots_alive((await rig.task(task_id))["execution"])
            await rig.start_runner("desk-1")
        (tmp_path / "enough").touch()
        finished = await rig.finished(task_id, within=60)
        assert (finished["outcome"], finished["reason"], finished["exit_code"]) == ("failed", "exit_code", 7)
        assert (tmp_path / "diary").read_bytes() == await rig.output(task_id)
        assert finished["output"]["complete"] is True


async def test_a_bot_that_ends_while_no_daemon_runs_ends_truly(tmp_path: Path) -> None:
    """core.md §2: a shim with an order outlives the daemon; its exit file is found by the next one."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("printer", {"main.py": PRINTER})
        task_id = await rig.submit("printer", folder=str(tmp_path), code="7")
        await rig.printed(task_id, b"line 10 ")
        execution = (await rig.task(task_id))["execution"]
        await rig.runners["desk-1"].kill()
        (tmp_path / "enough").touch()
        await eventually(lambda: not bots_alive(execution), within=20)
        await rig.start_runner("desk-1")
        finished = await rig.finished(task_id)
        assert (finished["outcome"], finished["exit_code"]) == ("failed", 7)
        assert (tmp_path / "diary").read_bytes() == await rig.output(task_id)


async def test_finish_task_without_a_daemon_succeeds_when_it_is_back(tmp_path: Path) -> None:
    """core.md §6: "calls during a daemon's restart wait in the backlog, the new daemon takes the socket back"."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("reporter", {"bot.py": REPORTER, "requirements.txt": BOTCITY_REQUIREMENTS})
        task_id = await rig.submit("reporter", folder=str(tmp_path))
        await rig.printed(task_id, b"waiting to report")
        await rig.runners["desk-1"].kill()
        (tmp_path / "go").touch()
        await asyncio.sleep(1)  # the call is in the backlog now; nothing tells us so from outside
        assert not (tmp_path / "answer").exists()
        await rig.start_runner("desk-1")
        finished = await rig.finished(task_id)
        assert (tmp_path / "answer").exists(), await rig.output(task_id)
        assert (tmp_path / "answer").read_text().endswith("FINISHED")
        assert (finished["outcome"], finished["totals"]) == ("succeeded", {"total": 3, "processed": 3, "failed": 0})


async def test_finish_task_without_a_hub_is_answered_at_once_and_settles_once(tmp_path: Path) -> None:
    """core.md §6: `finish_task` is a fact, answered at once, and delivered once when the hub is back, R6.

    Its days are the simulator's; here it is longer than the runner's first attempts.
    """
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("reporter", {"bot.py": REPORTER, "requirements.txt": BOTCITY_REQUIREMENTS})
        task_id = await rig.submit("reporter", folder=str(tmp_path))
        await rig.printed(task_id, b"waiting to report")
        execution = (await rig.task(task_id))["execution"]
        await rig.hub.kill()
        answer = tmp_path / "answer"
        (tmp_path / "go").touch()
        # No hub is there: an answer that waited for one would not come.
        await eventually(lambda: answer.exists() and answer.read_text().endswith("FINISHED"), within=60)
        await eventually(lambda: not bots_alive(execution), within=20)
        await asyncio.sleep(3)  # longer than the runner's first attempts
        await rig.start_hub()
        finished = await rig.finished(task_id)
        assert (finished["outcome"], finished["message"]) == ("succeeded", "done")
        assert finished["output"]["complete"] is True
        events = (await rig.get("/api/v1/events?limit=500"))["items"]
        settled = [e for e in events if e.get("task_id") == task_id and e["kind"] == "task.settled"]
        assert len(settled) == 1


HOSTILE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.environ.pop("BOTYARD_EXECUTION_ID", None)
            while True:
                time.sleep(1)
        os._exit(0)
os.write(1, b"try to stop me\\n")
while True:
    time.sleep(1)
"""


async def test_a_bot_that_will_not_die_is_cancelled(tmp_path: Path) -> None:
    """R32, R33, R70: it ignores TERM, forks twice, leaves its session and holds the pipe: 0 survivors by /proc."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("hostile", {"main.py": HOSTILE})
        task_id = await rig.submit("hostile")
        await rig.printed(task_id, b"try to stop me")
        execution = (await rig.task(task_id))["execution"]
        pids = [process.pid for process in bots_alive(execution)]
        assert len(pids) >= 2
        await rig.botyard("task", "cancel", task_id)
        finished = await rig.finished(task_id, within=60)
        assert (finished["outcome"], finished["state"]) == ("canceled", "finished")
        assert not bots_alive(execution)
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def test_sigterm_leaves_the_bot_and_the_next_daemon_takes_it_on(tmp_path: Path) -> None:
    """design.md §5: "SIGTERM: no new work, bots stay under their shims, exit within 10 s"."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("printer", {"main.py": PRINTER})
        task_id = await rig.submit("printer", folder=str(tmp_path))
        await rig.printed(task_id, b"line 50 ")
        assert await rig.runners["desk-1"].end(signal.SIGTERM) == 0
        assert bots_alive((await rig.task(task_id))["execution"])
        await rig.start_runner("desk-1")
        (tmp_path / "enough").touch()
        finished = await rig.finished(task_id, within=30)
        assert finished["outcome"] == "succeeded"
        assert (tmp_path / "diary").read_bytes() == await rig.output(task_id)
