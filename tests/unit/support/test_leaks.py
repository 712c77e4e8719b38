"""The leak check sees what it says it sees."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.leaks import leaked_tasks, no_leaks

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
# Starts a sleeper in a session of its own, prints its pid and ends: what a careless daemon does.
DOUBLE_FORK = (
    "import subprocess, sys; "
    f"quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
    f"print(subprocess.Popen({SLEEPER!r}, start_new_session=True, **quiet).pid)"
)


def test_a_clean_block_passes(tmp_path: Path) -> None:
    with no_leaks(within=1):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        (tmp_path / "file").write_text("x")


def test_a_child_that_lives_on_is_told() -> None:
    with pytest.raises(AssertionError, match=r"process \d+ .*time.sleep"), no_leaks(within=0.2):
        child = subprocess.Popen(SLEEPER)
    child.kill()
    child.wait()


def test_an_orphan_in_a_session_of_its_own_is_told() -> None:
    """A double fork with setsid ends under this process, not out of sight under init."""
    pid = 0
    with pytest.raises(AssertionError, match=r"process \d+ .*time.sleep"), no_leaks(within=0.2):
        pid = int(subprocess.run([sys.executable, "-c", DOUBLE_FORK], capture_output=True, check=True).stdout)
    subprocess.run(["kill", "-9", str(pid)], check=True)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are listed by /proc")
def test_an_open_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"descriptor \d+ -> .*kept"), no_leaks(within=0.2):
        file = (tmp_path / "kept").open("w")
    file.close()


def test_a_thread_is_told() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name="forgotten")
    with pytest.raises(AssertionError, match="thread forgotten"), no_leaks(within=0.2):
        thread.start()
    gate.set()
    thread.join()


async def test_a_task_is_told() -> None:
    task = asyncio.create_task(asyncio.sleep(60), name="forgotten")

    assert any("forgotten" in name for name in leaked_tasks())

    task.cancel()
