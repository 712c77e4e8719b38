"""The daemon killed at each change that the preparation of a build makes to the disk (R53)."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.builds.sealing import only_one
from tests.support.waiting import seconds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")
IN_MEMORY = Path("/dev/shm")
HOLDER = """
import asyncio, sys
from pathlib import Path
from agent.builds.sealing import only_one

async def main():
    async with only_one(Path(sys.argv[1])):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Path]:
    """A place for homes that dies quickly."""
    place = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.mark.timeout(240)
async def test_a_build_whose_preparation_was_killed_is_whole_or_made_again(homes: Path) -> None:
    """R53: tmp + fsync + rename + directory fsync: killed anywhere, no half build is called ready by the next daemon.

    It makes what is missing, and nothing that the killed one began is left behind.
    """
    command = (sys.executable, "-m", "tests.builds.dying_preparation", str(homes))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(seconds(60)):
        out, _ = await process.communicate()
    told = json.loads(out)
    assert [] == told["faults"]
    assert 60 < told["kills"] < 390
    # Killed in its very last step it is whole already.
    assert 1 <= told["called_ready"] <= 3


async def test_who_dies_while_an_environment_is_made_holds_up_nobody(tmp_path: Path) -> None:
    """R54: two preparations of one environment, one dies in it: its lock goes with it, and the other goes on."""
    lock = tmp_path / "key.lock"
    dies = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, str(lock), stdout=asyncio.subprocess.PIPE)
    assert dies.stdout is not None
    assert b"held\n" == await dies.stdout.readline()
    waits = asyncio.ensure_future(_once(lock))
    done, _ = await asyncio.wait({waits}, timeout=0.3)
    assert not done
    dies.send_signal(signal.SIGKILL)
    await dies.wait()
    async with asyncio.timeout(seconds(10)):
        await waits


async def _once(lock: Path) -> None:
    async with only_one(lock):
        pass
