"""``python -m tests.simulation``: run worlds by seed, say what they found.

Examples::

    python -m tests.simulation --seeds 1000            seeds 0 to 999; exit code 1 where a rule was broken
    python -m tests.simulation --first 5000 --seeds 50
    python -m tests.simulation --seed 17 --history     that world's history as JSON lines
    python -m tests.simulation --seed 17 --trace       each step of the loop, and what the programs log
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from tests.history.recorder import dumps
from tests.simulation.campaign import run
from tests.simulation.runner import SimRunner
from tests.simulation.world import Outcome, run_world


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 where a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Run simulated worlds.")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="how many worlds (100)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (0)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="this world only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print each step and all logs")
    parser.add_argument("--history", action="store_true", help="with --seed: print its history")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        return _one(chosen.seed, with_trace=chosen.trace, with_history=chosen.history)
    findings = run(range(chosen.first, chosen.first + chosen.seeds), SimRunner, on_outcome=_tell)
    sys.stdout.write(findings.text() + "\n")
    return 1 if findings.broken else 0


def _one(seed: int, *, with_trace: bool, with_history: bool) -> int:
    if with_trace:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="        %(name)s: %(message)s")
    outcome = run_world(seed, SimRunner, on_step=_print if with_trace else None)
    if with_history:
        sys.stdout.write(dumps(outcome.events))
    for violation in outcome.violations:
        sys.stdout.write(violation + "\n")
    _tell(outcome)
    return 1 if outcome.violations else 0


def _print(line: str) -> None:
    sys.stdout.write(line)


def _tell(outcome: Outcome) -> None:
    verdict = f"{len(outcome.violations)} VIOLATIONS" if outcome.violations else "good"
    faults = sum(outcome.tried.values())
    sys.stdout.write(
        f"seed {outcome.seed}: {verdict}, trace {outcome.digest[:16]}, {faults} faults, "
        f"{outcome.virtual_s:.0f} virtual s, {outcome.steps} steps\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
