"""`python -m tests.bench [--quick] [--json]`."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.bench import machine, work
from tests.bench.figures import table
from tests.support.rig import Rig


async def measure(folder: Path, *, quick: bool) -> dict[str, float]:
    """All figures, one after another, on one hub and one runner."""
    measured = machine.limits(folder)
    rig = Rig(folder)
    begin = work.now()
    async with rig:
        measured["hub_start_s"] = work.now() - begin
        await rig.add_runner("bench", "--slots", "4")
        async with work.Bench(rig) as bench:
            measured |= await bench.dispatch(20 if quick else 200)
            measured |= await bench.throughput(100 if quick else 1000)
            measured |= await bench.live(40 if quick else 400)
            measured |= await bench.lines(200_000 if quick else 1_000_000)
            measured |= await bench.idle(3 if quick else 30)
            measured |= bench.memory()
    return measured


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first look in a quarter of a minute")
    parser.add_argument("--json", action="store_true", help="one flat object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="botyard-bench-") as folder:
        measured = asyncio.run(measure(Path(folder), quick=options.quick))
    sys.stdout.write((json.dumps(measured) if options.json else table(measured)) + "\n")


if __name__ == "__main__":
    main()
