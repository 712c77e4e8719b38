"""A bot's files reach the hub whatever happens on the way: in every case, over every cut, with flat memory."""

import asyncio
import contextlib
import functools
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

from tests.support.rig import Rig, bots_alive
from tests.support.upload_proxy import UploadProxy
from tests.support.waiting import eventually

MIB = 1024 * 1024
# Leaves two files at once and a third at its end, for which it waits; the last words depend on the case.
LEAVER = """
import json, os, pathlib, time
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder = pathlib.Path(os.environ["BOTYARD_ARTIFACTS"])
(folder / "a").mkdir()
(folder / "a" / "early.txt").write_text("early")
(folder / "growing.txt").write_text("half")
print("left", flush=True)
while not os.path.exists(parameters["go"]):
    time.sleep(0.02)
(folder / "growing.txt").write_text("half and half")
(folder / "late.txt").write_text("late")
"""
# One file of so many MiB that can't be compressed and is known by its seed.
BULKY = """
import json, os, pathlib, random
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
source = random.Random(int(parameters["seed"]))
with open(os.environ["BOTYARD_ARTIFACTS"] + "/bulk.bin", "wb") as file:
    for _ in range(int(parameters["mib"])):
        file.write(source.randbytes(1024 * 1024))
"""


async def listed(rig: Rig, task_id: str) -> dict[str, Any]:
    """The task's files by name."""
    found = (await rig.botyard("task", "artifacts", task_id, "--json")).json()
    return {one["name"]: one for one in found["items"]}


async def test_files_come_in_every_case(tmp_path: Path) -> None:
    """bot-packages.md §6: "uploaded at the end in every case, also after a kill": canceled, killed, timed out, its
    supervisor lost, its daemon killed in mid-run.
    """
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1", "--slots", "5")
        await rig.deploy("leaver", {"main.py": LEAVER})
        await rig.botyard("automation", "create", "hurried", "--bot", "leaver", "--run-limit", "3s")
        labels = {"killed": "leaver", "canceled": "leaver", "timed_out": "hurried", "lost": "leaver", "fine": "leaver"}
        tasks = {case: await rig.submit(label, go=str(tmp_path / case)) for case, label in labels.items()}
        for task_id in tasks.values():
            await rig.printed(task_id, b"left")

        # when each ends in its own way, and the daemon dies in the middle of it
        await rig.botyard("task", "kill", tasks["killed"])
        await rig.runners["desk-1"].kill()
        execution = (await rig.task(tasks["lost"]))["execution"]
        _shim_of(rig, execution).kill()
        (tmp_path / "fine").touch()
        await rig.start_runner("desk-1")
        await rig.botyard("task", "cancel", tasks["canceled"])

        # then all that was there is there
        ends = {case: await rig.finished(task_id, within=60) for case, task_id in tasks.items()}
        assert {case: end["outcome"] for case, end in ends.items()} == {
            "killed": "failed",
            "canceled": "canceled",
            "timed_out": "timed_out",
            "lost": "failed",
            "fine": "succeeded",
        }
        assert ends["lost"]["reason"] == "supervisor_lost"
        for case, task_id in tasks.items():
            expected = {"a/early.txt", "growing.txt"} | ({"late.txt"} if case == "fine" else set())
            await eventually(functools.partial(_has, rig, task_id, expected), within=30)


async def test_files_are_brought_while_the_bot_runs_when_somebody_asks(tmp_path: Path) -> None:
    """Part 5: "same names again replaced by newer version at the end"; asked for over and over, nothing comes twice."""
    async with Rig(tmp_path) as rig:
        await rig.add_runner("desk-1")
        await rig.deploy("leaver", {"main.py": LEAVER})
        task_id = await rig.submit("leaver", go=str(tmp_path / "go"))
        await rig.printed(task_id, b"left")
        for _ in range(2):
            await rig.botyard("task", "artifacts", task_id, "--collect")
        early = await listed(rig, task_id)
        assert {"a/early.txt": 5, "growing.txt": 4} == {name: one["size_bytes"] for name, one in early.items()}
        (tmp_path / "go").touch()
        await rig.finished(task_id)
        late = await listed(rig, task_id)
        assert {"a/early.txt": 5, "growing.txt": 13, "late.txt": 4} == {
            name: one["size_bytes"] for name, one in late.items()
        }
        assert {name: early[name]["id"] for name in early} == {name: late[name]["id"] for name in early}
        assert early["a/early.txt"] == late["a/early.txt"]


async def test_an_upload_that_is_cut_at_its_end_goes_on_there(tmp_path: Path) -> None:
    """R56: "upload cut at 99 %: resumable, digest at end"; then the same file again costs nothing (deduplicated)."""
    async with _behind_a_proxy(tmp_path) as (rig, proxy):
        # given a cut just before the end of 20 MiB
        proxy.cut_after = 20 * MIB * 99 // 100
        task_id = await rig.submit("bulky", seed="1", mib="20")
        await rig.finished(task_id, within=60)
        # then it was gone on with, and is whole
        assert 1 == proxy.cuts
        assert proxy.brought < 21 * MIB
        assert _digest(1, 20) == (await listed(rig, task_id))["bulk.bin"]["sha256"]
        # when another task leaves the same bytes, they are not sent again
        before = proxy.brought
        again = await rig.submit("bulky", seed="1", mib="20")
        await rig.finished(again, within=60)
        assert _digest(1, 20) == (await listed(rig, again))["bulk.bin"]["sha256"]
        assert proxy.brought - before < MIB
        assert [] == [path for path in (rig.data / "uploads").rglob("*") if path.is_file()]


async def test_a_restarted_daemon_goes_on_with_a_half_sent_file(tmp_path: Path) -> None:
    """S39, P3: what the hub has of a file counts, whoever sent it; also when the hub itself was restarted."""
    async with _behind_a_proxy(tmp_path) as (rig, proxy):
        proxy.stall_after = 15 * MIB
        task_id = await rig.submit("bulky", seed="2", mib="20")
        await asyncio.wait_for(proxy.stalled.wait(), 30)
        # when both ends die with half of it sent
        await rig.runners["desk-1"].kill()
        await rig.hub.kill()
        proxy.go.set()
        await rig.start_hub()
        await rig.start_runner("desk-1")
        await rig.finished(task_id, within=60)
        # then the second daemon sent the rest only
        assert _digest(2, 20) == (await listed(rig, task_id))["bulk.bin"]["sha256"]
        assert proxy.brought < 22 * MIB


async def test_a_file_of_100_mb_takes_flat_memory(tmp_path: Path) -> None:
    """Part 5: "a 100 MB file with flat memory", on both sides, and the command line brings it whole."""
    async with Rig(tmp_path) as rig:
        daemon = await rig.add_runner("desk-1")
        await rig.deploy("bulky", {"main.py": BULKY})
        # given both have done this once with a small file, so that everything is loaded
        await rig.finished(await rig.submit("bulky", seed="3", mib="1"))
        before = {one.name: _peak_bytes(one.pid) for one in (daemon, rig.hub)}
        task_id = await rig.submit("bulky", seed="4", mib="100")
        await rig.finished(task_id, within=90)
        grown = {one.name: _peak_bytes(one.pid) - before[one.name] for one in (daemon, rig.hub)}
        assert all(growth < 16 * MIB for growth in grown.values()), grown
        await rig.botyard("task", "artifacts", task_id, "--download", str(tmp_path / "here"))
        with (tmp_path / "here" / "bulk.bin").open("rb") as file:
            assert _digest(4, 100) == hashlib.file_digest(file, "sha256").hexdigest()
        served = _peak_bytes(rig.hub.pid) - before["hub"]
        assert served < 16 * MIB, served


@contextlib.asynccontextmanager
async def _behind_a_proxy(tmp_path: Path) -> AsyncIterator[tuple[Rig, UploadProxy]]:
    async with Rig(tmp_path) as rig:
        proxy = UploadProxy(rig.port)
        await proxy.start()
        try:
            await rig.add_runner("desk-1", url=f"http://127.0.0.1:{proxy.port}")
            await rig.deploy("bulky", {"main.py": BULKY})
            yield rig, proxy
            await rig.end_runner("desk-1")
        finally:
            await proxy.close()


async def _has(rig: Rig, task_id: str, expected: set[str]) -> bool:
    return set(await listed(rig, task_id)) == expected


def _digest(seed: int, mib: int) -> str:
    import random

    source, digest = random.Random(seed), hashlib.sha256()
    for _ in range(mib):
        digest.update(source.randbytes(MIB))
    return digest.hexdigest()


def _peak_bytes(pid: int) -> int:
    """The most memory that a process ever had at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def _shim_of(rig: Rig, execution: str) -> psutil.Process:
    """The bot's parent."""
    (bot,) = bots_alive(execution)
    parent = bot.parent()
    assert parent is not None
    assert parent.pid not in {os.getpid(), rig.hub.pid}
    return parent
