"""The part `fuzz`: decoders of everything that a peer, a disk or an older program left, with many examples (R28, R29).

The tests are those of `tests/property`; here hypothesis tries far more examples, a batch at a time, each batch under
a seed of its own.
"""

import re
from collections.abc import Sequence

from tests.reliability.batch import pytest_batch
from tests.reliability.part import Options, PartResult

FILES = ("tests/property/test_decoders.py", "tests/property/test_damaged_files.py")
"""The second flips every bit there is; that is done once."""
AIM = 20_000
"""Examples of each test that takes them."""
BATCH = 2_000
_BATCH_S = 1800
_TRIED = re.compile(r"(\d+) passing, (\d+) failing")
_PASSED = re.compile(r"(\d+) passed")


def run(options: Options) -> PartResult:
    """Batches until there were as many examples of each test as asked for."""
    promise = "P2, R28, R29, S8: what is torn, flipped, zeroed or noise is refused, or says only what was written"
    result = PartResult(name="fuzz", promise=promise)
    aim, done, batch = options.count(AIM), 0, 0
    while done < aim and not options.is_time_up():
        size = min(BATCH, aim - done)
        _batch(result, options, size, options.seed + batch, FILES[: 1 if batch else None])
        done, batch = done + size, batch + 1
        options.say(f"fuzz: {done} of {aim} examples of each test, {len(result.failures)} failures")
        if result.failures:
            break  # the same failure would come in each batch
    if done < aim:
        result.notes.append(f"{done} of {aim} examples of each test were tried")
    return result


def _batch(result: PartResult, options: Options, size: int, seed: int, files: Sequence[str]) -> None:
    seeded = ["--hypothesis-profile=campaign", f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"]
    figures = {"BOTYARD_FUZZ_EXAMPLES": str(size)}
    done = pytest_batch(result, options, f"seed {seed}", [*files, *seeded], figures, _BATCH_S)
    if done is None:
        return
    counted = examples(done.stdout)
    result.tried["examples"] += counted
    result.tried["tests"] += int(found[1]) if (found := _PASSED.search(done.stdout)) else 0
    if not done.returncode and not counted:
        result.fail(f"seed {seed}", "hypothesis tried no example")


def examples(statistics: str) -> int:
    """How many examples hypothesis says that it tried."""
    return sum(int(passing) + int(failing) for passing, failing in _TRIED.findall(statistics))
