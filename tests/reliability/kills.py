"""Hub and daemon are killed with SIGKILL while a bot prints a million lines (R1, R21, T5): nothing lost, nothing twice.

A round is one bot, some twenty kills at seeded moments, and small tasks that are asked for all the while. Some kills
fall into the start of what was killed before. A follower of the log (`botyard logs -f`) reads on through all of them.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from tests.history.checker import check
from tests.history.events import Fault, FaultKind
from tests.reliability.kill_bots import WIDTH, first
from tests.reliability.kill_world import RUNNER, KillWorld, kill_world, until
from tests.reliability.part import Options, PartResult, Times
from tests.support.rig import Daemon
from tests.support.waiting import seconds

AIM = 200
RECOVERY_S = 10.0
LINES = 1_000_000
_KILLS_A_ROUND = 20
_ROUND_S = 330
"""For which its bot prints, unless there were enough kills before: then it prints the rest as fast as it can."""
_RATE_MIN = 600
_EARLY_SHARE = 0.25
"""How many kills fall into the start of the program, before it is ready."""
_END_S = 300
_GIVE_UP = 3
"""Rounds that broke off, after which no more are begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a round is."""

    lines: int = LINES
    kills: int = _KILLS_A_ROUND


@dataclass(slots=True)
class Victim:
    """Which program is killed, and how it is started again."""

    world: KillWorld
    result: PartResult
    name: str
    chance: Random
    options: Options
    until_shown: list[float] = field(default_factory=list)
    until_started: list[float] = field(default_factory=list)

    @property
    def daemon(self) -> Daemon:
        """The process."""
        return self.world.rig.hub if self.name == "hub" else self.world.rig.runners[RUNNER]

    async def strike(self, task: str) -> None:
        """Kill it, start it again, and measure how long the work stood still."""
        await asyncio.sleep(self.chance.uniform(0.05, 1.5))  # the moment is what is tried
        before = await self.world.shown_bytes(task)
        killed = time.monotonic()
        await self._kill()
        await self.daemon.start()
        while self.chance.random() < _EARLY_SHARE:
            await asyncio.sleep(self.chance.uniform(0.0, 1.5))
            await self._kill()
            killed = time.monotonic()
            await self.daemon.start()
        await self._measure(task, before, killed)

    async def _kill(self) -> None:
        kind = FaultKind.HUB_KILLED if self.name == "hub" else FaultKind.DAEMON_KILLED
        self.world.history.add(Fault, what=kind, runner=None if self.name == "hub" else RUNNER)
        assert self.daemon.alive, f"the {self.name} ended by itself: {self.daemon.tail()}"
        await self.daemon.kill()
        self.result.tried[f"kills of the {self.name}"] += 1

    async def _measure(self, task: str, before: int, killed: float) -> None:
        """From the kill to new output, and to the start of a task that was asked for after it."""

        async def grown() -> bool | None:
            return await self.world.shown_bytes(task) > before or None

        async def begun() -> float | None:
            asked = self.world.tasks
            starts = [one["at"] for one in self.world.witness.started() if asked.get(one["task"], 0) > killed]
            return min(starts, default=None)

        await until(grown, 60, f"no new output after a kill of the {self.name}")
        self.until_shown.append(time.monotonic() - killed)
        self.until_started.append(await until(begun, 60, f"no start after a kill of the {self.name}") - killed)
        kills, shown_s, started_s = self.result.tried[f"kills of the {self.name}"], self.until_shown, self.until_started
        times = f"output after {shown_s[-1]:.1f} s, a start after {started_s[-1]:.1f} s"
        self.options.say(f"{self.result.name}: kill {kills}, {times}")


def run_hub(options: Options) -> PartResult:
    """R1: the hub dies, the bot's log is whole and goes on within 10 s."""
    promise = "R1, R2: kill -9 of the hub in a 1,000,000-line log: 0 bytes lost or doubled, true exit codes, <= 10 s"
    return _run(PartResult(name="kills-hub", promise=promise), "hub", options)


def run_daemon(options: Options) -> PartResult:
    """R21: the daemon dies, the bot lives under its shim and is adopted."""
    promise = (
        "R21, R25: kill -9 of the daemon in a 1,000,000-line log: adopted, 0 bytes lost or doubled, true exit codes"
    )
    return _run(PartResult(name="kills-daemon", promise=promise), "daemon", options)


def _run(result: PartResult, victim: str, options: Options) -> PartResult:
    asyncio.run(campaign(result, victim, options, Size()))
    return result


async def campaign(result: PartResult, victim: str, options: Options, size: Size) -> None:
    """Rounds until there were as many kills as asked for; a round that fails is noted, and the next one begins anew."""
    aim, number, broken = options.count(AIM), 0, 0
    shown: list[float] = []
    started: list[float] = []
    while result.tried[f"kills of the {victim}"] < aim and not options.is_time_up() and broken < _GIVE_UP:
        where = f"seed {options.seed} round {number}"
        chance = Random(f"{options.seed}-{victim}-{number}")
        left = aim - result.tried[f"kills of the {victim}"]
        folder = options.folder / f"{result.name}-{number}"
        folder.mkdir(parents=True)
        try:
            async with kill_world(folder, slots=3) as world:
                struck = Victim(world, result, victim, chance, options, shown, started)
                await _round(struck, Size(lines=size.lines, kills=min(size.kills, left)), where)
        except* (AssertionError, OSError, TimeoutError) as errors:
            broken += 1
            result.broke_off(where, errors, folder)
        number += 1
        done = result.tried[f"kills of the {victim}"]
        options.say(f"{result.name}: {done} of {aim} kills, {len(result.failures)} failures")
    if (done := result.tried[f"kills of the {victim}"]) < aim:
        result.notes.append(f"{done} of {aim} kills: time was up, or too many rounds broke off")
    limit = RECOVERY_S if victim == "hub" else None
    result.times += [
        Times(what=f"kill of the {victim} to new output shown", samples=shown, limit_s=limit),
        Times(what=f"kill of the {victim} to a task started", samples=started, limit_s=limit),
    ]


async def _round(struck: Victim, size: Size, where: str) -> None:
    world, chance = struck.world, struck.chance
    world.witness.again()
    code = chance.randrange(1, 100)
    task = await world.ask("printer", lines=size.lines, rate=max(_RATE_MIN, size.lines // _ROUND_S), code=code)
    struck.result.tried["logs"] += 1
    aim = struck.result.tried[f"kills of the {struck.name}"] + size.kills
    async with _follower(world, task) as followed, _asking(world, chance):
        while struck.result.tried[f"kills of the {struck.name}"] < aim and not world.has_ended(task):
            if struck.options.is_time_up():
                break  # what was struck is judged all the same
            await struck.strike(task)
        world.witness.enough()
        await until(lambda: world.is_finished(task), _END_S, f"{task} did not finish")
    for each in world.tasks:
        await until(lambda each=each: world.is_finished(each), 60, f"{each} did not finish")  # type: ignore[misc]
    struck.result.tried["small tasks"] += len(world.tasks) - 1
    struck.result.tried["lines"] += size.lines
    if followed != [first(size.lines * WIDTH)]:
        struck.result.fail(where, f"`botyard logs -f` printed something else than the bot: {followed}")
    await _judge(struck, where)


async def _judge(struck: Victim, where: str) -> None:
    world = struck.world

    async def logs(task: str) -> bytes:
        # The long one as people read it; a process for each of the small ones would be most of the campaign.
        if task == next(iter(world.tasks)):
            return (await world.rig.botyard("logs", task, within=120)).out
        return await world.rig.output(task)

    await world.tell_the_end(logs)
    world.history.save(world.rig.folder / "history.jsonl")
    struck.result.take(where, check(world.history.events))


@asynccontextmanager
async def _asking(world: KillWorld, chance: Random) -> AsyncIterator[None]:
    """Small tasks are asked for all the while."""
    enough = asyncio.Event()

    async def ask_on() -> None:
        while not enough.is_set():
            await world.ask("small", code=chance.choice((0, 0, 3)))
            await asyncio.sleep(chance.uniform(0.5, 1.5))

    async with asyncio.TaskGroup() as group:
        group.create_task(ask_on(), name="asking")
        yield
        enough.set()  # not cancelled: what was asked for is waited for, so that every start has its answer


@asynccontextmanager
async def _follower(world: KillWorld, task: str) -> AsyncIterator[list[str]]:
    """`botyard logs -f` beside it all; the sha256 of what it printed is in the list when it has ended."""
    found: list[str] = []
    path = world.rig.folder / "followed"
    with path.open("wb") as out, path.with_suffix(".err").open("wb") as err:
        command = (*world.rig.hub.command[:3], "logs", "-f", task)
        follower = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=err, env=world.rig.env, cwd="/")
    try:
        yield found
        async with asyncio.timeout(seconds(60)):
            await follower.wait()
        found.append(hashlib.sha256(path.read_bytes()).hexdigest())
    finally:
        if follower.returncode is None:
            follower.kill()
            await follower.wait()
