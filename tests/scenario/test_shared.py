"""A resource that only one task may hold, with two runners and real bots (issue 5, placement)."""

import os
import re
import signal
from pathlib import Path
from typing import Any

from tests.support.rig import Rig

BOT = """
import fcntl, os, pathlib, time
lock = open({lock!r}, "w")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where two run at once: the task would have failed
print("pid", os.getpid(), "account", os.environ["BOTYARD_RESOURCE_SAP_LICENCE"], flush=True)
while not pathlib.Path({flag!r}).exists():
    time.sleep(0.02)
time.sleep(0.2)
"""


async def test_one_holder_at_once_and_a_killed_bot_frees_it(tmp_path: Path) -> None:
    """Four tasks, two runners, one account: never two at once, `why` names the holder, kill -9 hands it on."""
    flag = tmp_path / "go"
    async with Rig(tmp_path) as rig:
        # given
        await rig.add_runner("desk-1")
        await rig.add_runner("desk-2")
        await rig.deploy("sap", {"main.py": BOT.format(lock=str(tmp_path / "lock"), flag=str(flag))})
        await rig.botyard("resource", "create", "sap-licence", "--account", "ana")
        shown = (await rig.botyard("automation", "edit", "sap", "--use", "sap-licence=1", "--json")).json()
        assert {"sap-licence": 1} == shown["uses"]
        # when
        asked: list[Any] = [(await rig.botyard("run", "sap", "--json")).json() for _ in range(4)]
        first = asked[0]
        await rig.printed(first["id"], b"account ana")
        # then
        told = (await rig.botyard("task", "why", str(asked[1]["number"]))).text
        assert f"It needs 1 of sap-licence, and 1 of 1 are held (tasks {first['number']})" in told
        assert f"It starts when task {first['number']} ends; or botyard resource edit sap-licence" in told
        resource = (await rig.botyard("resource", "show", "sap-licence")).text
        assert f"task {first['number']} (sap) holds ana since" in resource
        assert 3 == resource.count("waits since")
        # when
        pid = re.search(rb"pid (\d+)", await rig.output(first["id"]))
        assert pid is not None
        os.kill(int(pid[1]), signal.SIGKILL)
        # then
        await rig.printed(asked[1]["id"], b"account ana")
        assert "failed" == (await rig.finished(first["id"]))["outcome"]
        assert ["running", "queued", "queued"] == [(await rig.task(one["id"]))["state"] for one in asked[1:]]
        flag.touch()
        ends = [await rig.finished(one["id"], within=60) for one in asked[1:]]
        assert ["succeeded"] * 3 == [one["outcome"] for one in ends], "nobody found the lock taken"
        assert 0 == (await rig.get("/api/v1/resources/sap-licence"))["used"]
