"""What a seed makes of a world: how many of what, which policies, which scripts, which faults, how long."""

import hashlib
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from agent.wire.words import Kind, OnDisconnect, ReportStatus
from tests.simulation.chance import Chance
from tests.simulation.faults import Trouble
from tests.simulation.machine import Print, Script
from tests.simulation.work import Plan

_RUN_LIMITS_S = (30, 120, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One world's figures."""

    chance: Chance
    slots: Sequence[int]
    """Of each machine."""
    plans: Sequence[Plan]
    tasks: int
    troubles: Sequence[Trouble]
    """Those that may strike; a world without the others shows what these alone can do."""
    faults_s: float
    fault_gap_s: float
    sweep_s: float = 5.0
    more_patience_s: float = 0.0

    def script_of(self, task_id: str, fence: int) -> Script:
        """What the bot of that attempt does; the same whenever it is asked."""
        return script(self.chance.stream(f"bot {task_id} {fence}"))


def drawn(chance: Chance) -> Draw:
    """The world of that seed."""
    order = chance.stream("world")
    troubles = list(Trouble)
    if order.random() < 0.6:
        troubles = order.sample(troubles, order.randint(1, 6))
    return Draw(
        chance=chance,
        slots=[order.randint(1, 3) for _ in range(order.choice([1, 1, 2, 2, 3]))],
        plans=[_plan(order, number) for number in range(order.randint(1, 3))],
        tasks=order.randint(1, 12),
        troubles=troubles,
        faults_s=order.choice([30.0, 120.0, 120.0, 400.0, 1_200.0]),
        fault_gap_s=order.choice([2.0, 8.0, 30.0, 90.0]),
    )


def _plan(order: random.Random, number: int) -> Plan:
    stops = order.random() < 0.4
    return Plan(
        label=f"a{number}",
        kind=order.choice([Kind.BOTCITY, Kind.PYTHON]),
        on_disconnect=OnDisconnect.STOP if stops else OnDisconnect.KEEP,
        lost_after_s=order.choice([120, 180, 600]),
        attempts=order.choice([1, 1, 2, 3]),
        run_limit_s=order.choice(_RUN_LIMITS_S),
    )


def script(order: random.Random) -> Script:
    """A bot: how it prints, reports and ends, and what it ignores."""
    length_s = order.choice([0.0, 0.2, 2.0, 15.0, 60.0, 200.0]) * (0.5 + order.random())
    hangs = order.random() < 0.12
    prints = [
        Print(
            at_s=order.random() * length_s,
            data=_text(order, order.choice([1, 20, 300, 5_000, 70_000])),
            stream=order.choice(["stdout", "stdout", "stdout", "stderr"]),
        )
        for _ in range(order.choice([0, 1, 3, 10, 30]))
    ]
    reports = order.random() < 0.7
    return Script(
        prints=sorted(prints, key=lambda one: one.at_s),
        report=order.choice(list(ReportStatus)) if reports else None,
        report_at_s=order.random() * length_s,
        ends_at_s=None if hangs else length_s,
        exit_code=order.choice([0, 0, 0, 1, 3]),
        ignores=_ignored(order),
    )


def _ignored(order: random.Random) -> frozenset[int]:
    if order.random() < 0.8:
        return frozenset()
    return frozenset(order.sample([signal.SIGINT, signal.SIGTERM], order.randint(1, 2)))


def _text(order: random.Random, length: int) -> bytes:
    """Bytes that no two prints share, with lines in them."""
    seed = hashlib.sha256(order.randbytes(8)).hexdigest().encode() + b"\n"
    return (seed * (length // len(seed) + 1))[:length]
