"""What this machine can do without us: the limits that stand beside our figures."""

import os
import subprocess
import time
from pathlib import Path

from tests.bench.figures import median

_ROUNDS = 50


def limits(folder: Path) -> dict[str, float]:
    """Milliseconds, medians of 50."""
    return {"fork_exec_ms": median(_fork_exec()), "fdatasync_ms": median(_fdatasync(folder / "limit"))}


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
