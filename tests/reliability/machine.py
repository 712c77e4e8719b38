"""The part `machine`: hypothesis chooses what people and fate do in simulated worlds, step by step (reliability.md T3).

The machine is that of `tests/simulation/test_machine.py`; here it lives longer lives, and more of them.
"""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.reliability.part import Options, PartResult
from tests.simulation.test_machine import Life

AIM = 100
"""Examples, each of up to so many steps:"""
STEPS = 40
BATCH = 10


def run(options: Options) -> PartResult:
    """Batches, each under a seed of its own, until there were as many examples as asked for."""
    promise = "T3: after each step that hypothesis thinks of C2-C7 hold, and at the end of each life C1-C12"
    result = PartResult(name="machine", promise=promise)
    aim, done = options.count(AIM), 0
    while done < aim and not options.is_time_up() and not result.failures:
        size = min(BATCH, aim - done)
        _batch(result, size, options.seed + done)
        done += size
        options.say(f"machine: {done} of {aim} examples, {len(result.failures)} failures")
    return result


def _batch(result: PartResult, size: int, seed: int) -> None:
    lives = Counter[str]()

    class Counted(Life):
        """Counts its lives and steps."""

        def teardown(self) -> None:
            """See `Life`."""
            lives["examples"] += 1
            lives["steps"] += self.steps
            super().teardown()

    chosen = settings(
        max_examples=size,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seeded(seed)(Counted), settings=chosen)
    except Exception as error:  # whatever it is, the report tells it with its seed
        notes = "\n".join(getattr(error, "__notes__", ()))
        result.fail(f"seed {seed}", f"{type(error).__name__}: {error}\n{notes}")
    result.tried.update(lives)
