"""Room for output on a runner: known before the first order, and not forgotten by the next daemon (core.md §3, P4)."""

import asyncio
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from agent.config import load_settings
from agent.daemon.bots import Bots
from agent.daemon.control import Handler
from agent.daemon.doors import SystemDoors
from agent.daemon.house import House
from agent.daemon.keeper import Keeper
from agent.daemon.root import Ports, run
from agent.execution import LocalExecution
from agent.folders import Folders, read_order
from agent.home import Home
from agent.link import Address, Link
from agent.output_room import GIB
from agent.ports import SystemDisk
from agent.ports.proxies import Proxy
from agent.wire.task import Limits
from tests.runner.conftest import Ready
from tests.support.bots import STUBBORN
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually, seconds

pytestmark = pytest.mark.asyncio(loop_scope="module")

DISK = SystemDisk()


async def test_the_cap_of_an_execution_is_kept_for_the_next_daemon(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """core.md §3: "caps count unsafe bytes: 1 GiB an execution, 10 GiB a runner": an adopter knows its share."""
    order = await hub.start(await ready(STUBBORN), limits=Limits(output_bytes=5 * GIB // 2))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"ready" in heard.output, within=20)
    stored = read_order(runner.home / "executions" / order.execution_id, DISK)
    assert stored is not None
    assert stored.output_cap_bytes == 5 * GIB // 2
    # when the next daemon makes its keeper of that
    house = SimpleNamespace(folders=Folders(home=runner.home), disk=DISK)
    adopted = LocalExecution(execution_id=order.execution_id, task_id=order.task_id, fence=1)
    assert Keeper(cast("House", house), adopted, stored).kept.cap_bytes == 5 * GIB // 2


class SlowDisk(SystemDisk):
    """Its room is told late."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self._told = told

    def free_bytes(self, path: Path) -> int:
        """Wait first, in the thread of whoever asks."""
        threading.Event().wait(seconds(1))
        self._told.append("room found")
        return super().free_bytes(path)


class ClosedDoors(SystemDoors):
    """Closed at the end, as a process's are by themselves."""

    def open(self, house: House, bots: Bots, handlers: Mapping[str, Handler], group: asyncio.TaskGroup) -> None:
        """Let nobody in, and keep no socket."""
        assert house.gateway_socket is not None
        house.gateway_socket.close()


async def test_no_order_comes_before_the_disk_was_looked_at(tmp_path: Path) -> None:
    """P4: "keep 1 GiB of disk free": a shim is told what to keep free, so it is known before the hub is reached."""
    told: list[str] = []
    reached = asyncio.Event()

    async def dial(_: Address, __: str, ___: ssl.SSLContext | None, ____: Proxy | None) -> Link:
        told.append("hub asked")
        reached.set()
        raise OSError("nobody there")

    hub = ScriptedHub()
    RunnerProcess(tmp_path / "home").enrol_by_hand(hub, "http://127.0.0.1:9")
    home = Home.lock(tmp_path / "home", DISK)
    ports = Ports(disk=SlowDisk(told), dial=dial, doors=ClosedDoors())
    daemon = asyncio.ensure_future(run(home, load_settings(home.path, {}, {}), ports))
    try:
        await asyncio.wait_for(reached.wait(), seconds(20))
    finally:
        daemon.cancel()
        await asyncio.wait([daemon])
        home.release()
    assert told[:2] == ["room found", "hub asked"]
