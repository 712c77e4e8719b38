"""`python -m tests.check [--fast] [--only NAME]`: every check of the project, three at a time.

Prints a line for each check with its time and what it used of the processors, the output of those that failed, the
counts per database engine, and last the plain line `N passed, N failed, N skipped` over all tests and checks. Exits
with 1 when anything failed, a forbidden skip included.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tests.check.jobs import ROOT, Job, all_jobs
from tests.check.skips import LIST, Result, forbidden, in_ci, parse
from tests.support import postgres
from tests.support.counts import ENGINES

_AT_ONCE = 3
"""The machines of the project, CI's included, have two cores; many tests wait for processes and clocks."""
_LIMIT_S = 1500
_NO_TESTS = 5  # pytest's exit code when all were deselected


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job that ended."""

    job: Job
    is_ok: bool
    took_s: float
    used_s: float
    """Of the processors, by it and its children."""
    output: str
    results: tuple[Result, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and return the exit code."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="botyard-check-", ignore_cleanup_errors=True) as folder:
        jobs = all_jobs(Path(folder), fast=options.fast)
        jobs = [job for job in jobs if not options.only or any(name in job.name for name in options.only)]
        if not jobs:
            print("no check has that name", file=sys.stderr)
            return 2
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            ended = list(pool.map(_run, jobs))
    return _report(ended)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.check", description="Run every check of the project.")
    parser.add_argument("--fast", action="store_true", help="leave out the suites and tests that take long")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only checks with NAME in their name; repeatable"
    )
    return parser


def _run(job: Job) -> Ended:
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            job.command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "120"},
        )
        ender = threading.Timer(_LIMIT_S, process.kill)
        ender.start()
        # Not `wait`: only this tells what it and all its children used of the processors.
        _, status, used = os.wait4(process.pid, 0)
        ender.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read().decode(errors="replace")
    if process.returncode == -signal.SIGKILL:
        output += f"\nended after {_LIMIT_S} s"
    ended = Ended(
        job=job,
        is_ok=_is_ok(job, process.returncode),
        took_s=time.monotonic() - start,
        used_s=used.ru_utime + used.ru_stime,
        output=output,
        results=tuple(_results(job)),
    )
    state = "ok  " if ended.is_ok else "FAIL"
    times = f"{ended.took_s:6.1f} s {ended.used_s:6.1f} s CPU"
    print(f"{state} {job.name:<28} {times}  {_summary(ended)}", flush=True)
    return ended


def _is_ok(job: Job, code: int) -> bool:
    return code == 0 or (job.counts is not None and code == _NO_TESTS)


def _results(job: Job) -> list[Result]:
    if job.counts is None or not job.counts.exists():
        return []
    return [Result(**json.loads(line)) for line in job.counts.read_text().splitlines()]


def _summary(ended: Ended) -> str:
    counts = Counter(result.outcome for result in ended.results)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped") if counts[outcome])


def _report(ended: Sequence[Ended]) -> int:
    """Print what went wrong and all the counts; return the exit code."""
    for one in ended:
        if not one.is_ok:
            print(f"\n===== {one.job.name} =====\n{one.output.rstrip()}")
    results = [result for one in ended for result in one.results]
    bad_skips = forbidden(results, parse(LIST.read_text()), has_postgres=postgres.is_available(), in_ci=in_ci())
    print()
    for skip in bad_skips:
        print(f"may not be skipped: {skip.test}: {skip.reason}")
    results = [replace(result, outcome="failed") if result in bad_skips else result for result in results]
    for engine in ENGINES:
        print(f"{engine}: {_line(Counter(result.outcome for result in results if result.engine == engine))}")
    total = Counter(result.outcome for result in results)
    # A check that is not a suite counts as one; so does a suite that died without a failed test to show for it.
    for one in ended:
        if one.job.counts is None:
            total["passed" if one.is_ok else "failed"] += 1
        elif not one.is_ok and not any(result.outcome == "failed" for result in one.results):
            total["failed"] += 1
    print(_line(total))
    return 1 if total["failed"] else 0


def _line(counts: "Counter[str]") -> str:
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


if __name__ == "__main__":
    sys.exit(main())
