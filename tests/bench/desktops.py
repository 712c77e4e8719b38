"""Virtual desktops: how soon one is ready, and what watching one that stands still costs.

`python -m tests.bench.desktops` measures these alone; nothing where the X servers are not there.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil

from agent.cgroups.choice import Hierarchies
from agent.desktops import server as x_server
from agent.desktops.choice import VirtualPlan
from agent.desktops.records import Records
from agent.ports.files import SystemDisk
from tests.bench.figures import median
from tests.support.desktops import processes_of
from tests.support.rig import Rig

_STARTS = 7
_SIZE = (1280, 720)


async def measure(folder: Path, seconds: float) -> dict[str, float]:
    """From exec to an answer to the cookie; then a core's share that `seconds` of watching cost hub, daemon and X."""
    program = shutil.which("Xvnc")
    if sys.platform != "linux" or program is None:
        return {}
    folder.mkdir(exist_ok=True)
    plan = VirtualPlan(count=1, width=_SIZE[0], height=_SIZE[1], program=program)
    measured = {"desktop_ready_ms": median([await _ready_ms(plan, folder / "desktops") for _ in range(_STARTS)])}
    rig = Rig(folder)
    rig.env |= {"BOTYARD_AGENT_DESKTOPS": "virtual", "BOTYARD_AGENT_DESKTOP_SIZE": "{}x{}".format(*_SIZE)}
    async with rig:
        await rig.add_runner("desk", "--slots", "1")
        measured["live_view_share"] = await _watched(rig, seconds)
        # The daemon leaves its desktops to the next one; here there is none.
        await rig.run(sys.executable, "-m", "agent", "stop", "--now", "--home", str(rig.home("desk")))
    return measured


async def _ready_ms(plan: VirtualPlan, folder: Path) -> float:
    folder.mkdir(mode=0o700, exist_ok=True)
    records = Records(folder, SystemDisk())
    began = time.perf_counter()
    server = await x_server.start(plan, 0, records, Hierarchies())
    took = time.perf_counter() - began
    await server.drop()
    return took * 1000


async def _watched(rig: Rig, seconds: float) -> float:
    """What watching adds to what all of them use anyway."""
    desktops = processes_of(rig.home("desk"))
    processes = [psutil.Process(rig.hub.pid), psutil.Process(rig.runners["desk"].pid), *desktops]
    idle_s = await _used_in(seconds, processes)
    headers = {"Authorization": f"Bearer {rig.env['BOTYARD_TOKEN']}"}
    async with (
        aiohttp.ClientSession(rig.url, headers=headers) as client,
        client.get("/api/v1/runners/desk/desktops/0/live") as answer,
    ):
        assert answer.status == 200, await answer.text()
        await answer.content.readuntil(b"\r\n\r\n")
        watched_s = await _used_in(seconds, processes)
    return (watched_s - idle_s) / seconds


async def _used_in(seconds: float, processes: list[psutil.Process]) -> float:
    before = _used_s(processes)
    await asyncio.sleep(seconds)
    return _used_s(processes) - before


def _used_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="botyard-bench-") as _folder:
        print(json.dumps(asyncio.run(measure(Path(_folder) / "desk", 20.0)), indent=2))
