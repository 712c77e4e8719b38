"""The crash-point sweep: one execution, struck at each of its durable or visible calls (`reliability.md` T5).

Hub, daemon, shim and the child that becomes the bot are killed at every such call, and every call on a disk answers
EIO and ENOSPC. After each the bot has run at most once, the outcome is true, the output is whole or its gap is told,
nothing is left; a failed sync has ended hub or daemon at once (R15). `crash_points` finds the points, `crash_world`
strikes, `crash_judge` and the history checker judge.
"""

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.history.checker import check
from tests.history.events import Closed
from tests.history.recorder import Recorder
from tests.reliability.crash_history import tell
from tests.reliability.crash_judge import faults
from tests.reliability.crash_points import Point, Victim, chosen
from tests.reliability.crash_world import Tried, World, world
from tests.reliability.part import Options, PartResult, Times
from tests.support.strace import Blow, why_not

_GIVE_UP = 10
"""Worlds that broke off, after which no more are made."""
_SAY_EVERY = 20
_MANY = 40
"""Points that are worth a second world."""


def run(options: Options) -> PartResult:
    """All points, or as many of them as are asked for, the victims and blows in turn."""
    promise = (
        "T5, R2, R3, R4, R15, R24, R25: struck at any durable or visible call, an execution starts at most once, its"
        " outcome is true, its output whole or its gap told, nothing is left; a failed sync ends the process"
    )
    result = PartResult(name="sweep", promise=promise)
    reason = why_not()
    if reason is not None:
        result.skip("striking processes at system calls", reason)
        return result
    asyncio.run(sweep(result, options))
    return result


async def sweep(result: PartResult, options: Options) -> None:
    """Make a world, find the points, strike them; many points are shared between two worlds, which wait much."""
    campaign = _Campaign(result, options)
    async with asyncio.TaskGroup() as group:
        group.create_task(campaign.work())
        group.create_task(campaign.work_beside())
    if campaign.left:
        result.notes.append(f"{len(campaign.left)} points were not tried")
    result.times += [
        Times(what=f"start of the {each} after a blow", samples=taken) for each, taken in campaign.back.items()
    ]


@dataclass(slots=True)
class _Campaign:
    """What all worlds of a sweep share."""

    result: PartResult
    options: Options
    left: list[Point] = field(default_factory=list)
    back: dict[Victim, list[float]] = field(default_factory=lambda: {Victim.HUB: [], Victim.DAEMON: []})
    worlds: int = 0
    has_points: bool = False
    found: asyncio.Event = field(default_factory=asyncio.Event)
    """The points are known, or never will be."""

    async def work(self) -> None:
        """Strike in one world; what broke it is noted, and the rest goes on in a new one."""
        try:
            while (self.left or not self.has_points) and self.worlds < _GIVE_UP and not self.options.is_time_up():
                await self._one_world()
        finally:
            self.found.set()

    async def work_beside(self) -> None:
        """The same, once there are points for two."""
        await self.found.wait()
        if len(self.left) > _MANY:
            await self.work()

    async def _one_world(self) -> None:
        folder = self.options.folder / f"sweep-{self.worlds}"
        folder.mkdir(parents=True)
        self.worlds += 1
        failures = len(self.result.failures)
        try:
            async with world(folder) as made:
                if not self.has_points:
                    await made.record()
                    self.left = chosen(made.points, self.options.seed, self.options.tries)
                    self.has_points = True
                    self.found.set()
                await self._strike_all(made)
        except* (AssertionError, OSError, TimeoutError) as errors:
            self.result.broke_off(f"seed {self.options.seed}, {len(self.left)} points to go", errors, folder)
            self.options.say(f"sweep: a world broke off: {self.result.failures[-1].what}")
        if len(self.result.failures) == failures:
            shutil.rmtree(folder, ignore_errors=True)

    async def _strike_all(self, made: World) -> None:
        history = Recorder()
        while self.left and not self.options.is_time_up():
            await self._strike(made, self.left.pop(), history)
            if len(self.left) % _SAY_EVERY == 0:
                self.options.say(f"sweep: {len(self.left)} points to go, {len(self.result.failures)} failures")
        history.add(Closed)
        self.result.take(f"seed {self.options.seed}", check(history.events))
        history.save(made.rig.folder / "history.jsonl")

    async def _strike(self, made: World, point: Point, history: Recorder) -> None:
        try:
            tried = await made.strike(point)
        except (AssertionError, OSError, TimeoutError) as error:
            raise AssertionError(f"{point}: {error!r}") from error
        _count(self.result, tried)
        tell(history, tried)
        for fault in faults(tried):
            self.result.fail(f"seed {self.options.seed}: {point} ({tried.struck})", fault)
            self.options.say(f"sweep: {point}: {fault}")
        if tried.back_s is not None and point.lane.victim in self.back:
            self.back[point.lane.victim].append(tried.back_s)


def _count(result: PartResult, tried: Tried) -> None:
    point = tried.point
    if tried.struck is None:
        result.tried["points not reached"] += 1
        return
    blow = "kills" if point.blow is Blow.KILL else point.blow
    result.tried[f"{blow} of the {point.lane.victim}"] += 1


def share(folder: Path, tries: int, seed: int) -> PartResult:
    """A few points, as CI tries them."""
    return run(Options(folder=folder, tries=tries, seed=seed))
