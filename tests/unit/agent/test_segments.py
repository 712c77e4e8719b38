"""Segments: framing, following, random access, torn at every byte, damaged anywhere, a full disk (core.md §3)."""

import errno
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ports.files import AppendFile, SystemDisk
from agent.segment_reader import Reading, ReadState, SegmentReader, _Cursor
from agent.segment_writer import SegmentWriter
from agent.segments import (
    FRAME_DATA_MAX_BYTES,
    FRAME_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Frame,
    Gap,
    Piece,
    SegmentError,
    Stream,
    decode_frame,
    decode_segment_header,
    encode_frame,
    encode_segment_header,
)
from agent.wire.words import GapReason

NO_CAP = 1 << 40
OUT, ERR = Stream.STDOUT, Stream.STDERR


class QuickDisk(SystemDisk):
    """The machine's disk without its durability, which these tests do not ask about."""

    def sync_folder(self, path: Path) -> None:
        """Do nothing."""

    def open_append(self, path: Path) -> AppendFile:
        file = super().open_append(path)
        file.sync = lambda: None  # type: ignore[method-assign]  # no port says "do not wait"
        return file


def write(folder: Path, pieces: list[tuple[Stream, bytes]], segment_bytes: int = 1 << 24) -> SegmentWriter:
    """Write pieces as a shim does, to the end."""
    writer = SegmentWriter(folder=folder, disk=QuickDisk(), cap_bytes=NO_CAP, segment_bytes=segment_bytes)
    writer.open()
    for number, (stream, data) in enumerate(pieces):
        writer.append(stream, data, wall_ns=number, boot_ns=0)
    writer.close(0)
    return writer


def read_all(folder: Path, start: int = 0, limit: int = 1 << 20) -> list[Reading]:
    """Read to the end with a writer that is gone."""
    reader = SegmentReader(folder)
    readings = []
    try:
        while True:
            reading = reader.read_from(start, limit, is_writer_alive=False)
            readings.append(reading)
            start = reading.next_offset
            if reading.state is not ReadState.MORE:
                return readings
    finally:
        reader.close()


def data_of(readings: list[Reading]) -> bytes:
    return b"".join(piece.data for reading in readings for piece in reading.pieces if isinstance(piece, Piece))


def gaps_of(readings: list[Reading]) -> list[Gap]:
    return [piece for reading in readings for piece in reading.pieces if isinstance(piece, Gap)]


def test_a_frame_is_what_was_written() -> None:
    """Stream, time, offset and data come back."""
    frame = encode_frame(ERR, 7, 123, b"data")
    assert decode_frame(frame) == (Frame.WHOLE, len(frame), Piece(offset=7, stream=ERR, wall_ns=123, data=b"data"))


def test_zeros_are_no_frames() -> None:
    """The magic is not zero: what a power cut left zeroed is damage, not frames."""
    assert decode_frame(bytes(100))[0] is Frame.DAMAGED
    assert decode_frame(b"\0")[0] is Frame.DAMAGED
    assert decode_frame(b"")[0] is Frame.INCOMPLETE


def test_a_header_of_another_version_is_refused() -> None:
    """A daemon reads N, N-1, N-2 and nothing it does not know (core.md §2)."""
    header = encode_segment_header(5)
    assert decode_segment_header(header) == 5
    assert decode_segment_header(header[:-1]) is None
    with pytest.raises(SegmentError):
        decode_segment_header(b"XXXX" + header[4:])


@given(
    pieces=st.lists(st.tuples(st.sampled_from(Stream), st.binary(min_size=1, max_size=300)), max_size=30),
    segment_bytes=st.integers(200, 3000),
    start=st.integers(0, 2000),
    limit=st.integers(1, 500),
)
@settings(max_examples=60, deadline=None)
def test_any_offset_can_be_read(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[tuple[Stream, bytes]],
    segment_bytes: int,
    start: int,
    limit: int,
) -> None:
    """From each offset on, in pieces of each size, over any number of segments: the bytes that were written."""
    folder = tmp_path_factory.mktemp("output")
    writer = write(folder, pieces, segment_bytes)
    whole = b"".join(data for _, data in pieces)
    assert (writer.length, writer.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    start = min(start, len(whole))
    readings = read_all(folder, start, limit)
    assert data_of(readings) == whole[start:]
    assert gaps_of(readings) == []
    assert all(sum(len(p.data) for p in r.pieces if isinstance(p, Piece)) <= limit for r in readings)
    assert readings[-1].state is ReadState.END
    offset = start
    for piece in (piece for reading in readings for piece in reading.pieces if isinstance(piece, Piece)):
        assert piece.offset == offset
        offset += len(piece.data)


def test_a_large_piece_becomes_frames(tmp_path: Path) -> None:
    """No frame holds more than 64 KiB."""
    data = bytes(range(256)) * 1000
    write(tmp_path, [(OUT, data)])
    readings = read_all(tmp_path)
    assert data_of(readings) == data
    assert max(len(p.data) for r in readings for p in r.pieces if isinstance(p, Piece)) == FRAME_DATA_MAX_BYTES


def test_torn_at_every_byte_only_the_tail_is_lost(tmp_path: Path) -> None:
    """An incomplete tail means wait while the shim lives, torn after it died; the rest is whole (R28)."""
    pieces = [(OUT, b"first frame"), (ERR, b"second"), (OUT, b"third and last")]
    write(tmp_path, pieces)
    content = (tmp_path / "0.seg").read_bytes()
    ends = [SEGMENT_HEADER_BYTES]
    for _, data in pieces:
        ends.append(ends[-1] + FRAME_HEADER_BYTES + len(data))
    for size in range(len(content) + 1):
        (tmp_path / "0.seg").write_bytes(content[:size])
        kept = max((number for number, end in enumerate(ends) if end <= size), default=0)
        expected = b"".join(data for _, data in pieces[:kept])
        reader = SegmentReader(tmp_path)
        alive = reader.read_from(0, 1 << 20, is_writer_alive=True)
        reader.close()
        dead = read_all(tmp_path)
        assert data_of([alive]) == data_of(dead) == expected
        assert alive.state is ReadState.WAIT
        assert gaps_of(dead) == []
        is_clean = size in ends or size < SEGMENT_HEADER_BYTES
        assert dead[-1].state is (ReadState.END if is_clean else ReadState.TORN), size


@pytest.mark.parametrize("segment_bytes", [1 << 24, 90])
def test_each_flipped_bit_costs_its_frame_and_is_told(tmp_path: Path, segment_bytes: int) -> None:
    """A damaged frame is a gap of known size; what follows is read (R29)."""
    pieces = [(OUT, b"a" * 5), (OUT, b"b" * 6), (ERR, b"c" * 7), (OUT, b"d" * 8)]
    write(tmp_path, pieces, segment_bytes)
    whole = b"".join(data for _, data in pieces)
    for path in sorted(tmp_path.glob("*.seg")):
        content = path.read_bytes()
        for at in range(len(content)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
            readings = read_all(tmp_path)
            path.write_bytes(content)
            found = data_of(readings)
            missing = sum(gap.missing_bytes or 0 for gap in gaps_of(readings))
            # Everything is there, or told, or it was the last frame of a dead writer.
            is_tail = readings[-1].state is ReadState.TORN
            assert len(found) + missing == len(whole) or is_tail, (path, at)
            assert len(found) >= len(whole) - 8
            assert {gap.reason for gap in gaps_of(readings)} <= {GapReason.DAMAGED, GapReason.DELETED}


def test_a_follower_sees_each_byte_once(tmp_path: Path) -> None:
    """Following a writer, ring by ring, over a change of segments; gaps are told once."""
    writer = SegmentWriter(folder=tmp_path, disk=QuickDisk(), cap_bytes=NO_CAP, segment_bytes=300)
    writer.open()
    reader = SegmentReader(tmp_path)
    offset = 0
    seen: list[Piece | Gap] = []
    for number in range(40):
        writer.append(OUT, b"%03d " % number * 5, number, 0)
        reading = reader.read_from(offset, 1 << 20, is_writer_alive=True)
        assert reading.state is ReadState.WAIT
        seen.extend(reading.pieces)
        offset = reading.next_offset
        assert offset == writer.length
    again = reader.read_from(offset, 1 << 20, is_writer_alive=True)
    assert again.pieces == ()
    reader.close()
    writer.close(0)
    assert b"".join(piece.data for piece in seen if isinstance(piece, Piece)) == b"".join(
        b"%03d " % number * 5 for number in range(40)
    )


def test_what_is_written_between_two_looks_is_no_gap(tmp_path: Path) -> None:
    """A reader at the end of a segment may find the next one begun; what was written before it is read first."""
    writer = SegmentWriter(folder=tmp_path, disk=QuickDisk(), cap_bytes=NO_CAP, segment_bytes=300)
    writer.open()
    writer.append(OUT, b"a" * 50, 0, 0)

    class LateReader(SegmentReader):
        """Lets the writer go on between its look at the segment and its look for the next."""

        def _following(self, number: int) -> _Cursor | None:
            while writer.length < 500:
                writer.append(OUT, b"b" * 50, 0, 0)
            return super()._following(number)

    reader = LateReader(tmp_path)
    reading = reader.read_from(0, 1 << 20, is_writer_alive=True)
    reader.close()
    writer.close(0)
    assert data_of([reading]) == b"a" * 50 + b"b" * 450
    assert gaps_of([reading]) == []


@pytest.mark.parametrize("look", range(1, 6))
def test_lines_that_come_between_two_looks_are_no_damage(tmp_path: Path, look: int) -> None:
    """R29, C4: two lines of a bot between two looks at the file's end made the first of them a gap, for good."""
    writer = SegmentWriter(folder=tmp_path, disk=QuickDisk(), cap_bytes=NO_CAP)
    writer.open()
    writer.append(OUT, b"first\n", wall_ns=0, boot_ns=0)

    class HurriedReader(SegmentReader):
        """The writer goes on just before one of its looks."""

        looks = 0

        def _bytes_at(self, cursor: _Cursor, size: int | None) -> bytes:
            self.looks += 1
            if self.looks == look:
                for line in (b"second\n", b"third\n"):
                    writer.append(OUT, line, wall_ns=0, boot_ns=0)
            return super()._bytes_at(cursor, size)

    reader = HurriedReader(tmp_path)
    reading = reader.read_from(0, 1 << 20, is_writer_alive=True)
    rest = reader.read_from(reading.next_offset, 1 << 20, is_writer_alive=True)
    reader.close()
    writer.close(0)
    assert gaps_of([reading, rest]) == []
    assert b"first\nsecond\nthird\n".startswith(data_of([reading, rest]))


def test_deleted_segments_are_a_gap(tmp_path: Path) -> None:
    """Asked for an offset whose segment is gone: gap {from, to, reason: deleted} (core.md §3)."""
    write(tmp_path, [(OUT, bytes([65 + n]) * 100) for n in range(10)], segment_bytes=300)
    reader = SegmentReader(tmp_path)
    assert reader.remove_below(450) > 0
    assert reader.remove_below(450) == 0
    reading = reader.read_from(0, 50, is_writer_alive=False)
    start = min(piece.offset for piece in reading.pieces if isinstance(piece, Piece))
    assert reading.pieces[0] == Gap(offset=0, missing_bytes=start, reason=GapReason.DELETED, resumed_at=start)
    assert 0 < start <= 450
    assert reading.next_offset == start + 50
    assert reader.remove_below(1 << 40) > 0
    assert len(list(tmp_path.glob("*.seg"))) == 1
    reader.close()


class SmallDisk(QuickDisk):
    """A disk with room for so many bytes of segments, which keeps half of the write that no longer fits."""

    def __init__(self, room: int) -> None:
        self.room = room

    def open_new(self, path: Path) -> AppendFile:
        file = super().open_new(path)
        disk, plain_write = self, file.write

        def write(data: bytes) -> None:
            if len(data) > disk.room:
                half = data[: disk.room // 2]
                plain_write(half)
                raise OSError(errno.ENOSPC, "No space left on device")
            disk.room -= len(data)
            plain_write(data)

        file.write = write  # type: ignore[method-assign]  # the fake of a port, by wrapping the real one
        return file


def test_a_full_disk_is_a_counted_gap(tmp_path: Path) -> None:
    """Failed write: cut to the frame's start, go on, count; then a gap frame without an offset (core.md §3, R27)."""
    # given a disk with room for two frames
    disk = SmallDisk(SEGMENT_HEADER_BYTES + 2 * (FRAME_HEADER_BYTES + 10) + 5)
    writer = SegmentWriter(folder=tmp_path, disk=disk, cap_bytes=NO_CAP)
    writer.open()
    # when five pieces come, then room, then two more
    for number in range(5):
        writer.append(OUT, b"%d" % number * 10, number, boot_ns=0)
    disk.room = 10_000
    writer.append(OUT, b"5" * 10, 5, boot_ns=100)  # too early for another try
    writer.append(OUT, b"6" * 10, 6, boot_ns=300_000_000)
    writer.append(ERR, b"7" * 10, 7, boot_ns=300_000_001)
    writer.close(8)
    # then what was stored is whole, and what was not is counted
    readings = read_all(tmp_path)
    assert data_of(readings) == b"0" * 10 + b"1" * 10 + b"6" * 10 + b"7" * 10
    expected = Gap(offset=20, missing_bytes=40, reason=GapReason.DISK, resumed_at=20)
    assert gaps_of(readings) == writer.gaps == [expected]
    assert writer.dropped == {OUT: 40, ERR: 0}
    assert readings[-1].state is ReadState.END
    assert not (tmp_path / "reserve").exists()


class KeepingDisk(QuickDisk):
    """Removes nothing."""

    def remove(self, path: Path) -> None:
        """Answer EIO."""
        raise OSError(errno.EIO, "Input/output error", str(path))


def test_a_reserve_that_can_not_be_removed_costs_nothing_else(tmp_path: Path) -> None:
    """T5, R27: an unlink that answers EIO at the end of an output does not end the shim, and the output is whole."""
    writer = SegmentWriter(folder=tmp_path, disk=KeepingDisk(), cap_bytes=NO_CAP)
    writer.open()
    writer.append(OUT, b"all of it", 1, boot_ns=0)
    writer.close(2)
    assert data_of(read_all(tmp_path)) == b"all of it"
    assert writer.gaps == []


def test_a_disk_that_stays_full_is_told_by_the_writer(tmp_path: Path) -> None:
    """Without room even for the gap frame the count stands where the exit file takes it from."""
    disk = SmallDisk(SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 10)
    writer = SegmentWriter(folder=tmp_path, disk=disk, cap_bytes=NO_CAP)
    writer.open()
    for number in range(3):
        writer.append(OUT, b"%d" % number * 10, number, boot_ns=0)
    writer.close(3)
    assert data_of(read_all(tmp_path)) == b"0" * 10
    assert writer.gaps == [Gap(offset=10, missing_bytes=20, reason=GapReason.DISK, resumed_at=10)]


def test_safe_bytes_make_room_below_the_cap(tmp_path: Path) -> None:
    """Caps count unsafe bytes (core.md §3)."""
    writer = SegmentWriter(folder=tmp_path, disk=QuickDisk(), cap_bytes=20)
    writer.open()
    writer.append(OUT, b"0" * 20, 0, 0)
    writer.append(OUT, b"1" * 5, 1, 0)
    writer.note_safe(20)
    writer.append(OUT, b"2" * 20, 2, 0)
    writer.close(3)
    readings = read_all(tmp_path)
    assert data_of(readings) == b"0" * 20 + b"2" * 20
    assert [(gap.offset, gap.missing_bytes, gap.reason) for gap in gaps_of(readings)] == [(20, 5, GapReason.CAP)]


def test_sync_is_due_after_250_ms(tmp_path: Path) -> None:
    """Segments are synced every 250 ms or 256 KiB (P4)."""
    writer = SegmentWriter(folder=tmp_path, disk=QuickDisk(), cap_bytes=NO_CAP)
    writer.open()
    assert writer.sync_due_ns is None
    writer.append(OUT, b"x", 0, boot_ns=1000)
    writer.append(OUT, b"y", 0, boot_ns=2000)
    assert writer.sync_due_ns == 1000 + 250_000_000
    writer.sync()
    assert writer.sync_due_ns is None
    writer.append(OUT, b"z" * 300_000, 0, boot_ns=3000)
    assert writer.sync_due_ns is None or writer.sync_due_ns >= 3000
    writer.close(0)
