"""Shims are killed with SIGKILL while their bots print (R22, T5): said so, never called complete, and no orphan.

Each bot is alone with its shim; every second one has daemonised children of its own. The daemon lives on, so that what
is proven is the case of `core.md` §2: "Shim killed: pipe bytes and exit status are gone".
"""

import asyncio
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil

from tests.history.checker import check
from tests.history.events import Fault, FaultKind
from tests.reliability.kill_world import KillWorld, kill_world, until
from tests.reliability.part import Options, PartResult, Times

AIM = 200
ORPHAN_S = 10.0
SLOTS = 4
_KILLS_A_ROUND = 40
_LINES = 10_000_000
_RATE = 4000
_KILLS = "kills of a shim"
_GIVE_UP = 3


@dataclass(slots=True)
class Struck:
    """One round: its world and what was measured in all of them."""

    world: KillWorld
    result: PartResult
    chance: Random
    left: int
    where: str
    options: Options
    until_empty: list[float] = field(default_factory=list)
    until_settled: list[float] = field(default_factory=list)

    async def slot(self) -> None:
        """One bot after another, each losing its shim, until there were enough kills."""
        while self.left > 0 and not self.options.is_time_up():
            self.left -= 1
            await self.one(with_children=self.left % 2 == 0)

    async def one(self, *, with_children: bool) -> None:
        """A bot prints, its shim dies; wait until its tree is empty and its task settled."""
        more = {"children": 1} if with_children else {}
        task = await self.world.ask("printer", lines=_LINES, rate=_RATE, code=0, **more)
        started = await until(lambda: self._started(task), 60, f"{task} did not start")
        await asyncio.sleep(self.chance.uniform(0.0, 1.2))  # the moment is what is tried
        shown = await self.world.shown_bytes(task)
        shim = psutil.Process(started["shim"])
        tree = [shim, *shim.children(recursive=True)]
        self.world.history.add(Fault, what=FaultKind.SHIM_KILLED, execution=started["execution"])
        killed = time.monotonic()
        shim.kill()
        self.result.tried[_KILLS] += 1
        await until(lambda: _is_empty(tree), 60, f"{task}: processes are left of its tree")
        self.until_empty.append(time.monotonic() - killed)
        finished = await until(lambda: self.world.is_finished(task), 60, f"{task} did not finish")
        self.until_settled.append(time.monotonic() - killed)
        for problem in _problems(finished, shown):
            self.result.fail(f"{self.where} {task}", problem)

    async def _started(self, task: str) -> dict[str, Any] | None:
        return next((one for one in self.world.witness.started() if one["task"] == task), None)


def run(options: Options) -> PartResult:
    """R22 with as many shims as asked for, four at a time."""
    promise = (
        "R22: kill -9 of the shim: `supervisor_lost`, tail unknown, a true prefix never called complete, no orphan"
    )
    result = PartResult(name="kills-shim", promise=promise)
    asyncio.run(campaign(result, options))
    return result


async def campaign(result: PartResult, options: Options) -> None:
    """Rounds of kills, each with a hub and a runner of its own."""
    aim, number, broken = options.count(AIM), 0, 0
    empty: list[float] = []
    settled: list[float] = []
    while result.tried[_KILLS] < aim and not options.is_time_up() and broken < _GIVE_UP:
        where, folder = f"seed {options.seed} round {number}", options.folder / f"kills-shim-{number}"
        folder.mkdir(parents=True)
        left = min(_KILLS_A_ROUND, aim - result.tried[_KILLS])
        try:
            async with kill_world(folder, slots=SLOTS) as world:
                chance = Random(f"{options.seed}-shim-{number}")
                await _round(Struck(world, result, chance, left, where, options, empty, settled))
        except* (AssertionError, OSError, TimeoutError, psutil.Error) as errors:
            broken += 1
            result.broke_off(where, errors, folder)
        number += 1
        options.say(f"kills-shim: {result.tried[_KILLS]} of {aim} kills, {len(result.failures)} failures")
    if result.tried[_KILLS] < aim:
        result.notes.append(f"{result.tried[_KILLS]} of {aim} kills: time was up, or too many rounds broke off")
    result.times += [
        Times(what="kill of a shim to an empty tree", samples=empty, limit_s=ORPHAN_S),
        Times(what="kill of a shim to its task settled", samples=settled),
    ]


async def _round(struck: Struck) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(SLOTS):
            group.create_task(struck.slot(), name=f"slot {number}")
    world = struck.world
    await world.tell_the_end(world.rig.output)
    world.history.save(world.rig.folder / "history.jsonl")
    struck.result.take(struck.where, check(world.history.events))


async def _is_empty(tree: list[psutil.Process]) -> bool | None:
    return not any(_is_alive(process) for process in tree) or None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _problems(finished: dict[str, Any], shown: int) -> list[str]:
    """What is said of a bot whose shim is gone; that its output is a true prefix is the history checker's (C4)."""
    output, found = finished["output"], []
    said = (finished["outcome"], finished["reason"], finished["exit_code"])
    if said != ("failed", "supervisor_lost", None):
        found.append(f"shown as {said}")
    gaps = [(gap["from"], gap["bytes"], gap["reason"]) for gap in output["gaps"]]
    if output["complete"] or gaps != [(output["bytes"], None, "tail_unknown")]:
        found.append(f"complete {output['complete']}, {output['bytes']} bytes, gaps {gaps}")
    if output["bytes"] < shown:
        found.append(f"{shown} bytes were shown before the kill, {output['bytes']} after it")
    return found
