"""Limits from the command line to a real bot's end: set, exceeded, changed in mid-run (core.md §4, S20, R30, R34)."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.checked import unseal
from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually

EATS = "held = []\nwhile True: held.append(bytearray(b'x') * (1 << 20))\n"
SILENT = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"
SPINS = "while True: pass\n"
FILLS = """
import time
for number in range(400):
    open(f'{number}.bin', 'wb').write(b'x' * (1 << 20))
    time.sleep(0.01)
time.sleep(600)
"""
BOMB = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
for _ in range(80):
    try:
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
    except BlockingIOError:
        time.sleep(0.05)
time.sleep(600)
"""
TALKS = """
import os, time, urllib.parse, urllib.request
print("up", flush=True)
headers = {"Authorization": "Bearer " + os.environ["BOTYARD_API_TOKEN"]}
for number in range(20):
    data = urllib.parse.urlencode({"text": f"{number} of 20"}).encode()
    url = os.environ["BOTYARD_API_URL"] + "/progress"
    urllib.request.urlopen(urllib.request.Request(url, data, headers)).close()
    time.sleep(0.3)
time.sleep(600)
"""
MANY = """
import subprocess, time
kept = [subprocess.Popen(["sleep", "60"]) for _ in range(40)]
time.sleep(600)
"""
"""Where the kernel refuses the 20th, it fails by itself before anybody looks."""
QUICK = ("--ladder", "0s,1s,1s")


async def ended(rig: Rig, name: str) -> Any:
    """Ask for a task and wait for its end."""
    task = await rig.send("POST", "/api/v1/tasks", {"automation": name})
    return await rig.finished(task["id"], within=60)


async def test_each_limit_ends_a_bot_and_says_so(tmp_path: Path) -> None:
    """`automation edit --memory …`: the outcome names the limit, what was allowed and seen; the runner lives on."""
    async with Rig(tmp_path) as rig:
        runner = await rig.add_runner("desk-1")
        for name, code, options, reasons, text in (
            ("eats", EATS, ("--memory", "64M"), {"oom_killed", "limit"}, "64.0 MiB"),
            ("many", MANY, ("--processes", "20"), {"limit"}, "20 are allowed"),
            ("bomb", BOMB, ("--processes", "20"), {"limit"}, "20 are allowed"),
            ("spins", SPINS, ("--cpu-time", "1s"), {"limit"}, "1 s are allowed"),
            ("fills", FILLS, ("--disk", "8M"), {"limit"}, "8.0 MiB are allowed"),
        ):
            # given
            await rig.deploy(name, {"main.py": code})
            await rig.botyard("automation", "edit", name, *options, *QUICK)
            # when
            task = await ended(rig, name)
            # then
            assert (task["outcome"], task["reason"] in reasons) == ("failed", True), task
            assert text in task["message"]
            assert bots_alive(task["execution"]) == []
        assert runner.alive
        assert (await rig.get("/api/v1/runners/desk-1"))["platform"]["limits"] in {"cgroup2", "cgroup1", "rlimit"}
        shown = await rig.botyard("automation", "show", "eats")
        assert "memory 64.0 MiB" in shown.text


async def test_clocks_end_a_bot(tmp_path: Path) -> None:
    """Run limit and silence are `timed_out`, told apart by the reason (core.md §4)."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("silent", {"main.py": SILENT})
        await rig.botyard("automation", "edit", "silent", "--no-progress", "1s", *QUICK)
        task = await ended(rig, "silent")
        assert (task["outcome"], task["reason"]) == ("timed_out", "no_progress")
        await rig.botyard("automation", "edit", "silent", "--no-progress", "none", "--run-limit", "1s")
        task = await ended(rig, "silent")
        assert (task["outcome"], task["reason"]) == ("timed_out", None)


async def test_a_bot_that_says_how_far_it_is_gets_on(tmp_path: Path) -> None:
    """Calls of `BOTYARD_API_URL` are progress; also under a limit that was set while it ran."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("talks", {"main.py": TALKS})
        await rig.botyard("automation", "edit", "talks", "--no-progress", "30s", *QUICK)
        task = await rig.send("POST", "/api/v1/tasks", {"automation": "talks"})
        await rig.printed(task["id"], b"up")
        await rig.botyard("task", "limit", str(task["number"]), "--no-progress", "2s")
        found = await rig.finished(task["id"])
        assert (found["outcome"], found["reason"]) == ("timed_out", "no_progress")
        assert found["message"] == "timed out: no progress for 2s"
        # It had said so often, and was stopped only when it fell silent.
        assert found["progress"]["text"] == "19 of 20"


async def test_an_operator_changes_a_running_bots_limits(tmp_path: Path) -> None:
    """`botyard task limit`: at once; also where the runner was not linked; shown, evented; refused after the end."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("silent", {"main.py": SILENT})
        await rig.botyard("automation", "edit", "silent", "--run-limit", "40s", *QUICK)
        task = await rig.send("POST", "/api/v1/tasks", {"automation": "silent"})
        await rig.printed(task["id"], b"up")
        number = str(task["number"])

        # given more time and less memory, that is what counts
        answer = await rig.botyard("task", "limit", number, "--run-limit", "2h", "--memory", "1G")
        assert "run 2h, memory 1.0 GiB" in answer.text
        assert "run 2h, memory 1.0 GiB" in (await rig.botyard("task", "show", number)).text

        # when its daemon is killed, and the limit is tightened while nobody is there to hear it
        await rig.runners["desk-1"].kill()
        await rig.botyard("task", "limit", number, "--run-limit", "none", "--no-progress", "3s")
        await rig.start_runner("desk-1")

        # then the resume says it again, and the shim keeps it
        found = await rig.finished(task["id"], within=60)
        assert (found["outcome"], found["reason"]) == ("timed_out", "no_progress")
        events = (await rig.get(f"/api/v1/events?task={task['id']}"))["items"]
        changed = [event["data"]["to"] for event in events if event["kind"] == "task.limits_changed"]
        assert [set(one) for one in changed] == [{"run_limit_s", "memory_bytes"}, {"run_limit_s", "no_progress_s"}]
        refused = await rig.botyard("task", "limit", number, "--memory", "1G", code=None)
        assert refused.code != 0
        assert "has finished (timed_out)" in refused.err.decode()


async def test_a_new_daemon_sets_limits_again(tmp_path: Path) -> None:
    """A unit that ends takes the limits of its groups with it; the daemon that adopts writes them again (§4)."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("silent", {"main.py": SILENT})
        await rig.botyard("automation", "edit", "silent", "--processes", "40", *QUICK)
        task = await rig.send("POST", "/api/v1/tasks", {"automation": "silent"})
        await rig.printed(task["id"], b"up")
        execution = (await rig.task(task["id"]))["execution"]
        order = json.loads(unseal((rig.home("desk-1") / "executions" / execution / "order.json").read_bytes()))
        if "pids" not in order["kept"]:
            pytest.skip("no control group may be limited here")
        limit = Path(order["groups"]["pids"]) / "pids.max"
        assert limit.read_text() == "40\n"
        await rig.runners["desk-1"].kill()
        limit.write_text("max")
        await rig.start_runner("desk-1")
        await eventually(lambda: limit.read_text() == "40\n", saying="the limit is written again")
        await rig.botyard("task", "kill", str(task["number"]))
        await rig.finished(task["id"])
        await eventually(lambda: not limit.parent.exists(), saying="the group is removed")


async def test_a_bad_limit_is_one_sentence(tmp_path: Path) -> None:
    """Named with its option or field, non-zero, nothing changed."""
    async with Rig(tmp_path) as rig:
        await rig.deploy("quiet", {"main.py": SILENT})
        before = await rig.get("/api/v1/automations/quiet")
        for options, sentence in (
            (("--memory", "much"), "--memory: 'much' is no size: say 512M, 2G, 64MiB, a number of bytes, or none"),
            (("--run-limit", "soon"), "'soon' is no duration"),
            (("--processes", "1.5"), "'1.5' is no whole number"),
            (("--ladder", "10s"), "'10s' is no ladder"),
            (("--processes", "0"), "limits.processes"),
        ):
            answer = await rig.botyard("automation", "edit", "quiet", *options, code=None)
            assert answer.code != 0
            assert sentence in " ".join(answer.err.decode().replace("│", " ").split()), answer.err.decode()
            assert "Traceback" not in answer.err.decode()
        assert await rig.get("/api/v1/automations/quiet") == before
