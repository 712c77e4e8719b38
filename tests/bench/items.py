"""How fast items go through a queue: a real hub, eight consumers in processes of their own, over HTTP.

`python -m tests.bench.items [COUNT] [--postgres] [--seconds S]` measures these alone. The consumers share the machine
with the hub, so what the hub itself spends is told too: its CPU time, user and system, for each item.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support.postgres import run_server
from tests.support.rig import Rig

_CONSUMERS = 8
_PROCESSES = 2


async def measure(folder: Path, count: int, seconds: float, database: str = "") -> dict[str, float]:
    """`count` items imported from a file, then taken and completed one by one and in batches for so long each."""
    folder.mkdir(exist_ok=True)
    rig = Rig(folder)
    if database:
        rig.hub.command += ["--database", database]
    async with rig:
        await rig.botyard("queue", "create", "bench")
        table = folder / "items.csv"
        table.write_text("number,name\n" + "".join(f"{number},name {number}\n" for number in range(count)))
        began, cpu = time.monotonic(), _cpu_s(rig)
        await rig.botyard("item", "import", "bench", str(table), "--reference", "number", within=300)
        measured = {
            "items_import_s": time.monotonic() - began,
            "items_import_hub_us": (_cpu_s(rig) - cpu) * 1e6 / count,
        }
        for how in ("one", "batch"):
            measured |= await _consumed(rig, how, seconds)
    return measured


async def _consumed(rig: Rig, how: str, seconds: float) -> dict[str, float]:
    key = (rig.data / "admin-token").read_text().strip().encode()
    each = str(_CONSUMERS // _PROCESSES)
    command = [sys.executable, "-m", "tests.bench.item_load", rig.url, how, each, str(seconds)]
    children = [
        await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=rig.env
        )
        for _ in range(_PROCESSES)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(key)
        child.stdin.close()
    for child in children:
        assert child.stdout is not None
        await child.stdout.readline()
    cpu = _cpu_s(rig)
    told = []
    for child in children:
        out, _ = await child.communicate()
        told.append(json.loads(out))
    done = sum(one["done"] for one in told)
    return {
        f"items_{how}_per_s": sum(one["done"] / one["seconds"] for one in told),
        f"items_{how}_hub_us": (_cpu_s(rig) - cpu) * 1e6 / done,
        f"items_{how}_client_us": sum(one["cpu_s"] for one in told) * 1e6 / done,
    }


def _cpu_s(rig: Rig) -> float:
    """What the hub's process has used by now, user and system."""
    times = psutil.Process(rig.hub.pid).cpu_times()
    return times.user + times.system


@contextlib.contextmanager
def _database(*, postgres: bool) -> Iterator[str]:
    """The address of a durable PostgreSQL of our own, or nothing: the hub's own file."""
    if not postgres:
        yield ""
        return
    with run_server(durable=True) as server:
        yield server.new_database()


def main() -> None:
    """The measurement alone."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.items", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="botyard-bench-") as folder, _database(postgres=options.postgres) as url:
        print(json.dumps(asyncio.run(measure(Path(folder), options.count, options.seconds, url)), indent=2))


if __name__ == "__main__":
    main()
