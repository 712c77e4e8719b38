"""What power may leave at the ends of a segment's files costs nothing that was acknowledged."""

import contextlib
from pathlib import Path

from agent.ports.files import SystemDisk
from agent.wire.facts import Gap
from agent.wire.words import GapReason
from hub.storage.outputs.records import Record, RecordKind
from hub.storage.outputs.segment import Segment, SegmentReader, read_gaps
from tests.support.session import exe

_ENTRY_BYTES = 33


def _record(start: int, data: bytes, kind: RecordKind = RecordKind.DATA) -> Record:
    return Record(
        kind=kind, workspace_id="wsp_" + "a" * 32, execution_id=exe(1), start=start, time_ms=1, stream=1, data=data
    )


def _append(folder: Path, *records: Record) -> int:
    """Add them with a fresh segment, as each cut does; the bytes that were there before."""
    with contextlib.closing(Segment(folder, SystemDisk())) as segment:
        before = segment.length
        segment.append(records)
    return before


def test_an_index_that_ends_with_zeros_keeps_all_before_them(tmp_path: Path) -> None:
    """R16, R28: a file may have grown before its bytes were there; at every length of such an end."""
    for zeros in range(1, 2 * _ENTRY_BYTES + 1):
        folder = tmp_path / str(zeros)
        _append(folder, _record(0, b"one\n"), _record(4, b"two\n"))
        for name in ("index", "data"):
            path = folder / name
            path.write_bytes(path.read_bytes() + bytes(zeros))
        before = _append(folder, _record(8, b"three\n"))
        assert (zeros, before) == (zeros, 8)
        reader = SegmentReader(folder)
        assert reader.read(0, 100) == b"one\ntwo\nthree\n"
        assert [reader.chunks[number].line for number in range(len(reader.chunks))] == [0, 1, 2]


def test_a_torn_line_of_gaps_does_not_swallow_the_next(tmp_path: Path) -> None:
    """G5, R28: the torn gap stands in the journal still, and comes again behind it, at every length of the rest."""
    gap = Gap(start=4, bytes=7, reason=GapReason.DISK)
    line = gap.model_dump_json().encode()
    for length in range(1, len(line) + 1):
        folder = tmp_path / str(length)
        _append(folder, _record(0, b"one\n"))
        (folder / "gaps").write_bytes(line[:length])
        _append(folder, _record(4, line, RecordKind.GAP))
        assert (length, [gap]) == (length, read_gaps(folder))
