"""Power cuts under a whole system: hub, runner and bots at work on one disk (`reliability.md` T6, R16).

All of them lose their power at once, as on one machine. Clients ask on through it; bots witness outside the disk, so
that what they did is known whatever the disk has forgotten; the history checker judges.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

import psutil

from tests.history.checker import check
from tests.history.events import Fault, FaultKind
from tests.reliability.kill_world import RUNNER, KillWorld, kill_world, until
from tests.reliability.part import Options, PartResult, Times
from tests.support.power_disk import PowerDisk, power_disk
from tests.support.waiting import eventually, seconds

AIM = 20
_SLOTS = 3
_PRINTED = {"lines": 4000, "rate": 4000}
_LONGEST_S = 2.0
"""From one cut's recovery to the next cut: an execution of each bot and a half."""
_END_S = 120


async def cuts_of_the_whole(result: PartResult, options: Options, count: int) -> None:
    """Cut the power of hub, runner and bots, again and again, while clients ask for tasks."""
    where = f"seed {options.seed}, the whole system"
    recovery = list[float]()
    try:
        with power_disk(512) as disk:
            told = options.folder / "power-told"
            async with kill_world(disk.folder / "world", _SLOTS, told) as world:
                await _Round(world, disk, result, options, recovery).run(count)
                world.history.save(options.folder / "power-history.jsonl")
                result.take(where, check(world.history.events))
    except* (AssertionError, OSError, TimeoutError, psutil.Error) as errors:
        result.broke_off(where, errors, options.folder)
    result.times.append(Times(what="mount and start of hub and runner after a cut", samples=recovery))


@dataclass(slots=True)
class _Round:
    world: KillWorld
    disk: PowerDisk
    result: PartResult
    options: Options
    recovery: list[float]
    is_over: bool = False

    async def run(self, count: int) -> None:
        """All cuts, then what became of each task that was acknowledged."""
        chance = Random(f"{self.options.seed}-power")
        async with asyncio.TaskGroup() as group:
            for number in range(_SLOTS):
                group.create_task(self._client(number))
            for _ in range(count):
                await asyncio.sleep(seconds(chance.uniform(0, _LONGEST_S)))  # the moment is what is tried
                await self._cut()
                self.result.tried["power cuts under the whole system"] += 1
                if self.options.is_time_up():
                    break
            self.is_over = True
        self.result.tried["tasks through power cuts"] += len(self.world.tasks)
        await self.world.tell_the_end(self.world.rig.output)

    async def _client(self, number: int) -> None:
        while not self.is_over:
            bot, more = ("printer", _PRINTED) if number else ("small", {})
            task = await self.world.ask(bot, code=0, **more)
            await until(partial(self.world.is_finished, task), _END_S, f"{task} did not finish")

    async def _cut(self) -> None:
        rig, history = self.world.rig, self.world.history
        history.add(Fault, what=FaultKind.POWER_CUT)
        history.add(Fault, what=FaultKind.HUB_KILLED)
        # What is answered while the power goes is heard by nobody on a real machine.
        self.world.is_dark = True
        await self._hold()
        self.disk.cut()
        began = time.monotonic()
        await eventually(self._is_dead, within=20, saying="processes do not die")
        await rig.hub.kill()
        await rig.runners[RUNNER].kill()
        await eventually(self.disk.unmount, within=20, saying="the disk is in use")
        self.disk.mount()
        self.world.is_dark = False
        await rig.start_hub()
        await rig.start_runner(RUNNER)
        self.recovery.append(time.monotonic() - began)

    async def _hold(self) -> None:
        """Stop whatever of ours runs: the kernel may say yes to a sync that the cut meets, and nobody may act on it."""
        held = set[int]()

        def is_still() -> bool:
            fresh = [process for process in self._ours() if process.pid not in held]
            for process in fresh:
                with contextlib.suppress(psutil.Error):
                    process.suspend()
                held.add(process.pid)
            return not fresh

        await eventually(is_still, within=20, saying="processes do not stop")

    def _is_dead(self) -> bool:
        """Kill whatever of ours there is; true once there was nothing."""
        found = False
        for process in self._ours():
            with contextlib.suppress(psutil.Error):
                process.kill()
            found = True
        return not found

    def _ours(self) -> Iterator[psutil.Process]:
        """What lives on the disk: hub, daemon, shims, bots."""
        below = str(self.disk.folder)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = [*process.cmdline(), *process.environ().values()]
                if any(below in word for word in words) and process.status() != psutil.STATUS_ZOMBIE:
                    yield process
