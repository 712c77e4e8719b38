"""The spool's process killed again and again: what was acknowledged is there, and the file is whole (G1, G9, R16)."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.spool import Spool
from tests.support.session import exe

ROUNDS = 8
WRITER = """
import asyncio, sys
from pathlib import Path
from agent.spool import Spool
from tests.support.session import exe, fact

async def main():
    spool = await Spool.open(Path(sys.argv[1]))
    begin = int(sys.argv[2])

    async def add(number):
        await spool.add(fact(1, number))
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()

    for number in range(begin, begin + 100000, 4):
        await asyncio.gather(*(add(number + more) for more in range(4)))

asyncio.run(main())
"""


@pytest.mark.slow
async def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    """G1: a fact is durable before `add` returns; kill -9 in the middle of groups, many times."""
    path, acknowledged = tmp_path / "spool.db", set[int]()
    repository = Path(__file__).parents[2]
    for round_ in range(ROUNDS):
        # given a writer that says what is durable
        writer = subprocess.Popen(  # noqa: ASYNC220 - a test may wait for a fork
            [sys.executable, "-c", WRITER, str(path), str(round_ * 100000 + 1)],
            stdout=subprocess.PIPE,
            cwd=repository,
            env=os.environ | {"PYTHONPATH": str(repository)},
        )
        assert writer.stdout is not None
        for _ in range(20 + 7 * round_):
            acknowledged.add(int(await asyncio.to_thread(writer.stdout.readline)))

        # when
        writer.send_signal(signal.SIGKILL)
        rest = await asyncio.to_thread(writer.stdout.read)
        writer.stdout.close()
        writer.wait()
        acknowledged |= {int(line) for line in rest.split(b"\n")[:-1]}

        # then
        spool = await Spool.open(path)
        kept = {fact.seq for fact in await spool.read(exe(1)) if fact.is_intact()}
        await spool.close()
        assert acknowledged <= kept
