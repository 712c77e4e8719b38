"""A disk that is short, or that fails, costs output its bytes and says so; it never costs the bot (core.md §3, G9)."""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from agent.ports.files import AppendFile, SystemDisk
from agent.segment_reader import SegmentReader
from agent.segment_writer import SegmentWriter
from agent.segments import Gap, Piece, Stream
from agent.wire.words import GapReason

P = ParamSpec("P")
T = TypeVar("T")
SECOND = 1_000_000_000
LOOK = SECOND // 4


class Disk(SystemDisk):
    """A disk whose room, syncs and cuts obey the test."""

    def __init__(self) -> None:
        self.free = 10**12
        self.looks = 0
        self.fails: set[str] = set()

    def free_bytes(self, path: Path) -> int:
        self.looks += 1
        return self.free

    def open_new(self, path: Path) -> AppendFile:
        file = super().open_new(path)
        for name in ("sync", "truncate", "write"):
            setattr(file, name, self._guarded(name, getattr(file, name)))
        return file

    def _guarded(self, name: str, act: Callable[P, T]) -> Callable[P, T]:
        def guarded(*given: P.args, **named: P.kwargs) -> T:
            if name in self.fails:
                raise OSError(errno.EIO, "Input/output error")
            return act(*given, **named)

        return guarded


def writer_on(folder: Path, disk: Disk, *, keep_free: int = 0, cap: int = 10**9) -> SegmentWriter:
    """A writer that has begun."""
    writer = SegmentWriter(folder=folder, disk=disk, cap_bytes=cap, keep_free_bytes=keep_free)
    writer.open()
    return writer


def content(folder: Path) -> tuple[bytes, list[Gap]]:
    """All that can be read back."""
    reader = SegmentReader(folder)
    pieces = reader.read_from(0, 10**9, is_writer_alive=False).pieces
    reader.close()
    data = b"".join(piece.data for piece in pieces if isinstance(piece, Piece))
    return data, [piece for piece in pieces if isinstance(piece, Gap)]


def test_the_last_gigabyte_is_left_to_others(tmp_path: Path) -> None:
    """P4: "keep 1 GiB of disk free": output is dropped and counted while less is free, then goes on (core.md §3)."""
    disk = Disk()
    writer = writer_on(tmp_path, disk, keep_free=1000)
    writer.append(Stream.STDOUT, b"before\n", 1, 0)
    disk.free = 999
    # it is not asked for each line
    writer.append(Stream.STDOUT, b"not yet seen\n", 1, LOOK - 1)
    assert disk.looks == 1
    for number in range(10):
        writer.append(Stream.STDERR, b"x" * 100, 1, LOOK + number)
    assert disk.looks == 2
    disk.free = 1000
    writer.append(Stream.STDOUT, b"after\n", 1, 3 * LOOK)
    writer.close(1)
    assert content(tmp_path) == (
        b"before\nnot yet seen\nafter\n",
        [Gap(offset=20, missing_bytes=1000, reason=GapReason.DISK, resumed_at=20)],
    )
    assert writer.dropped == {Stream.STDOUT: 0, Stream.STDERR: 1000}


def test_the_cap_counts_what_the_hub_does_not_have(tmp_path: Path) -> None:
    """core.md §3: caps count unsafe bytes; at its cap the shim drops and counts, and goes on when the hub has more."""
    writer = writer_on(tmp_path, Disk(), cap=100)
    writer.append(Stream.STDOUT, b"a" * 90, 1, 0)
    writer.append(Stream.STDOUT, b"b" * 90, 1, 0)
    writer.note_safe(90)
    writer.append(Stream.STDOUT, b"c" * 90, 1, 0)
    writer.close(1)
    gap = Gap(offset=90, missing_bytes=90, reason=GapReason.CAP, resumed_at=90)
    assert content(tmp_path) == (b"a" * 90 + b"c" * 90, [gap])
    assert [gap] == writer.gaps


def test_at_its_cap_a_small_piece_does_not_slip_in_between_large_ones(tmp_path: Path) -> None:
    """What is missing is one hole, not a row of them: output goes on when a whole frame has room again."""
    writer = writer_on(tmp_path, Disk(), cap=100)
    writer.append(Stream.STDOUT, b"a" * 60, 1, 0)
    for _ in range(3):
        writer.append(Stream.STDOUT, b"b" * 50, 1, 0)
        writer.append(Stream.STDOUT, b"c" * 5, 1, 0)
    writer.note_safe(60)
    writer.append(Stream.STDOUT, b"d" * 5, 1, 0)
    writer.close(1)
    gap = Gap(offset=60, missing_bytes=165, reason=GapReason.CAP, resumed_at=60)
    assert content(tmp_path) == (b"a" * 60 + b"d" * 5, [gap])


def test_a_failed_sync_costs_neither_the_bot_nor_what_can_be_read(tmp_path: Path) -> None:
    """G9: what is believed durable is doubtful from the last good sync on; output goes on in a segment of its own."""
    disk = Disk()
    writer = writer_on(tmp_path, disk)
    writer.append(Stream.STDOUT, b"durable\n", 1, 0)
    writer.sync()
    writer.append(Stream.STDOUT, b"doubtful\n", 1, SECOND)
    disk.fails = {"sync"}
    writer.sync()
    disk.fails = set()
    assert (writer.doubtful_from, writer.sync_due_ns) == (8, None)
    writer.append(Stream.STDOUT, b"on\n", 1, 2 * SECOND)
    writer.close(1)
    assert content(tmp_path) == (b"durable\ndoubtful\non\n", [])
    assert hashlib.sha256(b"durable\ndoubtful\non\n").hexdigest() == writer.sha256
    assert ["0.seg", "1.seg"] == sorted(path.name for path in tmp_path.glob("*.seg"))


def test_a_write_that_cannot_be_taken_back_is_found_by_its_reader(tmp_path: Path) -> None:
    """core.md §3: short or failed write: truncate, go on reading, count; where not even that works, a gap says it."""
    disk = Disk()
    writer = writer_on(tmp_path, disk)
    writer.append(Stream.STDOUT, b"whole\n", 1, 0)
    disk.fails = {"write", "truncate"}
    writer.append(Stream.STDOUT, b"lost\n", 1, 0)
    disk.fails = set()
    writer.append(Stream.STDOUT, b"again\n", 1, SECOND)
    writer.close(1)
    data, gaps = content(tmp_path)
    assert b"whole\nagain\n" == data
    assert [5] == [gap.missing_bytes for gap in gaps]
    assert 0 == writer.doubtful_from
