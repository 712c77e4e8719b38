"""How long our programs take to start, and what an idle zygote and shim hold. Each function measures one thing.

Beside them: a bot's own Python, and the way of a message between the two websocket libraries that we use, with nothing
of ours between.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psutil
from websockets.asyncio.client import connect

from agent.zygote import Zygote
from tests.bench.figures import median, percentile
from tests.support.free_ports import free_port
from tests.support.rig import ROOT, Rig

_POLL_S = 0.005
_FORKS = 50
_STARTS = 15
_TURNS = 2000


async def hub_start(rig: Rig, runs: int = 3) -> dict[str, float]:
    """Seconds from exec to ready on a folder that was started on before; processor seconds and resident MB by then.

    On a busy machine the processor's seconds are the ones to compare.
    """
    taken, rss, cpu = [], [], []
    for _ in range(runs):
        await rig.hub.end()
        begin = time.monotonic()
        await rig.hub.start()
        await _until(rig._is_ready)
        taken.append(time.monotonic() - begin)
        process = psutil.Process(rig.hub.pid)
        rss.append(process.memory_info().rss / 1e6)
        cpu.append(sum(process.cpu_times()[:2]))
    return {"hub_start_s": median(taken), "hub_start_cpu_s": median(cpu), "hub_ready_rss_mb": median(rss)}


async def daemon_start(rig: Rig, runs: int = 3) -> dict[str, float]:
    """Seconds from exec to linked of the rig's only runner, resident MB before any bot."""
    (daemon,) = rig.runners.values()
    taken, rss = [], []
    for _ in range(runs):
        await daemon.end()
        await _until(lambda: _linked(rig, expected=False))
        begin = time.monotonic()
        await daemon.start()
        await _until(lambda: _linked(rig, expected=True))
        taken.append(time.monotonic() - begin)
        rss.append(psutil.Process(daemon.pid).memory_info().rss / 1e6)
    return {"daemon_start_s": median(taken), "daemon_rss_mb": median(rss)}


async def _linked(rig: Rig, *, expected: bool) -> bool:
    return all(one["connected"] is expected for one in (await rig.get("/api/v1/runners"))["items"])


def python_start() -> dict[str, float]:
    """Milliseconds that a bot's Python takes to start, print and end: no part of ours."""
    taken = []
    for _ in range(_STARTS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-u", "-c", "print()"], check=True, stdout=subprocess.DEVNULL)
        taken.append((time.perf_counter() - begin) * 1000)
    return {"python_start_ms": median(taken)}


async def zygote() -> dict[str, float]:
    """Milliseconds until the next idle shim stands ready after one was taken; MB of zygote and of an idle shim."""
    process = await Zygote.start(slots=1)
    try:
        await _until(lambda: _ready(process))
        taken = []
        for _ in range(_FORKS):
            begin = time.perf_counter()
            shim = await process.take()
            while not process.ready:  # noqa: ASYNC110 - a pause would be what is measured
                await asyncio.sleep(0)
            taken.append((time.perf_counter() - begin) * 1000)
            shim.close()
        parent = psutil.Process(process.pid)
        shims = _memory_of_children(parent)
        return {
            "zygote_fork_ms": median(taken),
            "zygote_rss_mb": parent.memory_info().rss / 1e6,
            "shim_rss_mb": median([one.rss / 1e6 for one in shims]),
            "shim_private_mb": median([one.uss / 1e6 for one in shims]),
        }
    finally:
        process.close()
        await process.wait_gone()


def _memory_of_children(parent: psutil.Process) -> list[Any]:
    found = []
    for child in parent.children():
        # One that was let go of may be ending just now.
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found.append(child.memory_full_info())
    return [one for one in found if one.rss]


async def _ready(process: Zygote) -> bool:
    return process.ready > 0


async def websocket_round_trip() -> dict[str, float]:
    """Milliseconds of one small message and its answer: aiohttp serves, websockets dials, two processes, loopback."""
    port = free_port()
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.echo", str(port), cwd=ROOT)
    try:
        return await _round_trips(port)
    finally:
        server.terminate()
        await server.wait()


async def _round_trips(port: int) -> dict[str, float]:
    async def listens() -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    await _until(listens)
    taken = []
    async with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None) as socket:
        for _ in range(_TURNS):
            begin = time.perf_counter()
            await socket.send('{"type":"heartbeat","number":1}')
            await socket.recv()
            taken.append((time.perf_counter() - begin) * 1000)
    return {"websocket_ms": median(taken), "websocket_p99_ms": percentile(taken, 0.99)}


async def _until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await look():  # noqa: ASYNC110 - what is looked at is another process
            await asyncio.sleep(_POLL_S)
