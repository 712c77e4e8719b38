"""What this machine can do without us: the limits that stand beside our figures."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.figures import median

_ROUNDS = 50


def limits(folder: Path) -> dict[str, float]:
    """Milliseconds, medians of 50."""
    return {"fork_exec_ms": median(_fork_exec()), "fdatasync_ms": median(_fdatasync(folder / "limit"))}


def print_alone(program: str, lines: int) -> dict[str, float]:
    """Lines a second of a Python program that prints them unbuffered into a pipe which somebody else empties.

    The program finds their number in `BOTYARD_PARAM_LINES`, as a bot does.
    """
    env = {**os.environ, "BOTYARD_PARAM_LINES": str(lines)}
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, env=env) as bot:
        subprocess.run(["cat"], stdin=bot.stdout, stdout=subprocess.DEVNULL, check=True)
    return {"print_alone_per_s": lines / (time.perf_counter() - begin)}


def _fork_exec() -> list[float]:
    taken = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        subprocess.run(["/bin/true"], check=True)
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def _fdatasync(path: Path) -> list[float]:
    taken = []
    with path.open("ab") as file:
        for _ in range(_ROUNDS):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begin) * 1000)
    return taken
