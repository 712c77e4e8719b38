"""The part `completions`: the link is cut between a report and its acknowledgement, a thousand times (R47).

The test is `tests/runners/test_cut_completions.py`; here it has more rounds, a batch at a time, each with a hub anew.
"""

from tests.reliability.batch import pytest_batch
from tests.reliability.part import Options, PartResult

FILE = "tests/runners/test_cut_completions.py"
AIM = 1_000
BATCH = 200
_BATCH_S = 900


def run(options: Options) -> PartResult:
    """Batches until there were as many cuts as asked for."""
    promise = "R47, D7, D8: cut between report and acknowledgement: reported once, settled once, by what the bot said"
    result = PartResult(name="completions", promise=promise)
    aim, batch = options.count(AIM), 0
    while result.tried["cuts"] < aim and not result.failures and not options.is_time_up():
        batch += 1
        _batch(result, options, min(BATCH, aim - result.tried["cuts"]), batch)
        options.say(f"completions: {result.tried['cuts']} of {aim} cuts, {len(result.failures)} failures")
    if result.tried["cuts"] < aim:
        result.notes.append(f"{result.tried['cuts']} of {aim} cuts were tried")
    return result


def _batch(result: PartResult, options: Options, cuts: int, batch: int) -> None:
    done = pytest_batch(result, options, f"batch {batch}", [FILE], {"BOTYARD_TEST_CUTS": str(cuts)}, _BATCH_S)
    if done is not None and not done.returncode:
        result.tried["cuts"] += cuts
