"""Segments to frames: consecutive bytes, gaps between them, lengths after a crash (`core.md` §3, R28)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.output import Follower
from agent.ports import SystemDisk
from agent.segment_writer import SegmentWriter
from agent.segments import SEGMENT_HEADER_BYTES, Stream
from agent.wire.codec import Stream as WireStream
from agent.wire.facts import Gap
from agent.wire.words import GapReason


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SegmentWriter]:
    """A writer of small segments."""
    writer = SegmentWriter(folder=tmp_path, disk=SystemDisk(), cap_bytes=1024 * 1024, segment_bytes=200)
    writer.open()
    yield writer
    writer.close(0)


def write(writer: SegmentWriter, *pieces: bytes, stream: Stream = Stream.STDOUT) -> None:
    """Append pieces."""
    for piece in pieces:
        writer.append(stream, piece, 7_000_000, 0)


def test_what_was_written_is_read_by_offset_and_limit(writer: SegmentWriter, tmp_path: Path) -> None:
    """Offsets count data bytes; a limit cuts anywhere."""
    write(writer, b"hello ", b"world")
    write(writer, b"!", stream=Stream.STDERR)
    follower = Follower(tmp_path)
    first = follower.read(0, 8, is_writer_alive=True)
    rest = follower.read(8, 100, is_writer_alive=True)
    assert b"".join(chunk.data for chunk in first.chunks) == b"hello wo"
    assert [(chunk.stream, chunk.data) for chunk in rest.chunks] == [
        (WireStream.STDOUT, b"rld"),
        (WireStream.STDERR, b"!"),
    ]
    assert (first.end, rest.end, rest.next_offset) == (8, 12, 12)
    assert rest.chunks[0].time_ms == 7
    follower.close()


def test_nothing_new_is_nothing(writer: SegmentWriter, tmp_path: Path) -> None:
    """It never waits."""
    follower = Follower(tmp_path)
    empty = follower.read(0, 10, is_writer_alive=True)
    assert (empty.chunks, empty.gaps, empty.next_offset) == ([], [], 0)
    write(writer, b"x")
    assert follower.read(0, 10, is_writer_alive=True).end == 1
    follower.close()


def test_segments_that_are_gone_are_a_gap_and_a_frame_of_its_own_follows(writer: SegmentWriter, tmp_path: Path) -> None:
    """§3: asked for an offset that is gone: gap {deleted}; a frame holds consecutive bytes only."""
    # given three segments, of which the hub has the first two for good
    write(writer, *[b"x" * 100] * 6)
    follower = Follower(tmp_path)
    before = len(list(tmp_path.glob("*.seg")))
    assert follower.delete_before(350) > 0
    assert len(list(tmp_path.glob("*.seg"))) < before

    # when
    batch = follower.read(0, 1000, is_writer_alive=True)

    # then
    (gap,) = batch.gaps
    assert (gap.start, gap.reason, gap.bytes) == (0, GapReason.DELETED, gap.resumed_at)
    assert (batch.chunks, batch.next_offset) == ([], gap.resumed_at)
    assert follower.read(batch.next_offset, 1000, is_writer_alive=True).end == 600
    follower.close()


def test_dropped_bytes_are_a_gap_that_takes_no_offset(tmp_path: Path) -> None:
    """G5: counted."""
    writer = SegmentWriter(folder=tmp_path, disk=SystemDisk(), cap_bytes=10)
    writer.open()
    write(writer, b"x" * 8, b"y" * 8)
    writer.close(0)
    follower = Follower(tmp_path)
    batch = follower.read(0, 100, is_writer_alive=False)
    assert batch.gaps == [Gap(start=8, bytes=8, reason=GapReason.CAP)]
    assert batch.end == 8
    follower.close()


def test_length_is_that_of_the_last_whole_frame_at_every_torn_end(writer: SegmentWriter, tmp_path: Path) -> None:
    """R28: torn at every byte offset: only the tail is dropped."""
    write(writer, b"hello", b"world")
    path = tmp_path / "0.seg"
    data = path.read_bytes()
    follower = Follower(tmp_path)
    assert follower.length() == 10
    lengths = set()
    for size in range(SEGMENT_HEADER_BYTES, len(data)):
        path.write_bytes(data[:size])
        lengths.add(follower.length())
    assert lengths == {0, 5}
    assert Follower(tmp_path / "nothing").length() == 0


def test_what_a_bot_puts_among_the_segments_is_passed_over(writer: SegmentWriter, tmp_path: Path) -> None:
    """Same-user mode: a pipe is not waited for, a link not followed; "²" is a digit for Python, and no number (S38)."""
    write(writer, b"whole")
    (tmp_path / "².seg").write_bytes(b"")
    (tmp_path / "٣.seg").write_bytes(b"")
    (tmp_path / "7.seg").mkdir()
    os.mkfifo(tmp_path / "8.seg")
    (tmp_path / "9.seg").symlink_to("/dev/zero")
    with (tmp_path / "10.seg").open("wb") as file:
        file.truncate(1 << 36)
    follower = Follower(tmp_path)
    assert follower.length() == 5
    batch = follower.read(0, 100, is_writer_alive=False)
    assert b"".join(chunk.data for chunk in batch.chunks) == b"whole"
    follower.close()
