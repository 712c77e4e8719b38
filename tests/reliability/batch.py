"""A batch of a campaign: tests of the suite, run by pytest in a process of their own, with larger figures."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.reliability.part import Options, PartResult
from tests.reliability.requirements import ROOT


def pytest_batch(
    result: PartResult,
    options: Options,
    where: str,
    arguments: Sequence[str],
    figures: Mapping[str, str],
    limit_s: float,
) -> "subprocess.CompletedProcess[str] | None":
    """Run pytest with `arguments` and `figures` as variables, for at most `limit_s`; keep what it printed.

    None when it was not over in time, which is a failure unless the campaign's own time was up; a failed test is one,
    too. Each is told under `where`. The tests have no limits of their own: a machine that does other things is slow.
    """
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--timeout=0", *arguments]
    within = max(60.0, min(limit_s, options.deadline - time.monotonic()))
    env = {**os.environ, **figures}
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=within)
    except subprocess.TimeoutExpired:
        if options.is_time_up():
            result.notes.append(f"{where} was cut off: time was up")
        else:
            result.fail(where, f"not over within {within:.0f} s: something hangs")
        return None
    log = options.folder / f"{result.name}-{where.replace(' ', '-')}.log"
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        result.fail(where, f"exit code {done.returncode}: {done.stdout[-4000:]}{done.stderr[-1000:]}")
    return done
