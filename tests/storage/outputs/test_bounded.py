"""Memory of received output is bounded while the disk is slow, and holes of any size are filled (P9, C12)."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.ports.files import AppendFile, SystemDisk
from agent.wire.codec import Chunk, OutputFrame, Stream
from agent.wire.facts import Gap
from agent.wire.ids import ExecutionId
from agent.wire.words import GapReason
from hub.storage.outputs import Outputs
from hub.storage.outputs import outputs as module
from tests.support.waiting import eventually

WORKSPACE = "wsp_" + "a" * 32
FRAME_BYTES = 64 * 1024
MIB = 1024 * 1024


class SlowDisk(SystemDisk):
    """A disk whose journal stands still until it is let go."""

    def __init__(self) -> None:
        self.goes = threading.Event()

    def open_append(self, path: Path) -> AppendFile:
        file = super().open_append(path)
        if path.suffix == ".journal":
            sync = file.sync

            def slow() -> None:
                self.goes.wait()
                sync()

            file.sync = slow  # type: ignore[method-assign]  # a fault of the disk port
        return file


class Sender:
    """A runner's lane of one output: sends in order, goes back where it is asked to."""

    def __init__(self, outputs: Outputs, number: int, size: int) -> None:
        self.execution_id = ExecutionId(f"exe_{number:032x}")
        self.data = hashlib.sha256(b"%d" % number).digest() * (size // 32)
        self._outputs = outputs
        self._sent = 0

    def send(self, size: int) -> bool:
        """The next frames, up to so many bytes; whether the hub took all of them."""
        took = True
        end = min(len(self.data), self._sent + size)
        while self._sent < end:
            data = self.data[self._sent : min(end, self._sent + FRAME_BYTES)]
            chunks = (Chunk(stream=Stream.STDOUT, time_ms=1, data=data),)
            receipt = self._outputs.receive(
                WORKSPACE, OutputFrame(execution_id=self.execution_id, start=self._sent, chunks=chunks)
            )
            assert not receipt.hole
            took = took and not receipt.refused
            self._sent += len(data)
        return took

    def again(self, start: int) -> None:
        """The hub asks for what it refused."""
        assert start <= self._sent
        self._sent = start
        self.send(len(self.data))


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[tuple[SlowDisk, Outputs]]:
    """Outputs on a disk that stands still."""
    disk = SlowDisk()
    outputs = Outputs(tmp_path / "outputs", disk, on_fatal=lambda error: pytest.fail(str(error)))
    await outputs.start()
    yield disk, outputs
    disk.goes.set()
    await outputs.close()


def unsafe(outputs: Outputs, senders: list[Sender]) -> int:
    """Bytes that are received and not durable."""
    positions = [outputs.position(WORKSPACE, one.execution_id) for one in senders]
    return sum(one.have - one.safe for one in positions)


async def test_what_is_not_durable_is_bounded_however_many_send(
    slow: tuple[SlowDisk, Outputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9: at most 256 MiB a hub (here 8), windows shrink before; what was refused is asked for; nothing is lost."""
    disk, outputs = slow
    monkeypatch.setattr(module, "_UNSAFE_MAX_BYTES", 2 * MIB)
    monkeypatch.setattr(module, "_REFUSE_BYTES", 8 * MIB)
    senders = [Sender(outputs, number, MIB) for number in range(24)]
    by_id = {one.execution_id: one for one in senders}
    outputs.on_again(lambda execution_id, start: by_id[ExecutionId(execution_id)].again(start))
    # when 24 MiB come, and the disk takes nothing
    took = [one.send(MIB) for one in senders]
    # then a third of it is kept, and the windows of those stand still
    assert 8 == sum(took)
    assert 8 * MIB == unsafe(outputs, senders)
    # and when the disk goes on, all of it is asked for, and whole
    disk.goes.set()
    await eventually(lambda: all(outputs.position(WORKSPACE, one.execution_id).safe == MIB for one in senders))
    for one in senders:
        assert hashlib.sha256(one.data).hexdigest() == (await outputs.finish(WORKSPACE, one.execution_id)).sha256


async def test_a_large_hole_is_filled_without_being_held_in_memory(slow: tuple[SlowDisk, Outputs]) -> None:
    """core.md §3: asked for an offset that is gone: gap deleted; 70 MiB of NULs stand for it, 8 MiB at a time."""
    disk, outputs = slow
    sender = Sender(outputs, 1, MIB)
    outputs.on_again(lambda _, start: sender.again(start - 70 * MIB))
    gap = Gap(start=0, bytes=70 * MIB, reason=GapReason.DELETED, resumed_at=70 * MIB)
    outputs.gap(WORKSPACE, sender.execution_id, gap)
    # when the disk stands still, no more is held than a little
    assert 8 * MIB == unsafe(outputs, [sender])
    frame = OutputFrame(
        execution_id=sender.execution_id,
        start=70 * MIB,
        chunks=(Chunk(stream=Stream.STDOUT, time_ms=1, data=b"behind\n"),),
    )
    assert outputs.receive(WORKSPACE, frame).refused
    asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    outputs._again[:] = [lambda _, start: asked.set_result(start)]
    disk.goes.set()
    assert 70 * MIB == await asked
    outputs.receive(WORKSPACE, frame)
    finished = await outputs.finish(WORKSPACE, sender.execution_id)
    assert (70 * MIB + 7, (gap,)) == (finished.bytes, finished.gaps)
    assert b"\0\0behind\n" == await outputs.read_bytes(WORKSPACE, sender.execution_id, 70 * MIB - 2, 100)
