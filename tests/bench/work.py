"""The measurements that need a hub and a runner. Times are the wall clock of this one machine, in seconds."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import psutil

from tests.bench.figures import median, percentile
from tests.support.rig import Rig

MARK = """#!/bin/sh
echo > "$BOTYARD_PARAM_MARK"
"""
"""Its first act is a word into a pipe that the bench listens to."""
TALKER = """
import os, time
for number in range(int(os.environ["BOTYARD_PARAM_COUNT"])):
    os.write(1, b"%d %.6f\\n" % (number, time.time()))
    time.sleep(0.01)
"""
FLOOD = """
import os
block = b"a short line of output\\n" * 2849
left = int(os.environ["BOTYARD_PARAM_LINES"])
while left > 0:
    os.write(1, block[: min(left, 2849) * 23])
    left -= 2849
"""
PRINT = """
import os
for number in range(int(os.environ["BOTYARD_PARAM_LINES"])):
    print("a short line of output", flush=True)
"""
_WARM_UP = 10
_QUIET_S = 0.03
_QUIET_WITHIN_S = 15


def now() -> float:
    """Wall clock, seconds."""
    return time.time()


class Listener:
    """A named pipe; a thread notes when something is written into it, whatever the loop is doing."""

    def __init__(self, path: Path) -> None:
        self.heard: list[float] = []
        self._path = path
        os.mkfifo(path)
        # Open for writing too, so that no writer's end is its end.
        self._pipe = os.open(path, os.O_RDWR)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._pipe, b"x")
        self._thread.join()
        os.close(self._pipe)
        self._path.unlink()

    def _listen(self) -> None:
        while b"x" not in os.read(self._pipe, 64):
            self.heard.append(now())


class Bench:
    """One HTTP client beside a rig, with the bots that are measured."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._rig.env['BOTYARD_TOKEN']}"}
        self._http = aiohttp.ClientSession(self._rig.url, headers=headers, timeout=aiohttp.ClientTimeout(total=300))
        await self._rig.deploy("mark", {"run.sh": MARK})
        await self._rig.deploy("talker", {"main.py": TALKER})
        await self._rig.deploy("flood", {"main.py": FLOOD})
        await self._rig.deploy("print", {"main.py": PRINT})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    @property
    def _client(self) -> aiohttp.ClientSession:
        assert self._http is not None
        return self._http

    async def _submit(self, automation: str, **parameters: str) -> str:
        body = {"automation": automation, "parameters": parameters}
        async with self._client.post("/api/v1/tasks", json=body) as answer:
            task = await answer.json()
            assert answer.status == 201, task
            return str(task["id"])

    async def _events(self, task_id: str) -> AsyncIterator[tuple[str, Any, float]]:
        """The server-sent events of a task, each with the time of its receipt."""
        async with self._client.get(f"/api/v1/tasks/{task_id}/output?follow=true") as answer:
            name = ""
            async for raw in answer.content:
                field, _, value = raw.decode().rstrip("\r\n").partition(":")
                name = value.strip() if field == "event" else name
                if field == "data":
                    yield name, json.loads(value), now()
                if name == "end" and field == "data":
                    return

    async def _end(self, task_id: str) -> tuple[Any, float]:
        async for name, data, at in self._events(task_id):
            if name == "end":
                assert data["outcome"] == "succeeded", data
                return data, at
        raise AssertionError(f"{task_id} never ended")

    async def dispatch(self, rounds: int) -> dict[str, float]:
        """Submit to first act, submit to final status; one task at a time."""
        mark = self._rig.folder / "mark"
        acts, finals = [], []
        with Listener(mark) as listener:
            for number in range(_WARM_UP + rounds):
                begin = now()
                task_id = await self._submit("mark", mark=str(mark))
                _, ended = await self._end(task_id)
                if number >= _WARM_UP:
                    acts.append((listener.heard.pop() - begin) * 1000)
                    finals.append((ended - begin) * 1000)
        return {
            "dispatch_p50_ms": median(acts),
            "dispatch_p90_ms": percentile(acts, 0.90),
            "dispatch_p99_ms": percentile(acts, 0.99),
            "final_p50_ms": median(finals),
        }

    async def throughput(self, tasks: int) -> dict[str, float]:
        """Tasks submitted at once, until the last has settled."""
        begin = now()
        for first in range(0, tasks, 50):
            batch = (self._submit("mark", mark=os.devnull) for _ in range(min(50, tasks - first)))
            await asyncio.gather(*batch)
        while True:
            async with self._client.get("/api/v1/tasks?limit=1&state=queued") as answer:
                queued = (await answer.json())["items"]
            async with self._client.get("/api/v1/tasks?limit=1&state=running") as answer:
                running = (await answer.json())["items"]
            if not queued and not running:
                return {"executions_per_s": tasks / (now() - begin)}
            # Seldom: what is measured is the hub's work, not this question.
            await asyncio.sleep(0.1)

    async def live(self, lines: int) -> dict[str, float]:
        """A line every 10 ms that carries its own time of printing."""
        task_id = await self._submit("talker", count=str(lines))
        taken, rest = [], ""
        async for name, data, at in self._events(task_id):
            if name == "output":
                rest += data["text"]
                *whole, rest = rest.split("\n")
                taken += [(at - float(line.split()[1])) * 1000 for line in whole]
        late = taken[_WARM_UP:]
        return {"live_p50_ms": median(late), "live_p99_ms": percentile(late, 0.99)}

    async def lines(self, lines: int) -> dict[str, float]:
        """Lines until the task has settled with its whole output, the bot's own start included."""
        hub, runner = self._cpu(self._rig.hub.pid), self._cpu(self._runner)
        taken_s = await self._flood("flood", lines)
        millions = lines / 1_000_000
        return {
            "lines_per_s": lines / taken_s,
            "lines_hub_cpu_s": (self._cpu(self._rig.hub.pid) - hub) / millions,
            # The bot's own share is the runner's, too: what its shim has reaped.
            "lines_runner_cpu_s": (self._cpu(self._runner) - runner) / millions,
        }

    async def prints(self, lines: int, alone_s: float) -> dict[str, float]:
        """Lines by unbuffered print, until settled; `alone_s` is what the same program takes without us."""
        taken_s = await self._flood("print", lines)
        return {"print_lines_per_s": lines / taken_s, "print_share": alone_s / taken_s}

    async def _flood(self, automation: str, lines: int) -> float:
        begin = now()
        task, ended = await self._end(await self._submit(automation, lines=str(lines)))
        assert task["output"]["complete"], task["output"]
        return ended - begin

    async def idle(self, seconds: float) -> dict[str, float]:
        """CPU of hub, daemon and all below it, scaled to 30 s, once what was asked before is over (late sealing)."""
        used = await self._cpu_of(1)
        for _ in range(_QUIET_WITHIN_S):
            if used < _QUIET_S:
                break
            used = await self._cpu_of(1)
        return {"idle_cpu_s": await self._cpu_of(seconds) * 30 / seconds}

    async def _cpu_of(self, seconds: float) -> float:
        roots = (self._rig.hub.pid, self._runner)
        before = sum(map(self._cpu, roots))
        await asyncio.sleep(seconds)
        return sum(map(self._cpu, roots)) - before

    def memory(self) -> dict[str, float]:
        """Resident memory in MB."""
        return {"hub_rss_mb": _rss(self._rig.hub.pid), "agent_rss_mb": _rss(self._runner)}

    @property
    def _runner(self) -> int:
        return self._rig.runners["bench"].pid

    @staticmethod
    def _cpu(pid: int) -> float:
        """Seconds of a process and all below it, ended children included."""
        root = psutil.Process(pid)
        return sum(sum(one.cpu_times()[:4]) for one in (root, *root.children(recursive=True)))


def _rss(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1e6
