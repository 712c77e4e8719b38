"""Output from segment files to frames for the hub, by offset (`core.md` §3).

`Follower` gives what may be sent next: consecutive bytes, and the gaps among them. It never waits: the shim's doorbell
says when there is more, the session's windows how much of it may go.
"""

from dataclasses import dataclass, field
from pathlib import Path

from agent.ports.files import Disk, SystemDisk
from agent.segment_reader import READ_MAX_BYTES, SegmentReader, segment_numbers
from agent.segments import (
    SEGMENT_HEADER_BYTES,
    Frame,
    Piece,
    SegmentError,
    Stream,
    decode_frame,
    decode_segment_header,
    segment_name,
)
from agent.segments import Gap as SegmentGap
from agent.wire.codec import Chunk
from agent.wire.codec import Stream as WireStream
from agent.wire.facts import Gap

_STREAMS = {Stream.STDOUT: WireStream.STDOUT, Stream.STDERR: WireStream.STDERR}


@dataclass(slots=True, kw_only=True)
class Batch:
    """Consecutive chunks from ``start`` on, and gaps at or behind them; reading goes on at ``next_offset``."""

    start: int
    next_offset: int
    chunks: list[Chunk] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.start + sum(len(chunk.data) for chunk in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where an output ends on disk."""

    offset: int
    """Behind the last whole frame that can be read."""
    is_torn: bool
    """Whether a part of a frame stands there; where none does, what came next was taken away with its segment."""


class Follower:
    """Reads the output of one execution. Not for two users at once."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk or SystemDisk()
        self._reader = SegmentReader(folder, self._disk)

    def read(self, start: int, limit: int, *, is_writer_alive: bool) -> Batch:
        """At most `limit` bytes from offset `start` on; nothing when they are not written yet. Raises OSError."""
        reading = self._reader.read_from(start, limit, is_writer_alive=is_writer_alive)
        batch = Batch(start=start, next_offset=reading.next_offset)
        for piece in reading.pieces:
            if isinstance(piece, SegmentGap):
                batch.gaps.append(wire_gap(piece))
                if piece.resumed_at > piece.offset:
                    # What lies behind the hole goes into a frame of its own.
                    batch.next_offset = piece.resumed_at
                    break
            else:
                stamp = piece.wall_ns // 1_000_000
                batch.chunks.append(Chunk(stream=_STREAMS[piece.stream], time_ms=stamp, data=piece.data))
        return batch

    def delete_before(self, offset: int) -> int:
        """Remove segments whose bytes all lie before `offset`; returns the bytes freed on disk. Raises OSError."""
        return self._reader.remove_below(offset)

    def sync(self) -> None:
        """Make durable what can be read there, in place of a writer that is gone. Raises OSError."""
        numbers = segment_numbers(self._folder, self._disk)
        for number in numbers:
            path = self._folder / segment_name(number)
            try:
                self._disk.open_regular(path).close()
            except OSError:
                continue
            file = self._disk.open_append(path)
            try:
                file.sync()
            finally:
                file.close()
        if numbers:
            self._disk.sync_folder(self._folder)

    def length(self) -> int:
        """Offset behind the last whole frame on disk that can be read."""
        return self.end().offset

    def end(self) -> End:
        """Where the output ends on disk, and whether anything stands behind that."""
        for number in reversed(segment_numbers(self._folder, self._disk)):
            try:
                file = self._disk.open_regular(self._folder / segment_name(number))
            except OSError:
                # It went meanwhile, or a bot of our own user put something else there.
                continue
            try:
                end = _end_of(file.read_at(0, READ_MAX_BYTES))
            finally:
                file.close()
            if end is not None:
                return end
        return End(offset=0, is_torn=False)

    def close(self) -> None:
        """Close the file that is open, if one is."""
        self._reader.close()


def wire_gap(gap: SegmentGap) -> Gap:
    """A gap of the segments or of the exit file, as the hub is told."""
    resumed_at = gap.resumed_at if gap.resumed_at > gap.offset else None
    return Gap(start=gap.offset, bytes=gap.missing_bytes, reason=gap.reason, resumed_at=resumed_at)


def _end_of(data: bytes) -> End | None:
    """The end of one segment; None when not even its start can be read."""
    try:
        start = decode_segment_header(data)
    except SegmentError:
        start = None
    if start is None:
        return None
    end = start
    position = SEGMENT_HEADER_BYTES
    while position < len(data):
        kind, length, content = decode_frame(data, position)
        if kind is not Frame.WHOLE:
            break
        if isinstance(content, Piece):
            end = content.offset + len(content.data)
        position += length
    return End(offset=end, is_torn=position < len(data))
