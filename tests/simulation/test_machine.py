"""A hypothesis state machine over simulated worlds: what nobody thought of drawing (reliability.md T3)."""

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.wire.words import Kind, OnDisconnect
from tests.history.checker import check
from tests.history.events import Healed
from tests.history.story import Rule
from tests.simulation.chance import Chance
from tests.simulation.draw import Draw
from tests.simulation.faults import Injector, Trouble
from tests.simulation.runner import SimRunner
from tests.simulation.work import Plan
from tests.simulation.world import World, open_world

PLANS = [
    Plan(label="kept", kind=Kind.BOTCITY, attempts=2, run_limit_s=60),
    Plan(
        label="stopped",
        kind=Kind.PYTHON,
        on_disconnect=OnDisconnect.STOP,
        lost_after_s=120,
        attempts=3,
        run_limit_s=600,
    ),
]
_PATIENCE_S = 40_000.0
"""Some bots never end by themselves: a life may ask for forty tasks, each with three attempts of ten minutes."""
EACH_STEP = [Rule.ONE_START, Rule.NO_OVERLAP, Rule.OUTPUT, Rule.TRUE_END, Rule.FROZEN, Rule.ONE_COMPLETION]
INSTANT = [
    Trouble.DAEMON_KILLED,
    Trouble.SHIM_KILLED,
    Trouble.HOST_CRASHED,
    Trouble.LINK_CUT,
    Trouble.CLOCK_SET,
    Trouble.HUB_KILLED,
    Trouble.HUB_POWER,
    Trouble.LINK_SILENT,
    Trouble.HUB_DEAF,
    Trouble.RUNNER_DEAF,
    Trouble.DISK_FULL,
]


class Life(RuleBasedStateMachine):
    """Rules are what people and fate do; time passes only by `wait`."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.world: World
        self.injector: Injector
        self.steps = 0

    @initialize(seed=st.integers(0, 2**32), slots=st.lists(st.integers(1, 2), min_size=1, max_size=2))
    def begin(self, seed: int, slots: list[int]) -> None:
        """A world without troubles of its own."""
        chance = Chance(seed)
        draw = Draw(
            chance=chance,
            slots=slots,
            plans=PLANS,
            tasks=0,
            troubles=(),
            faults_s=0.0,
            fault_gap_s=1.0,
            more_patience_s=_PATIENCE_S,
        )
        self.world = self.stack.enter_context(open_world(chance, SimRunner, draw=draw))
        self.injector = Injector(self.world.stage, ())
        self.do(self.world.begin())

    def do(self, act: Coroutine[Any, Any, Any]) -> None:
        """Let the world do something, as long as it takes."""
        self.world.loop.run_until_complete(act)

    @rule(plan=st.sampled_from(PLANS))
    def ask(self, plan: Plan) -> None:
        """Ask for a task, where somebody answers."""
        if self.world.hub.is_up:
            self.do(self.world.client.create(plan))

    @rule(which=st.integers(0, 100), act=st.sampled_from(["cancel", "kill", "finish"]))
    def end(self, which: int, act: str) -> None:
        """A person ends one."""
        client = self.world.client
        if client.tasks:
            task_id = client.tasks[which % len(client.tasks)]
            acts = {"cancel": client.cancel, "kill": client.kill}
            self.do(client.finish(task_id, failed=False) if act == "finish" else acts[act](task_id))

    @rule(kind=st.sampled_from(INSTANT))
    def strike(self, kind: Trouble) -> None:
        """A fault strikes, and goes on while time passes."""
        task = self.world.loop.create_task(self.injector.strike(kind))
        self.do(asyncio.wait([task], timeout=0.01))

    @rule(seconds=st.sampled_from([0.001, 0.01, 0.1, 1.0, 7.0, 31.0, 130.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.do(asyncio.sleep(seconds))

    @rule()
    def heal(self) -> None:
        """All is mended."""
        self.do(self.injector.heal())

    @invariant()
    def nothing_is_broken(self) -> None:
        """C2-C7 hold of everything that was seen so far."""
        if not hasattr(self, "world"):
            return
        self.steps += 1
        self.world.note_commits()
        if self.world.hub.is_up:
            for task_id in self.world.client.tasks:
                self.do(self.world.client.look(task_id))
        verdict = check(self.world.recorder.events, EACH_STEP)
        assert verdict.is_good, verdict.text()

    def teardown(self) -> None:
        """All is mended, everything ends, and all rules hold."""
        with self.stack:
            if not hasattr(self, "world"):
                return
            self.do(asyncio.sleep(250.0))
            self.do(self.injector.heal())
            self.world.recorder.add(Healed)
            self.do(self.world.come_to_an_end())
            self.do(self.world.reckon())
            verdict = check(self.world.recorder.events)
            assert verdict.is_good, verdict.text()
            assert self.world.ended_by_themselves() == []


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=4,
    stateful_step_count=10,
    deadline=None,
    derandomize=True,
    # Not shrunk: a hundred lives more would be lived for that, each of seconds; the steps are printed as they were.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
