"""What is at work while the power is cut: everything of ours that promises durability, and says so line by line.

A process of its own (`_serve` forks one for each cut): hub's database, outputs and blobs, a runner's spool, segments,
verdicts and exit files. A line on standard output is written after the promise was made and names it; `power_judge`
asks for each after the cut. What is stored follows from its number, so nothing else is needed.
"""

import asyncio
import hashlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from agent.ports.clock import Clock, SystemClock
from agent.ports.files import Disk, SystemDisk
from agent.segment_writer import SegmentWriter
from agent.segments import Stream
from agent.shim.exit_file import ExitFile, ExitRecord
from agent.shim.verdict import VerdictDesk
from agent.spool import Spool
from agent.wire import codec
from agent.wire.ids import ExecutionId
from agent.wire.words import ExitKind, VoidReason
from hub.storage.blobs.folder import FolderBlobs
from hub.storage.opening import open_store
from hub.storage.outputs import Outputs
from hub.storage.settling import end_process
from hub.storage.store import Store
from tests.storage import seeds
from tests.support.session import exe, fact

WORKSPACE = "wsp_" + "a" * 32
OUTPUT_BYTES = 200_000
_FRAME_BYTES = 7_000
_BLOB_BYTES = 30_000
_SEGMENT_BYTES = 64 * 1024 * 2
PER_ROUND = 10_000
"""Numbers of one round."""


def content(number: int, length: int) -> bytes:
    """The first bytes of what has this number."""
    return hashlib.shake_256(str(number).encode()).digest(length)


def row_name(number: int) -> str:
    """The workspace that has this number."""
    return f"wsp_{number}"


def segments_of(folder: Path, number: int) -> Path:
    """The runner's folder of this execution."""
    return folder / "executions" / exe(number)


def say(*words: object) -> None:
    """Tell a promise, in one write that nobody buffers: it must survive what comes next."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def _rows(store: Store, begin: int, step: int) -> None:
    for number in range(begin, begin + PER_ROUND, step):
        await store.write(seeds.workspace, row_name(number))
        say("row", number)


async def _facts(spool: Spool, number: int) -> None:
    for seq in range(1, PER_ROUND):
        await spool.add(fact(number, seq))
        say("fact", number, seq)


async def _outputs(outputs: Outputs, begin: int) -> None:
    numbers = {exe(number): number for number in range(begin, begin + PER_ROUND)}
    outputs.on_progress(lambda execution, _, safe: say("safe", numbers[execution], safe))
    for number in range(begin, begin + PER_ROUND):
        data = content(number, OUTPUT_BYTES)
        for start in range(0, OUTPUT_BYTES, _FRAME_BYTES):
            chunk = codec.Chunk(stream=codec.Stream.STDOUT, time_ms=start, data=data[start : start + _FRAME_BYTES])
            outputs.receive(
                WORKSPACE, codec.OutputFrame(execution_id=ExecutionId(exe(number)), start=start, chunks=(chunk,))
            )
            await asyncio.sleep(0.001)
        finished = await outputs.finish(WORKSPACE, exe(number))
        say("finished", number, finished.sha256)


def _blobs(blobs: FolderBlobs, begin: int) -> None:
    for number in range(begin, begin + PER_ROUND):
        say("blob", number, blobs.add([content(number, _BLOB_BYTES)]).sha256)


def _executions(folder: Path, disk: Disk, clock: Clock, begin: int) -> None:
    """What a shim makes durable of each execution: verdict, output, exit; every third is void."""
    desk = VerdictDesk(disk=disk, clock=clock)
    for number in range(begin, begin + PER_ROUND):
        home = segments_of(folder, number)
        disk.make_folder(home / "output")
        if number % 3 == 0:
            say("verdict", number, desk.link_void(home, VoidReason.UNFIT, "of the writer").nonce)
            continue
        exit_file = ExitFile(folder=home, disk=disk)
        exit_file.reserve()
        writer = SegmentWriter(folder=home / "output", disk=disk, cap_bytes=2**30, segment_bytes=_SEGMENT_BYTES)
        writer.open()
        data = content(number, OUTPUT_BYTES)
        for start in range(0, OUTPUT_BYTES, _FRAME_BYTES):
            writer.append(Stream.STDOUT, data[start : start + _FRAME_BYTES], 0, 0)
            if start % 3 == 0:
                writer.sync()
                say("synced", number, writer.length)
        writer.close(0)
        exit_file.write(_record(writer))
        say("exit", number, writer.length)


def _record(writer: SegmentWriter) -> ExitRecord:
    return ExitRecord(
        final=True, how=ExitKind.NORMAL, code=0, signal=None, error="", started_wall_ns=1, ended_wall_ns=2, cause=None,
        by="", last_step=None, signaled_by_stop=False, peak_memory_bytes=0, output_bytes=writer.length,
        output_sha256=writer.sha256, streams={},
    )  # fmt: skip


def _or_end(work: Callable[[], None]) -> None:
    """Do it; a disk that fails ends the process at once, and so does any other error."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


async def _write(folder: Path, begin: int) -> None:
    disk, clock = SystemDisk(), SystemClock()
    disk.make_folder(folder / "executions")
    outputs = Outputs(folder / "outputs", disk, on_fatal=end_process)
    await outputs.start()
    spool = await Spool.open(folder / "spool.db")
    blobs = FolderBlobs(folder / "blobs", disk)
    async with open_store(f"sqlite:///{folder / 'hub.db'}", clock=clock, perform=lambda _: None) as store:
        say("begun", begin)
        async with asyncio.TaskGroup() as group:
            for step in range(3):
                group.create_task(_rows(store, begin + step, 3))
            group.create_task(_facts(spool, begin))
            group.create_task(_outputs(outputs, begin))
            group.create_task(asyncio.to_thread(_or_end, lambda: _blobs(blobs, begin)))
            group.create_task(asyncio.to_thread(_or_end, lambda: _executions(folder, disk, clock, begin)))


def _serve() -> None:
    """Fork a writer for each line `FOLDER ROUND FILE`, print its pid, and wait for its end: no time goes to imports."""
    for line in sys.stdin:
        folder, number, said = line.split()
        pid = os.fork()
        if pid == 0:
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(out, 1)
            os.close(out)
            asyncio.run(_write(Path(folder), int(number) * PER_ROUND))
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    _serve()
