"""Small files that decide: whatever flips, is torn or zeroed, they say what was written or are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.checked import DamagedError, seal, unseal
from agent.folders import ORDER_NAME, StoredOrder, read_order, write_order
from agent.ports import SystemDisk
from agent.shim.exit_file import EXIT_NAME, ExitFile, ExitFileError, ExitRecord, StreamEnd, read_exit
from agent.shim.order import ShimOrder, Stamp
from agent.shim.verdict import VERDICT_NAME, VerdictDesk, VerdictError
from agent.wire.words import ExitKind
from tests.support.clock import FakeClock

DISK = SystemDisk()
CLOCK = FakeClock()
RECORD = ExitRecord(
    final=True,
    how=ExitKind.NORMAL,
    code=7,
    signal=None,
    error="",
    started_wall_ns=1,
    ended_wall_ns=2,
    cause=None,
    by="",
    last_step=None,
    signaled_by_stop=False,
    peak_memory_bytes=3,
    output_bytes=4,
    output_sha256="a" * 64,
    streams={"stdout": StreamEnd(ended=True, read_bytes=4, dropped_bytes=0)},
)


def write_exit(folder: Path) -> Callable[[], object]:
    file = ExitFile(folder=folder, disk=DISK)
    file.reserve()
    file.write(RECORD)
    file.release()
    return lambda: read_exit(folder, DISK)


def write_verdict(folder: Path) -> Callable[[], object]:
    desk = VerdictDesk(disk=DISK, clock=CLOCK)
    now = Stamp.of(CLOCK)
    order = ShimOrder(
        execution_id="exe_1", fence=3, nonce="n" * 32, folder=str(folder), argv=("x",), env={}, cwd="/", permit=now
    )
    desk.link_started(order, 12, "start")
    return lambda: desk.read(folder)


def write_stored(folder: Path) -> Callable[[], object]:
    execution_id, task_id = "exe_" + "1" * 32, "tsk_" + "2" * 32
    order = StoredOrder(execution_id=execution_id, task_id=task_id, fence=3, slot=0, boot_id="boot")
    write_order(folder, order, DISK)
    return lambda: read_order(folder, DISK) or "refused"


FILES = {EXIT_NAME: write_exit, VERDICT_NAME: write_verdict, ORDER_NAME: write_stored}


@pytest.mark.parametrize("name", FILES)
def test_no_flipped_bit_becomes_another_outcome(tmp_path: Path, name: str) -> None:
    """core.md D1, §4, R29: a code 7 that reads as 5, a `void` that reads as `started`, a fence of another attempt."""
    read = FILES[name](tmp_path)
    path, truth = tmp_path / name, read()
    sound = path.read_bytes()
    for position in range(len(sound.rstrip())):
        for bit in range(8):
            spoiled = bytearray(sound)
            spoiled[position] ^= 1 << bit
            path.write_bytes(spoiled)
            assert said(read) in {"refused", str(truth)}, (position, bit)


@pytest.mark.parametrize("name", FILES)
def test_torn_or_zeroed_at_every_byte_is_refused(tmp_path: Path, name: str) -> None:
    """R28: a tail that is missing, or that the file system filled with zeros, at every offset."""
    read = FILES[name](tmp_path)
    path = tmp_path / name
    sound = path.read_bytes().rstrip()
    for size in range(len(sound)):
        for tail in (b"", bytes(len(sound) - size)):
            path.write_bytes(sound[:size] + tail)
            assert said(read) == "refused", (size, bool(tail))


def said(read: Callable[[], object]) -> str:
    """What a reader makes of the file."""
    try:
        return str(read())
    except (ExitFileError, VerdictError):
        return "refused"


def test_blanks_behind_a_checksum_are_allowed() -> None:
    """An exit file fills the room that was kept for it."""
    assert unseal(seal(b'{"a": 1}') + b" " * 100 + b"\n") == b'{"a": 1}'
    with pytest.raises(DamagedError):
        unseal(b'{"a": 1}')
