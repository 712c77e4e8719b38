"""Outputs: bytes as the bots wrote them, whole, by line, live, and through crashes (`core.md` §3)."""

import asyncio
import errno
import hashlib
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.ports.files import AppendFile, SystemDisk
from agent.wire.codec import Chunk, OutputFrame, Stream
from agent.wire.facts import Gap
from agent.wire.ids import ExecutionId
from agent.wire.words import GapReason
from hub.storage.outputs import End, Outputs, Piece
from hub.storage.outputs.sealed import OutputDamaged, SealedOutput
from tests.support.waiting import eventually

WORKSPACE = "wsp_" + "a" * 32
BOT = ExecutionId("exe_" + "1" * 32)


def frame(start: int, *data: bytes, stream: Stream = Stream.STDOUT, time_ms: int = 1) -> OutputFrame:
    chunks = tuple(Chunk(stream=stream, time_ms=time_ms, data=piece) for piece in data)
    return OutputFrame(execution_id=BOT, start=start, chunks=chunks)


def fail(error: BaseException) -> None:
    raise error


@pytest.fixture
async def outputs(tmp_path: Path) -> AsyncIterator[Outputs]:
    store = Outputs(tmp_path / "outputs", SystemDisk(), on_fatal=fail)
    await store.start()
    yield store
    await store.close()


async def reopened(tmp_path: Path) -> Outputs:
    store = Outputs(tmp_path / "outputs", SystemDisk(), on_fatal=fail)
    await store.start()
    return store


async def test_a_frame_that_overlaps_is_cut_and_a_hole_is_told(outputs: Outputs) -> None:
    """core.md §3: "An output frame applies iff `from` equals the stored length; an overlap is cut"; a hole is told."""
    assert outputs.receive(WORKSPACE, frame(0, b"hello ")).have == 6
    assert outputs.receive(WORKSPACE, frame(3, b"lo wor", b"ld\n")).have == 12
    assert outputs.receive(WORKSPACE, frame(0, b"hello ")).have == 12
    refused = outputs.receive(WORKSPACE, frame(13, b"later"))
    assert (refused.have, refused.hole) == (12, True)
    assert b"hello world\n" == await outputs.read_bytes(WORKSPACE, BOT, 0, 100)


async def test_safe_follows_have_and_survives_a_new_process(outputs: Outputs, tmp_path: Path) -> None:
    """G1: what was told `safe` is there after the process is gone, and nothing else is needed to read it."""
    outputs.receive(WORKSPACE, frame(0, b"one\n", b"two\n"))
    await eventually(lambda: outputs.position(WORKSPACE, BOT).safe == 8)
    shutil.copytree(tmp_path / "outputs", tmp_path / "crashed" / "outputs")

    after = await reopened(tmp_path / "crashed")
    assert (after.position(WORKSPACE, BOT).have, after.position(WORKSPACE, BOT).safe) == (8, 8)
    page = await after.read_lines(WORKSPACE, BOT, 0, 10)
    assert [b"one", b"two"] == [line.data for line in page.lines]
    assert after.receive(WORKSPACE, frame(8, b"three\n")).have == 14
    assert hashlib.sha256(b"one\ntwo\nthree\n").hexdigest() == (await after.finish(WORKSPACE, BOT)).sha256
    await after.close()


async def test_a_torn_journal_gives_back_every_whole_record(outputs: Outputs, tmp_path: Path) -> None:
    """R28: torn at every byte of the last record, only that record is dropped."""
    outputs.receive(WORKSPACE, frame(0, b"first\n"))
    await eventually(lambda: outputs.position(WORKSPACE, BOT).safe == 6)
    journal = next((tmp_path / "outputs" / "journal").glob("*.journal"))
    whole = journal.stat().st_size
    outputs.receive(WORKSPACE, frame(6, b"second\n"))
    await eventually(lambda: outputs.position(WORKSPACE, BOT).safe == 13)
    for size in range(whole, journal.stat().st_size):
        copy = tmp_path / f"torn{size}"
        shutil.copytree(tmp_path / "outputs", copy / "outputs")
        torn = copy / "outputs" / "journal" / journal.name
        torn.write_bytes(torn.read_bytes()[:size])
        after = await reopened(copy)
        assert after.position(WORKSPACE, BOT).have == 6
        await after.close()
        shutil.rmtree(copy)


async def test_lines_by_number_are_the_same_in_memory_segment_and_seal(outputs: Outputs, tmp_path: Path) -> None:
    """libraries.md: absolute line numbers, from the end too; any chunking, any place where the bytes stand."""
    rng = random.Random(4711)
    text = b"".join(b"line %d %s\n" % (n, b"x" * rng.randrange(80)) for n in range(9000)) + b"unfinished"
    lines = text.split(b"\n")
    position = 0
    while position < len(text):
        size = rng.randrange(1, 4000)
        outputs.receive(WORKSPACE, frame(position, text[position : position + size], time_ms=position))
        position += size

    async def check() -> None:
        for first in (0, 1, 17, 4500, 8999, 9000, 9001, -1, -3, -20000):
            page = await outputs.read_lines(WORKSPACE, BOT, first, 3)
            begin = max(0, len(lines) + first) if first < 0 else first
            assert page.total == len(lines)
            assert lines[begin : begin + 3] == [line.data for line in page.lines]
            for line in page.lines:
                assert text[line.offset : line.offset + len(line.data)] == line.data

    await check()
    finished = await outputs.finish(WORKSPACE, BOT)
    assert (finished.bytes, finished.lines) == (len(text), len(lines))
    assert finished.sha256 == hashlib.sha256(text).hexdigest()
    assert finished == await outputs.finish(WORKSPACE, BOT)
    await eventually((tmp_path / "outputs" / WORKSPACE / BOT / "sealed").exists)
    await check()
    await outputs.close()
    after = await reopened(tmp_path)
    assert finished == await after.finish(WORKSPACE, BOT)
    assert text[1000:300_000] == await after.read_bytes(WORKSPACE, BOT, 1000, 299_000)
    await after.close()


async def test_who_asked_for_the_end_may_be_gone(tmp_path: Path) -> None:
    """A connection that dies while its last fact is taken costs the hub nothing: the next one gets the answer."""
    # given a question that nobody waits for any more when the writer comes to it
    failures: list[BaseException] = []
    store = Outputs(tmp_path / "outputs", SystemDisk(), on_fatal=failures.append)
    assert store._writer.finish((WORKSPACE, BOT)).cancel()
    # when
    await store.start()
    store.receive(WORKSPACE, frame(0, b"hello\n"))
    # then
    async with asyncio.timeout(10):
        assert 6 == (await store.finish(WORKSPACE, BOT)).bytes
    await store.close()
    assert [] == failures


async def test_the_end_is_counted_again_after_the_seal_for_who_missed_the_answer(outputs: Outputs) -> None:
    """R21, core.md §3: a session that dies as `final` comes costs no output its truth; it is the next one that settles.

    Found by killing daemons: an output was sealed before anybody had its count, and counted as 0 bytes afterwards.
    """
    # given an output whose end was asked for by a session that is gone before the answer, and which is sealed by now
    outputs.receive(WORKSPACE, frame(0, b"all of it\n"))
    gone = asyncio.get_running_loop().create_task(outputs.finish(WORKSPACE, BOT))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await eventually(lambda: outputs._open(WORKSPACE, BOT).sealed)
    # when
    finished = await outputs.finish(WORKSPACE, BOT)
    # then
    assert (10, 1) == (finished.bytes, finished.lines)
    assert hashlib.sha256(b"all of it\n").hexdigest() == finished.sha256


async def test_a_finished_output_takes_no_more_bytes(outputs: Outputs) -> None:
    """P3: nothing follows `final`: what was counted and hashed is what stays, whoever still sends."""
    outputs.receive(WORKSPACE, frame(0, b"all of it\n"))
    finished = await outputs.finish(WORKSPACE, BOT)
    assert outputs.receive(WORKSPACE, frame(10, b"more")).have == 10
    assert finished == await outputs.finish(WORKSPACE, BOT)
    assert b"all of it\n" == await outputs.read_bytes(WORKSPACE, BOT, 0, 100)


async def test_a_follower_sees_every_byte_once_and_then_the_end(outputs: Outputs) -> None:
    """A viewer who comes late sees everything; nothing is fetched twice; the end is told (also over the seal)."""
    outputs.receive(WORKSPACE, frame(0, b"early "))
    seen: list[bytes] = []
    ends: list[int] = []

    async def follow() -> None:
        async for piece in outputs.subscribe(WORKSPACE, BOT, 0):
            if isinstance(piece, Piece):
                seen.append(piece.data)
            elif isinstance(piece, End):
                ends.append(piece.bytes)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await eventually(lambda: seen == [b"early "])
        outputs.receive(WORKSPACE, frame(6, b"late", stream=Stream.STDERR))
        await eventually(lambda: len(seen) == 2)
        await outputs.finish(WORKSPACE, BOT)
    assert (b"".join(seen), ends) == (b"early late", [10])


async def test_what_lies_behind_a_gap_follows_on_it(outputs: Outputs) -> None:
    """core.md §3: gap {from, to}: what is gone costs its own bytes only; offsets stay the runner's."""
    # given a range in the middle that the runner cannot send any more
    outputs.receive(WORKSPACE, frame(0, b"one\n"))
    outputs.gap(WORKSPACE, BOT, Gap(start=4, bytes=100_000, reason=GapReason.DAMAGED, resumed_at=100_004))

    # when it goes on behind it, and says the gap once more
    receipt = outputs.receive(WORKSPACE, frame(100_004, b"two\n"))
    outputs.gap(WORKSPACE, BOT, Gap(start=4, bytes=100_000, reason=GapReason.DAMAGED, resumed_at=100_004))

    # then
    assert (receipt.have, receipt.hole) == (100_008, False)
    assert b"two\n" == await outputs.read_bytes(WORKSPACE, BOT, 100_004, 100)
    finished = await outputs.finish(WORKSPACE, BOT)
    assert (finished.bytes, len(finished.gaps)) == (100_008, 1)


async def test_a_gap_is_kept_once(outputs: Outputs, tmp_path: Path) -> None:
    """G5: a dropped byte is counted in a gap record; told twice it is still one gap."""
    gap = Gap(start=3, bytes=10, reason=GapReason.DISK)
    outputs.receive(WORKSPACE, frame(0, b"abc"))
    outputs.gap(WORKSPACE, BOT, gap)
    outputs.gap(WORKSPACE, BOT, gap)
    assert (gap,) == (await outputs.finish(WORKSPACE, BOT)).gaps
    await outputs.close()
    after = await reopened(tmp_path)
    assert (gap,) == await after.gaps(WORKSPACE, BOT)
    await after.close()


class FullDisk(SystemDisk):
    """A disk that has no room in the journal until told otherwise."""

    def __init__(self) -> None:
        self.full = True

    def open_append(self, path: Path) -> AppendFile:
        file = super().open_append(path)
        if path.suffix != ".journal":
            return file
        disk = self
        write = file.write

        def guarded(data: bytes) -> None:
            if disk.full:
                write(data[:5])
                raise OSError(errno.ENOSPC, "no space left on device")
            write(data)

        file.write = guarded  # type: ignore[method-assign]  # a fault of the disk port
        return file


async def test_a_full_disk_is_waited_out_without_an_acknowledgement(tmp_path: Path) -> None:
    """R14: disk full: no ack; it recovers without restart and nothing is lost."""
    disk = FullDisk()
    store = Outputs(tmp_path / "outputs", disk, on_fatal=fail)
    await store.start()
    store.receive(WORKSPACE, frame(0, b"patience\n"))
    assert store.position(WORKSPACE, BOT).safe == 0
    disk.full = False
    await eventually(lambda: store.position(WORKSPACE, BOT).safe == 9)
    assert hashlib.sha256(b"patience\n").hexdigest() == (await store.finish(WORKSPACE, BOT)).sha256
    await store.close()


async def test_many_outputs_share_a_journal_and_files_are_dropped(outputs: Outputs, tmp_path: Path) -> None:
    """core.md §3: one shared journal a hub process, per-execution segments cut from it later."""
    block = b"0123456789abcde\n" * 4096
    bots = [ExecutionId(f"exe_{n:032x}") for n in range(20)]
    for round_ in range(80):
        for bot in bots:
            chunk = Chunk(stream=Stream.STDOUT, time_ms=round_, data=block)
            outputs.receive(WORKSPACE, OutputFrame(execution_id=bot, start=round_ * len(block), chunks=(chunk,)))
        await eventually(lambda: outputs.position(WORKSPACE, bots[-1]).safe >= round_ * len(block))  # noqa: B023
    sealed = [await outputs.finish(WORKSPACE, bot) for bot in bots]
    assert {hashlib.sha256(block * 80).hexdigest()} == {one.sha256 for one in sealed}
    assert len(list((tmp_path / "outputs" / "journal").glob("*.journal"))) <= 2


async def test_a_bit_that_flips_in_a_sealed_output_is_told_and_never_shown(outputs: Outputs, tmp_path: Path) -> None:
    """R29, G5: whichever byte of the file changes, what is read is what was written, or is refused."""
    data = random.Random(1).randbytes(4000) + b"line\n" * 3000
    outputs.receive(WORKSPACE, frame(0, data))
    await outputs.finish(WORKSPACE, BOT)
    path = tmp_path / "outputs" / WORKSPACE / BOT / "sealed"
    await eventually(path.exists)
    sound = path.read_bytes()
    told = 0
    for position in range(0, len(sound), 7):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        try:
            assert data == SealedOutput(path).read(0, len(data))
        except OutputDamaged:
            told += 1
    # Some bits of a header mean nothing to who reads it.
    assert told > len(sound) // 7 * 0.95


async def test_a_sealed_output_without_an_index_costs_nobody_else(outputs: Outputs, tmp_path: Path) -> None:
    """A runner's resume asks where each of its outputs stands: one that is damaged here must not end its session."""
    outputs.receive(WORKSPACE, frame(0, b"hello\n"))
    await outputs.finish(WORKSPACE, BOT)
    path = tmp_path / "outputs" / WORKSPACE / BOT / "sealed"
    await eventually(path.exists)
    path.write_bytes(b"zeros" + bytes(40))
    after = await reopened(tmp_path)
    assert after.position(WORKSPACE, BOT).have == 0
    assert after.receive(WORKSPACE, frame(0, b"again\n")).have == 0
    with pytest.raises(OutputDamaged, match="its index"):
        await after.read_bytes(WORKSPACE, BOT, 0, 100)
    await after.close()
