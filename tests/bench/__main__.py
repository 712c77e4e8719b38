"""`python -m tests.bench [--quick] [--json]`."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import connections, desktops, items, machine, placement, starts, triggers, work
from tests.bench.figures import table
from tests.bench.masking import masking
from tests.support.rig import Rig


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How much of each is measured."""

    dispatch: int = 200
    tasks: int = 1000
    live: int = 400
    lines: int = 1_000_000
    prints: int = 300_000
    idle_s: float = 30
    starts: int = 3
    masking_s: float = 1.0
    placed: int = 1000
    triggers: int = 10_000
    trigger_s: float = 60
    herd: int = 1000
    items: int = 100_000
    items_s: float = 5
    watched_s: float = 20
    plain: int = 1000
    tls: int = 1000


QUICK = Rounds(
    dispatch=20,
    tasks=100,
    live=40,
    lines=200_000,
    prints=30_000,
    idle_s=8,
    starts=1,
    masking_s=0.2,
    placed=200,
    triggers=1000,
    trigger_s=10,
    herd=200,
    items=5000,
    items_s=2,
    watched_s=5,
    plain=250,
    tls=0,
)


async def measure(folder: Path, rounds: Rounds) -> dict[str, float]:
    """All figures, one after another: the machine's own, then one hub and one runner, then many connections."""
    measured = machine.limits(folder) | starts.python_start() | machine.print_alone(work.PRINT, rounds.prints)
    measured |= await starts.websocket_round_trip() | await starts.zygote() | masking(rounds.masking_s)
    rig = Rig(folder)
    async with rig:
        await rig.add_runner("bench", "--slots", "4")
        measured |= await starts.daemon_start(rig, rounds.starts)
        async with work.Bench(rig) as bench:
            measured |= await bench.dispatch(rounds.dispatch)
            measured |= await bench.throughput(rounds.tasks)
            measured |= await bench.live(rounds.live)
            measured |= await bench.lines(rounds.lines)
            measured |= await bench.prints(rounds.prints, rounds.prints / measured["print_alone_per_s"])
            measured |= await bench.idle(rounds.idle_s)
            measured |= bench.memory()
        measured |= await starts.hub_start(rig, rounds.starts)
    measured |= await placement.measure(folder, rounds.placed)
    measured |= await triggers.lateness(folder, rounds.triggers, rounds.trigger_s)
    measured |= await triggers.herd(folder, rounds.herd)
    measured |= await items.measure(folder / "items", rounds.items, rounds.items_s)
    measured |= await desktops.measure(folder / "desk", rounds.watched_s)
    if rounds.plain:
        measured["kb_per_connection"] = await connections.measure(rounds.plain, tls=False)
    if rounds.tls:
        measured["kb_per_connection_tls"] = await connections.measure(rounds.tls, tls=True)
    return measured


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first look in half a minute, without TLS connections")
    parser.add_argument("--json", action="store_true", help="one flat object")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="botyard-bench-") as folder:
        measured = asyncio.run(measure(Path(folder), QUICK if options.quick else Rounds()))
    measured["bench_s"] = time.monotonic() - began
    sys.stdout.write((json.dumps(measured) if options.json else table(measured)) + "\n")


if __name__ == "__main__":
    main()
