"""How soon a silent link is known at both ends, and what the bot behind it loses: nothing (R42, R43; `core.md` D9).

Real hub, real daemons, each behind a line of its own that falls silent while its bot prints: `half_open` drops both
ways, `deaf_hub` what goes to the hub, `deaf_runner` what comes from it. All cases go side by side.
"""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from agent.daemon.control import ask
from agent.folders import Folders
from tests.reliability.part import Options, PartResult, Times
from tests.support.far_line import FarLine, far_line, why_no_line
from tests.support.rig import Rig

SILENT_MAX_S = 35.0
"""R42: both sides notice within this."""
BACK_MAX_S = 20.0
"""P10: the back-off's cap of 5 s, and an attempt that was under way when the line was mended (10 s)."""
_BYTE_AGE_S = 12.0
"""Of the last byte at the cut: a heartbeat and its answer every 10 s; TCP may still deliver what was under way."""
_GIVE_UP_S = 90.0
_LOOK_S = 0.1
PRINTER = """
import json, os, pathlib, sys, time
folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
number = 0
with (folder / "diary").open("wb") as diary:
    while not (folder / "enough").exists():
        line = b"line %d of the diary\\n" % number
        os.write(1, line)
        diary.write(line)
        number += 1
        time.sleep(0.01)
"""


class Cut(StrEnum):
    """Which way falls silent."""

    HALF_OPEN = "half_open"
    DEAF_HUB = "deaf_hub"
    DEAF_RUNNER = "deaf_runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What one cut was like, in seconds."""

    cut: Cut
    hub_s: float
    """From the cut until the API called the runner not connected."""
    runner_s: float
    """From the cut until the daemon's own `status` did."""
    since_s: float
    """From the cut to the moment that is shown as `unreachable_since`: before it, by the age of the last byte."""
    back_s: float
    """From the healing of the line until the runner was connected again."""
    is_whole: bool
    """Every byte that the bot wrote is at the hub, and it is called complete."""

    def faults(self) -> list[str]:
        """What is not as promised; times are judged by their limits."""
        found = [] if self.is_whole else ["the output is not whole"]
        if not -_BYTE_AGE_S <= self.since_s <= _BYTE_AGE_S:
            found.append(f"shown unreachable since {self.since_s:.1f} s after the cut")
        return found


def run(options: Options) -> PartResult:
    """Rounds of all three cuts at once."""
    promise = (
        "R42, R43: a silent link is known at both ends within 35 s and shown since its last byte; C4: nothing lost"
    )
    result = PartResult(name="partitions", promise=promise)
    if (reason := why_no_line()) is not None:
        result.skip("silent lines", reason)
        return result
    hub, runner, back = list[float](), list[float](), list[float]()
    for number in range(options.count(3)):
        if options.is_time_up():
            break
        found: list[Detection] = []
        with tempfile.TemporaryDirectory(prefix="partitions-", dir=options.folder) as folder:
            try:
                found = asyncio.run(detect(Path(folder), list(Cut)))
            except* (AssertionError, OSError, TimeoutError) as errors:
                result.broke_off(f"round {number}", errors, Path(folder))
        for one in found:
            result.tried[str(one.cut)] += 1
            hub.append(one.hub_s)
            runner.append(one.runner_s)
            back.append(one.back_s)
            for fault in one.faults():
                result.fail(f"round {number}, {one.cut}", fault)
        longest_s = max(hub + runner, default=0.0)
        options.say(f"partitions: {number + 1} rounds, {len(hub)} cuts known after {longest_s:.1f} s at most")
    result.times += [
        Times(what="silent link known at the hub", samples=hub, limit_s=SILENT_MAX_S),
        Times(what="silent link known at the runner", samples=runner, limit_s=SILENT_MAX_S),
        Times(what="connected again after the line was mended", samples=back, limit_s=BACK_MAX_S),
    ]
    return result


async def detect(folder: Path, cuts: Sequence[Cut]) -> list[Detection]:
    """Make these cuts at the same time, each on a line of its own."""
    async with Rig(folder, hub_options=("--host", "0.0.0.0", "--insecure")) as rig, AsyncExitStack() as lines:
        cases = [_Case(rig, cut, lines.enter_context(far_line()), f"{cut}-{n}") for n, cut in enumerate(cuts)]
        await rig.deploy("printer", {"main.py": PRINTER})
        for case in cases:
            await case.begin()
        async with asyncio.TaskGroup() as group:
            found = [group.create_task(case.run()) for case in cases]
        return [one.result() for one in found]


class _Case:
    def __init__(self, rig: Rig, cut: Cut, line: FarLine, name: str) -> None:
        self._rig, self._cut, self._line, self._name = rig, cut, line, name.replace("_", "-")
        self._folder = rig.folder / name
        self._task = ""

    async def begin(self) -> None:
        """A runner at the far end, with a bot that prints."""
        self._folder.mkdir()
        rig, far = self._rig, f"http://{self._line.hub_address}:{self._rig.port}"
        daemon = await rig.add_runner(self._name, "--insecure", "--label", f"line={self._name}", url=far, start=False)
        daemon.command[:0] = self._line.prefix
        await rig.start_runner(self._name)
        await rig.botyard("automation", "create", self._name, "--bot", "printer", "--need", f"line={self._name}")
        self._task = await rig.submit(self._name, folder=str(self._folder))
        await rig.printed(self._task, b"line 50 ")

    async def run(self) -> Detection:
        """Cut, wait until both know, heal, wait until all is well."""
        began, at = time.monotonic(), datetime.now(UTC)
        self._line.cut(to_hub=self._cut is not Cut.DEAF_RUNNER, from_hub=self._cut is not Cut.DEAF_HUB)
        async with asyncio.TaskGroup() as group:
            hub = group.create_task(self._noticed(self._hub_knows, began))
            runner = group.create_task(self._noticed(self._runner_knows, began))
        since = datetime.fromisoformat((await self._shown())["unreachable_since"])
        self._line.heal()
        healed = time.monotonic()
        await self._noticed(self._is_back, healed)
        back_s = time.monotonic() - healed
        return Detection(
            cut=self._cut,
            hub_s=hub.result(),
            runner_s=runner.result(),
            since_s=(since - at).total_seconds(),
            back_s=back_s,
            is_whole=await self._whole(),
        )

    async def _noticed(self, knows: Callable[[], Awaitable[bool]], began: float) -> float:
        """Seconds from `began` until it is known."""
        while not await knows():
            if time.monotonic() - began > _GIVE_UP_S:
                return _GIVE_UP_S
            await asyncio.sleep(_LOOK_S)
        return time.monotonic() - began

    async def _shown(self) -> Any:
        return await self._rig.get(f"/api/v1/runners/{self._name}")

    async def _hub_knows(self) -> bool:
        return not (await self._shown())["connected"]

    async def _runner_knows(self) -> bool:
        answer = await ask(Folders(home=self._rig.home(self._name)).control, "status")
        return not answer["linked"]

    async def _is_back(self) -> bool:
        return not await self._hub_knows()

    async def _whole(self) -> bool:
        (self._folder / "enough").touch()
        task = await self._rig.finished(self._task, within=60)
        written = (self._folder / "diary").read_bytes()
        said = task["output"]
        is_same = (
            said["sha256"] == hashlib.sha256(written).hexdigest() and await self._rig.output(self._task) == written
        )
        return bool(task["outcome"] == "succeeded" and said["complete"] and is_same)
