"""`botyard up` as a person has it: two programs, one command, nothing left behind (design.md §5)."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.support.free_ports import free_port
from tests.support.rig import Rig, bots_alive
from tests.support.waiting import eventually, seconds


@asynccontextmanager
async def up(rig: Rig) -> AsyncIterator[asyncio.subprocess.Process]:
    """`botyard up`, ready."""
    del rig.env["BOTYARD_URL"]
    where = ["--data", str(rig.folder / "up"), "--port", str(rig.port)]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub.cli", "up", *where), stdout=pipe, stderr=pipe, env=rig.env
    )
    assert child.stderr is not None
    try:
        async with asyncio.timeout(seconds(90)):
            while not (await child.stderr.readline()).startswith(b"deploy a bot"):
                assert child.returncode is None
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            await child.communicate()


def ours(rig: Rig) -> list[psutil.Process]:
    """Processes that work in the folder of this `up`, itself left out."""
    folder = str(rig.folder / "up")
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(folder in word for word in words) and "up" not in words:
            found.append(process)
    return found


async def test_ctrl_c_ends_the_bots_too_and_the_hub_hears_how(tmp_path: Path) -> None:
    """design.md §5: `up` and `demo` end their bots on Ctrl-C; core.md §4: `up` ended is `canceled`."""
    rig = Rig(tmp_path)
    async with up(rig) as child:
        # given a bot that would run for ever; `up` wrote a profile, so that no variable is needed
        profile = tmp_path / "config" / "botyard" / "profile.json"
        assert 0o600 == profile.stat().st_mode & 0o777
        await rig.deploy("sleeper", {"main.py": "import time\nprint('up', flush=True)\ntime.sleep(600)\n"})
        task_id = await rig.submit("sleeper")
        await eventually(lambda: _printed(rig, task_id), within=30)
        task = (await rig.botyard("task", "show", task_id, "--json")).json()
        assert bots_alive(task["execution"])
        # when the person presses Ctrl-C
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(seconds(60)):
            _, err = await child.communicate()
        assert 0 == child.returncode, err
    # then nothing of it is left
    assert [] == bots_alive(task["execution"])
    await eventually(lambda: ours(rig) == [], saying="a program of `up` is left")
    # and started again it knows the runner and how the bot ended
    rig.env["BOTYARD_URL"] = rig.url
    async with up(rig):
        finished: Any = await eventually(lambda: _finished(rig, task_id), within=30)
        assert "canceled" == finished["outcome"]


async def test_a_hub_that_dies_is_told_and_ends_the_rest(tmp_path: Path) -> None:
    """A child's crash is told, with the end of its log; the other child is ended."""
    rig = Rig(tmp_path)
    async with up(rig) as child:
        address = json.loads((tmp_path / "up" / "hub" / "hub.json").read_text())
        psutil.Process(address["pid"]).kill()
        async with asyncio.timeout(seconds(60)):
            _, err = await child.communicate()
    assert 1 == child.returncode
    assert b"botyard: the hub ended by itself with -9" in err
    assert b"Traceback" not in err
    await eventually(lambda: ours(rig) == [], saying="a program of `up` is left")


async def test_up_whose_runner_was_revoked_starts_with_a_new_one(tmp_path: Path) -> None:
    """`runner revoke local` is for ever, and ends `up`; it must not end every later `up` on that folder, too."""
    rig = Rig(tmp_path)
    async with up(rig) as child:
        await rig.botyard("runner", "revoke", "local", "--yes")
        async with asyncio.timeout(seconds(60)):
            _, err = await child.communicate()
    assert b"revoked" in err
    rig.env["BOTYARD_URL"] = rig.url
    async with up(rig):
        found = (await rig.botyard("runner", "list", "--json")).json()["items"]
        assert [("local", "connected", True)] == [
            (one["name"], one["state"], one["connected"]) for one in found if one["state"] != "revoked"
        ]


async def test_a_second_up_on_the_folder_leaves_the_first_and_its_bots_alone(tmp_path: Path) -> None:
    """On the same port it says so, on another one too; neither ends a bot that it did not start."""
    rig = Rig(tmp_path)
    async with up(rig) as child:
        await rig.deploy("sleeper", {"main.py": "import time\nprint('up', flush=True)\ntime.sleep(600)\n"})
        task_id = await rig.submit("sleeper")
        await eventually(lambda: _printed(rig, task_id), within=30)
        task = (await rig.botyard("task", "show", task_id, "--json")).json()
        same = ["--data", str(rig.folder / "up")]
        # when somebody starts another
        here = await rig.botyard("up", *same, "--port", str(rig.port), code=1)
        there = await rig.botyard("up", *same, "--port", str(free_port()), code=1)
        nowhere = await rig.botyard("up", "--data", "/dev/null/x", "--port", str(free_port()), code=2)
        # then each says what is wrong, and the first goes on
        assert b"listens on port" in here.err
        assert b"another hub runs on" in there.err
        assert b"botyard: /dev/null: a file is where" in nowhere.err
        assert child.returncode is None
        assert bots_alive(task["execution"])


async def _printed(rig: Rig, task_id: str) -> bool:
    return b"up" in (await rig.botyard("logs", task_id)).out


async def _finished(rig: Rig, task_id: str) -> Any:
    task = (await rig.botyard("task", "show", task_id, "--json")).json()
    return task if task["state"] == "finished" else None


async def test_up_that_is_killed_leaves_no_program_alone_and_the_next_takes_its_bots_over(tmp_path: Path) -> None:
    """Issue 4, "bots outlive everything": hub and runner end with `up`, however it ends; its bot does not."""
    rig = Rig(tmp_path)
    async with up(rig) as child:
        # given a bot that runs until it is told
        go = tmp_path / "go"
        wait = (
            f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.1)\n"
        )
        await rig.deploy("waiter", {"main.py": wait})
        task_id = await rig.submit("waiter")
        await eventually(lambda: _printed(rig, task_id), within=30)
        task = (await rig.botyard("task", "show", task_id, "--json")).json()
        (bot,) = bots_alive(task["execution"])
        # when
        child.kill()
        await child.communicate()
    # then
    await eventually(lambda: not _programs(rig), within=30, saying="a hub or a runner of a killed `up` is left")
    assert bot.is_running()
    # and the next one knows it
    rig.env["BOTYARD_URL"] = rig.url
    async with up(rig):
        go.touch()
        finished: Any = await eventually(lambda: _finished(rig, task_id), within=30)
        assert ("succeeded", 0) == (finished["outcome"], finished["exit_code"])


def _programs(rig: Rig) -> list[psutil.Process]:
    """Hub and runner of this `up`: no bot, no shim."""
    return [one for one in ours(rig) if {"hub.cli", "agent"} & set(one.info["cmdline"])]
