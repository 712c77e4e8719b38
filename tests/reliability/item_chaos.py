"""Items worked by bots while bots, daemons and the hub are killed with SIGKILL (R57-R59): each done once, none lost.

Two queues, one after the other: in the first the bots ask the journal before they pay, in the second they just pay.
What bots did stands in a ledger of their own: paid twice is in it twice. Items come in portions, with a kill in the
middle of each, so that a slow machine is struck as often as a fast one.
"""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import aiohttp
import psutil

from tests.reliability.item_bots import WORKER, Ledger
from tests.reliability.item_judge import judge
from tests.reliability.kill_bots import Witness
from tests.reliability.kill_world import KillWorld
from tests.reliability.part import Options, PartResult, Times
from tests.support.rig import Rig
from tests.support.waiting import eventually, seconds

AIM = 100_000
"""Items with the journal; a fifth as many without it."""
RECOVERY_S = 10.0
_RUNNERS = ("desk-1", "desk-2")
_LOOK_S = 0.3
_STALL_S = 180
_JOURNALED_SHARE = 0.8
"""Of the time, where that is limited."""
_FOR_EVER_S = 100_000
"""Whether there is progress is looked at elsewhere."""
_SLICE = 500
_HANG_UP = (AssertionError, aiohttp.ClientError, OSError, TimeoutError)
_ROUND = ("bot", "hub", "bot", "daemon")
"""What is killed, in an order drawn anew for each round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done at once, and how often something is killed."""

    portion: int = 400
    """Items that are added for each kill; when time is up no more are added."""
    at_once: int = 10
    """Items that a bot takes at once."""
    slots: int = 3
    """Of each of the two runners."""
    pace_s: float = 0.02
    """For which a bot works at each item, before it pays and after."""


@dataclass(slots=True, kw_only=True)
class Campaign:
    """One queue of the campaign."""

    world: KillWorld
    result: PartResult
    options: Options
    size: Size
    chance: Random
    queue: str
    has_journal: bool
    ledger: Ledger
    times: dict[str, list[float]]
    added: int = 0
    kills: int = 0
    is_fed: bool = False
    """No more items come."""
    open_tasks: set[str] = field(default_factory=set)
    done: int = 0
    """Items, when last looked at."""
    struck: set[object] = field(default_factory=set)
    """Pids of bots that were killed."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to disturb."""
        return self.done >= self.added

    # --- work ---

    async def run(self, aim: int) -> None:
        """Add so many items in portions, kill something in the middle of each, and see all of them done."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed_and_kill(aim), name="killer")
            await self._work()

    async def _feed_and_kill(self, aim: int) -> None:
        victims: list[str] = []
        while self.added < aim and not self.options.is_time_up():
            first, self.added = self.added, min(aim, self.added + self.size.portion)
            await self._add(first, self.added)
            middle = first + (self.added - first) // 3
            await eventually(lambda at=middle: self.done >= at, within=_FOR_EVER_S)  # type: ignore[misc]
            await asyncio.sleep(self.chance.uniform(0.0, _LOOK_S))  # the moment is what is tried
            victims = victims or self.chance.sample(_ROUND, len(_ROUND))
            await self._kill(victims.pop())
            self.kills += 1
            self.options.say(f"{self.result.name}: {self.queue}: {self.done:,} items done, {self.kills} kills")
        self.is_fed = True

    async def _add(self, first: int, end: int) -> None:
        path = f"/api/v1/queues/{self.queue}"
        batch = (await self.world.answered("POST", f"{path}/batches"))["id"]
        for start in range(first, end, _SLICE):
            some = [{"payload": {"n": n}, "reference": str(n)} for n in range(start, min(start + _SLICE, end))]
            body = {"start": start - first, "items": some}
            await self.world.answered("POST", f"/api/v1/batches/{batch}/items", json=body)
        await self.world.answered("POST", f"/api/v1/batches/{batch}/show")

    async def _work(self) -> None:
        """Keep as many bots at work as there are slots, and put back what died, until every item is done."""
        wanted = len(_RUNNERS) * self.size.slots
        progress, since = -1, time.monotonic()
        while True:
            counts: dict[str, int] = (await self.world.answered("GET", f"/api/v1/queues/{self.queue}"))["counts"]
            self.done = counts.get("done", 0)
            if self.is_fed and counts == {"done": self.added}:
                return
            if dead := sum(counts.get(state, 0) for state in ("dead", "failed", "timed_out")):
                await self._requeue(dead)
            for task in list(self.open_tasks):
                if await self.world.is_finished(task):
                    self.open_tasks.remove(task)
            for _ in range(wanted - len(self.open_tasks)):
                self.open_tasks.add(await self._ask_for_a_bot())
            if self.done != progress:
                progress, since = self.done, time.monotonic()
            assert time.monotonic() - since < seconds(_STALL_S), f"nothing was done for {_STALL_S} s: {counts}"
            await asyncio.sleep(_LOOK_S)

    async def _ask_for_a_bot(self) -> str:
        size, journal = self.size, "yes" if self.has_journal else "no"
        told = {"queue": self.queue, "count": size.at_once, "journal": journal, "pace": size.pace_s}
        return await self.world.ask("item-worker", **told)

    async def _requeue(self, dead: int) -> None:
        """What lost two bots is dead until a person looks: he puts it back."""
        body = {"states": ["dead", "failed", "timed_out"]}
        changed = (await self.world.answered("POST", f"/api/v1/queues/{self.queue}/requeue", json=body))["changed"]
        self.result.tried["dead items put back by a person"] += min(changed, dead)

    # --- kills ---

    async def _kill(self, what: str) -> None:
        world, killed = self.world, time.monotonic()
        match what:
            case "hub":
                assert world.rig.hub.alive, f"the hub ended by itself: {world.rig.hub.tail()}"
                await world.rig.hub.kill()
                self.result.tried["kills of the hub"] += 1
                await world.rig.start_hub()
                await self._measure("kill of the hub to an item completed", "completed", killed)
            case "daemon":
                name = self.chance.choice(_RUNNERS)
                daemon = world.rig.runners[name]
                assert daemon.alive, f"the daemon ended by itself: {daemon.tail()}"
                await daemon.kill()
                self.result.tried["kills of a daemon"] += 1
                await world.rig.start_runner(name)
                mine = {one["execution"] for one in self.ledger.lines("started") if f"/{name}/" in str(one["cwd"])}
                await self._measure("kill of a daemon to an item completed there", "completed", killed, mine)
            case _:
                bot = await eventually(self._a_bot, within=_STALL_S, saying="no bot is at work")
                assert bot is not None
                with contextlib.suppress(psutil.NoSuchProcess):
                    bot.send_signal(signal.SIGKILL)
                    self.result.tried["kills of a bot"] += 1
                    await self._measure("kill of a bot to another one started", "started", killed)

    def _a_bot(self) -> psutil.Process | None:
        """One of those that live, drawn by chance."""
        started = [one for one in self.ledger.lines("started") if one["pid"] not in self.struck]
        self.chance.shuffle(started)
        for one in started:
            self.struck.add(one["pid"])
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(int(str(one["pid"])))
                if process.environ().get("BOTYARD_EXECUTION_ID") == one["execution"]:
                    return process
        return None

    async def _measure(self, what: str, file: str, since: float, mine: set[object] | None = None) -> None:
        """Wait for the first word of that kind after the moment; at most until all is done."""
        until = time.monotonic() + seconds(60)
        while time.monotonic() < until and not self.is_over:
            fresh = [
                float(str(one["at"]))
                for one in self.ledger.lines(file)[-1000:]
                if float(str(one["at"])) > since and (mine is None or one["execution"] in mine)
            ]
            if fresh:
                self.times.setdefault(what, []).append(min(fresh) - since)
                return
            await asyncio.sleep(0.02)

    # --- the end ---

    def judge(self, where: str, took_s: float) -> None:
        """Look at every item, and tell the figures."""
        found = judge(self.world.rig.data / "hub.db", self.queue, self.added, self.ledger)
        for what in found.broken():
            self.result.fail(where, what)
        again = f"{found.paid_again} effects twice"
        if self.has_journal and found.paid_again:
            self.result.fail(where, f"{again}, in spite of the journal")
        probed = Counter(bool(one["found"]) for one in self.ledger.lines("probed"))
        refused = len(self.ledger.lines("refused"))
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.outcomes.items()))
        self.result.tried[f"items {'with' if self.has_journal else 'without'} the journal"] += self.added
        note = (
            f"{self.queue}: {self.added:,} items in {took_s:.0f} s ({self.added / took_s:.0f}/s with all kills): "
            f"{len(found.lost)} lost, {len(found.doubled)} completed twice, {again}; attempts: {outcomes}"
        )
        if self.has_journal:
            note += f"; {probed.total()} unknown effects were settled by a probe ({probed[True]} had been done)"
        self.result.notes.append(f"{note}; {refused} late words refused (409)")


def run(options: Options) -> PartResult:
    """The whole: `--seeds` says how many items, else as many as the project promises."""
    promise = (
        "R57, R58, R59: items worked while bots, agents and hub are killed: 0 lost, 0 completed twice, "
        "0 effects twice with the journal"
    )
    result = PartResult(name="item-chaos", promise=promise)
    asyncio.run(campaign(result, options, Size()))
    return result


async def campaign(result: PartResult, options: Options, size: Size) -> None:
    """Both queues; one that breaks off is told with its logs, and judged no more."""
    items = options.count(AIM)
    times: dict[str, list[float]] = {}
    folder = options.folder / result.name
    try:
        async with _world(folder, size) as world:
            for queue, has_journal, aim in (("journaled", True, items), ("bare", False, max(items // 5, 1))):
                left_s = options.deadline - time.monotonic()
                until = time.monotonic() + left_s * (_JOURNALED_SHARE if has_journal else 1.0)
                told = folder / queue
                told.mkdir()
                world.witness = Witness(told)
                one = Campaign(
                    world=world,
                    result=result,
                    options=replace(options, deadline=until),
                    size=size,
                    chance=Random(f"{options.seed}-{queue}"),
                    queue=queue,
                    has_journal=has_journal,
                    ledger=Ledger(told),
                    times=times,
                )
                await _queue(one, aim)
    except* (AssertionError, OSError, TimeoutError, aiohttp.ClientError) as errors:
        result.broke_off(f"seed {options.seed}", errors, folder)
    for what, samples in sorted(times.items()):
        limit = RECOVERY_S if "hub" in what else None
        result.times.append(Times(what=what, samples=samples, limit_s=limit))


async def _queue(one: Campaign, aim: int) -> None:
    made = {"label": one.queue, "unique_references": True, "retry": {"attempts": 50, "base_s": 0, "cap_s": 0}}
    await one.world.answered("POST", "/api/v1/queues", json=made)
    began = time.monotonic()
    await one.run(aim)
    if one.added < aim:
        one.result.notes.append(f"{one.queue}: {one.added} of {aim} items: time was up")
    if one.added:
        one.judge(f"seed {one.options.seed}, queue {one.queue}", time.monotonic() - began)


@asynccontextmanager
async def _world(folder: Path, size: Size) -> AsyncIterator[KillWorld]:
    folder.mkdir(parents=True, exist_ok=True)
    async with Rig(folder) as rig:
        for name in _RUNNERS:
            await rig.add_runner(name, "--slots", str(size.slots))
        await rig.deploy("item-worker", {"main.py": WORKER})
        headers = {"Authorization": f"Bearer {rig.env['BOTYARD_TOKEN']}"}
        timeout = aiohttp.ClientTimeout(total=seconds(15))
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
            world = KillWorld(rig, Witness(folder), client)
            try:
                yield world
            except BaseException:
                await _evidence(world)
                raise


async def _evidence(world: KillWorld) -> None:
    with contextlib.suppress(*_HANG_UP):
        await world.keep_evidence()
