"""Worlds by seed: nothing lost, nothing twice, the same again (reliability.md T1, T2)."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.simulation.campaign import run
from tests.simulation.runner import SimRunner
from tests.simulation.world import run_world

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 100
"""CI's share; README.md names the long form."""


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_no_rule_is_broken(first: int) -> None:
    """C1-C6, C11, C12, D9 in ten worlds each: hub and daemons killed, hosts without power, links cut, deaf and slow."""
    findings = run(range(first, first + 10), SimRunner)
    assert not findings.broken, findings.text()
    assert findings.judged["C1"] > 10
    assert sum(findings.tried.values()) > 10


def test_same_seed_same_world() -> None:
    """T1: to the byte, with all its faults."""
    assert run_world(3, SimRunner).digest == run_world(3, SimRunner).digest


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_world_does_not_depend_on_the_hash_seed(hash_seed: str) -> None:
    """T1: nor on this process."""
    code = (
        "from tests.simulation.runner import SimRunner; from tests.simulation.world import run_world;"
        "print(run_world(3, SimRunner).digest)"
    )
    env = os.environ | {"PYTHONHASHSEED": hash_seed}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == run_world(3, SimRunner).digest


class _DeadMachine(SimRunner):
    """A machine whose daemon never comes up."""

    @property
    def is_daemon_up(self) -> bool:
        """It says that it is, so that nobody starts it."""
        return True

    async def start(self) -> None:
        """Nothing."""

    def leftovers(self) -> Sequence[str]:
        """Nothing was made."""
        return ()


def test_a_world_in_which_nothing_runs_is_not_called_good() -> None:
    """The judgement can fail: without runners, acknowledged tasks never end (C1)."""
    outcome = run_world(1, _DeadMachine)
    assert any("C1" in violation and "never finished" in violation for violation in outcome.violations)
