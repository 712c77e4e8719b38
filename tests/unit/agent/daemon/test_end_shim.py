"""Who is killed when a stop has no effect (`core.md` D10)."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from agent.daemon.watch import end_shim
from agent.process import same_process, start_of
from agent.shim.exit_file import ExitFile, ExitRecord
from agent.shim.order import ShimOrder, Stamp
from agent.shim.verdict import VerdictKind
from agent.shims import SystemShims
from agent.wire.words import ExitKind
from tests.support.shims import CLOCK, DESK, DISK

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes of Linux")


@pytest.fixture
def shim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is somebody's shim."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def keeper_of(folder: Path, shim: "subprocess.Popen[bytes]") -> "Keeper":
    """What is asked of the keeper of an execution that this shim was given."""
    order = ShimOrder(
        execution_id=folder.name,
        fence=1,
        nonce=secrets.token_hex(16),
        folder=str(folder),
        argv=("true",),
        env=dict(os.environ),
        cwd=str(folder),
        permit=Stamp.of(CLOCK),
    )
    verdict = DESK.link_started(order, shim.pid, start_of(shim.pid) or "")
    assert verdict.kind is VerdictKind.STARTED
    house = SimpleNamespace(disk=DISK, verdicts=DESK, shims=SystemShims())
    return cast("Keeper", SimpleNamespace(folder=folder, house=house, execution_id=folder.name))


def write_exit(folder: Path, *, final: bool) -> None:
    """The shim's exit file."""
    record = ExitRecord(
        final=final,
        how=ExitKind.NORMAL,
        code=0,
        signal=None,
        error="",
        started_wall_ns=1,
        ended_wall_ns=2,
        cause=None,
        by="",
        last_step=None,
        signaled_by_stop=False,
        peak_memory_bytes=0,
        output_bytes=0,
        output_sha256="0" * 64,
        streams={},
    )
    ExitFile(folder=folder, disk=DISK).write(record)


async def test_a_shim_that_serves_another_bot_by_now_lives(tmp_path: Path, shim: "subprocess.Popen[bytes]") -> None:
    """An exit that waits for room on a full disk is not disobedience: its shim came back, and has another order."""
    keeper = keeper_of(tmp_path, shim)
    write_exit(tmp_path, final=True)
    await end_shim(keeper)
    assert shim.poll() is None
    assert same_process(shim.pid, start_of(shim.pid) or "")


@pytest.mark.parametrize("is_exited", [False, True])
async def test_a_shim_that_does_not_obey_is_killed(
    tmp_path: Path, shim: "subprocess.Popen[bytes]", *, is_exited: bool
) -> None:
    """Nothing is told of its bot, or its main process has ended and the tree has not."""
    keeper = keeper_of(tmp_path, shim)
    if is_exited:
        write_exit(tmp_path, final=False)
    await end_shim(keeper)
    assert shim.wait(10) == -9
