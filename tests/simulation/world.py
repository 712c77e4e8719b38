"""One world from one seed: a hub, its runners, their bots; trouble for a while, then healing, then the reckoning.

safety phase      clients ask, cancel, kill, finish; faults strike; nothing is waited for
liveness phase    no fault any more: every acknowledged task must end, every output be told, within bounded time
reckoning         what is stored is read, what is left is looked for; the history goes to the checker
"""

import asyncio
import gc
import logging
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.history.checker import check
from tests.history.events import (
    Bound,
    Closed,
    Event,
    Granted,
    Healed,
    Left,
    Searched,
    Settled,
    Voided,
)
from tests.history.recorder import Recorder
from tests.simulation import work
from tests.simulation.chance import Chance
from tests.simulation.client import Client
from tests.simulation.draw import Draw, drawn
from tests.simulation.faults import Injector, Stage
from tests.simulation.hub import Row, SimHub
from tests.simulation.loop import SimLoop
from tests.simulation.machine import Machine, Surroundings
from tests.simulation.network import Network
from tests.simulation.store import make_ready

_LOOK_S = 5.0
_PATIENCE_S = 3_000.0
"""After the healing: the longest run limit (600 s), the ladder, `output_grace` and a `lost_after`, and some more."""
_FORGET_S = 120.0
_EVENTS_A_TASK = 200


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a world."""

    seed: int
    digest: str = ""
    violations: list[str] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    steps: int = 0
    events: Sequence[Event] = ()


MakeMachine = Callable[[Surroundings, str, SimHub, int], Machine]
"""`SimRunner`, but for tests of the simulator itself: (surroundings, name, hub, slots)."""


class World:
    """The parts of one world; `run` is its whole life."""

    def __init__(self, loop: SimLoop, chance: Chance, folder: Path, draw: Draw, make: MakeMachine) -> None:
        self.loop = loop
        self.draw = draw
        self.recorder = Recorder(lambda: loop.now)
        self.network = Network(loop, chance.stream("network"))
        around = Surroundings(
            loop=loop, chance=chance, network=self.network, recorder=self.recorder, script_of=draw.script_of
        )
        self.hub = SimHub(around, folder / "hub")
        self.hub.sweep_s = draw.sweep_s
        self.machines: list[Machine] = [
            make(around, f"m{number}", self.hub, slots) for number, slots in enumerate(draw.slots, 1)
        ]
        self.client = Client(self.hub, self.recorder)
        self.order = chance.stream("clients")
        self.stage = Stage(
            loop=loop,
            hub=self.hub,
            machines=self.machines,
            recorder=self.recorder,
            order=chance.stream("faults"),
        )
        self._pos = 0

    async def begin(self) -> None:
        """Hub, work and runners; the first daemons are up."""
        await self.hub.start()
        await self.hub.ask(lambda parts: work.seed(parts, self.draw.plans))
        for machine in self.machines:
            await machine.start()

    async def run(self) -> None:
        """The three phases."""
        await self.begin()
        injector = Injector(self.stage, self.draw.troubles)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._people())
            group.create_task(injector.run(self.draw.faults_s, self.draw.fault_gap_s))
        await injector.heal()
        self.recorder.add(Healed)
        await self.come_to_an_end()
        await self.reckon()

    async def _people(self) -> None:
        """Ask for tasks at moments that the seed chooses; some are canceled, killed or finished by hand."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.draw.tasks):
                group.create_task(self._one_task(self.order.random() * self.draw.faults_s * 0.8))
            group.create_task(self._watch(self.draw.faults_s))

    async def _one_task(self, at_s: float) -> None:
        await asyncio.sleep(at_s)
        task_id = await self.client.create(self.order.choice(self.draw.plans))
        act = self.order.random()
        if act < 0.35:
            await asyncio.sleep(self.order.expovariate(1.0 / 15.0))
            if act < 0.18:
                await self.client.cancel(task_id)
            elif act < 0.27:
                await self.client.kill(task_id)
            else:
                await self.client.finish(task_id, failed=act < 0.30)

    async def _watch(self, until_s: float) -> None:
        while self.loop.now < until_s:
            await asyncio.sleep(_LOOK_S + self.order.random() * 20.0)
            self.note_commits()
            for task_id in self.client.tasks:
                await self.client.look(task_id)

    async def come_to_an_end(self) -> None:
        """Wait until every task is finished and its output will not change; C1 judges who did not."""
        deadline_s = self.loop.now + _PATIENCE_S + self.draw.more_patience_s
        pause_s = _LOOK_S
        while self.loop.now < deadline_s:
            waiting = [task_id for task_id in self.client.tasks if task_id not in self.client.finished]
            for task_id in waiting:
                await self.client.look(task_id)
            if not waiting and not any(machine.living for machine in self.machines):
                break
            await asyncio.sleep(pause_s)
            pause_s = min(1.3 * pause_s, 60.0)
        # What was told at an end is told for ever, and runners are told to forget.
        await asyncio.sleep(_FORGET_S)

    async def reckon(self) -> None:
        """Read everything, look for what is left."""
        self.note_commits()
        for task_id in self.client.tasks:
            seen = await self.client.look(task_id)
            if seen is not None and seen.execution is not None:
                await self.client.read_output(seen.execution)
        self.recorder.add(Searched, rule="C11", what="bots, shims, folders of executions, the hub's sessions")
        for machine in self.machines:
            for what in machine.leftovers():
                self.recorder.add(Left, what=f"{machine.name}: {what}")
        limit = _EVENTS_A_TASK * (len(self.client.tasks) + 1) + 60 * sum(self.stage.tried.values())
        self.recorder.add(Bound, name="events in the feed", value=float(self._pos), limit=float(limit))
        self.recorder.add(Closed)

    def note_commits(self) -> None:
        """Write down what the hub has committed since."""
        for row in self.hub.committed(self._pos):
            self._pos = row.pos
            self._note(row)

    def ended_by_themselves(self) -> list[str]:
        """What no fault of ours explains."""
        found = [f"unhandled: {_told(failure)}" for failure in self.loop.failures]
        found += [f"the hub ended by itself: {_told(error)}" for error in self.hub.failures]
        for machine in self.machines:
            found += [f"{machine.name}: something ended by itself: {_told(error)}" for error in machine.failures]
        return found

    def _note(self, row: Row) -> None:
        add = self.recorder.add
        if row.kind == "execution.granted":
            add(Granted, task=row.task, execution=row.execution, fence=row.data["fence"], runner=row.runner)
        elif row.new == "void" and row.execution is not None:
            add(Voided, execution=row.execution)
        elif row.kind == "task.settled":
            add(Settled, task=row.task, outcome=row.data["outcome"], reason=row.data["reason"])


def run_world(seed: int, make: MakeMachine, *, on_step: Callable[[str], None] | None = None) -> Outcome:
    """The whole life of the world of that seed, judged."""
    chance = Chance(seed)
    outcome = Outcome(seed=seed)
    with open_world(chance, make, on_step=on_step) as world:
        loop = world.loop
        try:
            loop.run_until_complete(world.run())
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome.violations.append(f"the world broke: {type(error).__name__}: {error}")
        outcome.digest, outcome.virtual_s, outcome.steps = loop.digest, loop.now, loop.steps
        outcome.tried, outcome.events = world.stage.tried, world.recorder.events
        outcome.violations += world.ended_by_themselves()
    verdict = check(outcome.events)
    outcome.judged = Counter({str(rule): count for rule, count in verdict.judged.items()})
    if not verdict.is_good:
        outcome.violations.append(verdict.text())
    return outcome


@contextmanager
def open_world(
    chance: Chance, make: MakeMachine, *, draw: Draw | None = None, on_step: Callable[[str], None] | None = None
) -> Iterator[World]:
    """A world in a folder of its own, on its own randomness; nothing of it is left afterwards."""
    loop = SimLoop(chance.stream("order"))
    loop.on_step = on_step
    known = logging.root.manager.disable
    if on_step is None:
        logging.disable(logging.CRITICAL)
    make_ready()
    gc.collect()
    gc.disable()
    with tempfile.TemporaryDirectory(prefix="world-", dir=_fast_folder()) as folder, chance.product():
        world = World(loop, chance, Path(folder), draw or drawn(chance), make)
        try:
            yield world
        finally:
            _switch_off(world)
            loop.dispose()
            loop.close()
            gc.enable()
            logging.disable(known)


def _told(error: BaseException | str) -> str:
    """An error, and the places that it came through."""
    if isinstance(error, str):
        return error
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    places = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{error!r} ({places})"


def _switch_off(world: World) -> None:
    world.hub.crash()
    for process in world.loop.processes:
        world.loop.kill(process)


def _fast_folder() -> str | None:
    """Memory where the system has a folder of it: no sync of ours needs to reach a real disk here."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None


__all__ = ["MakeMachine", "Outcome", "World", "open_world", "run_world"]
