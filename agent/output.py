"""Output from segment files to frames for the hub, by offset (`core.md` §3).

`SegmentReader` reads what a shim has written so far, forwards, and starts anew where it is told to: the position is
that of a data byte, as everywhere. It never waits; the shim's doorbell says when there is more. An incomplete frame at
the end means *not yet* while the shim lives. A damaged one is a gap up to the next segment, or to the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from agent.segments import (
    FRAME_DATA_MAX_BYTES,
    FRAME_HEADER_BYTES,
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
from agent.wire.words import GapReason

_READ_BYTES = FRAME_HEADER_BYTES + FRAME_DATA_MAX_BYTES
_STREAMS = {Stream.STDOUT: WireStream.STDOUT, Stream.STDERR: WireStream.STDERR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file, and the offset of its first byte."""

    number: int
    path: Path
    start: int


@dataclass(slots=True, kw_only=True)
class Batch:
    """What was read: consecutive chunks from ``start`` on, then perhaps a gap behind them."""

    start: int
    chunks: list[Chunk] = field(default_factory=list)
    gap: Gap | None = None

    @property
    def size(self) -> int:
        """Data bytes."""
        return sum(len(chunk.data) for chunk in self.chunks)

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.start + self.size


class SegmentReader:
    """Reads the output of one execution. Not for two users at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segment: Segment | None = None
        self._position = 0
        """Where in the segment the next frame begins; its first bytes may have been given out already."""
        self._expected = -1
        """The offset at which the next `read` goes on without seeking; -1 before the first."""
        self._is_damaged = False
        """The rest of this segment cannot be read, and that was told."""

    def read(self, start: int, limit: int) -> Batch:
        """At most `limit` bytes from offset `start` on; empty when they are not written yet.

        Bytes that are gone are a gap with ``resumed_at``; a gap frame, which takes no offset, is reported each time that
        reading passes it.
        """
        batch = Batch(start=start)
        if start != self._expected and not self._seek(start):
            first = next(self.segments(), None)
            if first is not None:
                batch.gap = _lost(start, first.start, GapReason.DELETED)
            return batch
        while batch.size < limit and batch.gap is None and self._next(batch, limit):
            pass
        resumed_at = batch.gap.resumed_at if batch.gap else None
        self._expected = batch.end if resumed_at is None else resumed_at
        return batch

    def delete_before(self, offset: int) -> int:
        """Remove segments whose bytes all lie before `offset`; the last one stays. Returns how many went."""
        gone = [one for one, after in pairwise(self.segments()) if after.start <= offset]
        for segment in gone:
            segment.path.unlink(missing_ok=True)
        return len(gone)

    def segments(self) -> Iterator[Segment]:
        """Readable segments in order."""
        numbers = sorted(int(path.stem) for path in self._folder.glob("*.seg") if path.stem.isdigit())
        for number in numbers:
            segment = self._open(number)
            if segment is not None:
                yield segment

    def length(self) -> int:
        """Offset behind the last whole frame."""
        segments = list(self.segments())
        if not segments:
            return 0
        end = segments[-1].start
        for piece in _frames(segments[-1].path.read_bytes()):
            if isinstance(piece, Piece):
                end = piece.offset + len(piece.data)
        return end

    # --- inside ------------------------------------------------------------------------------------------------------

    def _seek(self, start: int) -> bool:
        """Stand at the first frame of the segment that holds `start`; False when it is gone or not there yet."""
        below = [segment for segment in self.segments() if segment.start <= start]
        if not below:
            return False
        self._enter(below[-1])
        return True

    def _enter(self, segment: Segment) -> None:
        self._segment = segment
        self._position = SEGMENT_HEADER_BYTES
        self._is_damaged = False

    def _next(self, batch: Batch, limit: int) -> bool:
        """Take the next frame into the batch; False when there is none now."""
        if self._segment is None:
            return False
        if self._is_damaged:
            return self._go_on(self._segment.number, batch)
        kind, length, content = self._look(self._segment)
        if kind is Frame.INCOMPLETE:
            return self._go_on(self._segment.number, batch)
        if kind is Frame.DAMAGED or content is None:
            self._is_damaged = True
            if self._open(self._segment.number + 1) is None:
                batch.gap = Gap(start=batch.end, bytes=None, reason=GapReason.DAMAGED)
            return True
        if isinstance(content, SegmentGap):
            self._position += length
            if content.offset >= batch.end:
                batch.gap = wire_gap(content)
            return True
        return self._take(batch, content, length, limit)

    def _look(self, segment: Segment) -> tuple[Frame, int, Piece | SegmentGap | None]:
        with segment.path.open("rb") as file:
            file.seek(self._position)
            return decode_frame(file.read(_READ_BYTES))

    def _take(self, batch: Batch, piece: Piece, length: int, limit: int) -> bool:
        if piece.offset > batch.end:
            # No shim writes this: something between was lost.
            batch.gap = _lost(batch.end, piece.offset, GapReason.DAMAGED)
            return True
        data = piece.data[batch.end - piece.offset :][: limit - batch.size]
        if data:
            stamp = piece.wall_ns // 1_000_000
            batch.chunks.append(Chunk(stream=_STREAMS[piece.stream], time_ms=stamp, data=data))
        if batch.end < piece.offset + len(piece.data):
            return False
        self._position += length
        return True

    def _go_on(self, number: int, batch: Batch) -> bool:
        """At the end of a file go on in the next one, where there is one."""
        following = self._open(number + 1)
        if following is None:
            return False
        if following.start > batch.end:
            if not self._is_damaged and self._segment and self._look(self._segment)[0] is Frame.WHOLE:
                # Written between two looks: the next segment was begun after it.
                return True
            batch.gap = _lost(batch.end, following.start, GapReason.DAMAGED)
        self._enter(following)
        return True

    def _open(self, number: int) -> Segment | None:
        path = self._folder / segment_name(number)
        try:
            with path.open("rb") as file:
                start = decode_segment_header(file.read(SEGMENT_HEADER_BYTES))
        except (FileNotFoundError, SegmentError):
            return None
        return None if start is None else Segment(number=number, path=path, start=start)


def wire_gap(gap: SegmentGap) -> Gap:
    """A gap of the exit file or of a gap frame, as the hub is told."""
    resumed_at = gap.resumed_at if gap.resumed_at > gap.offset else None
    return Gap(start=gap.offset, bytes=gap.missing_bytes, reason=gap.reason, resumed_at=resumed_at)


def _lost(start: int, end: int, reason: GapReason) -> Gap:
    return Gap(start=start, bytes=end - start, reason=reason, resumed_at=end)


def _frames(data: bytes) -> Iterator[Piece | SegmentGap]:
    position = SEGMENT_HEADER_BYTES
    while position < len(data):
        kind, length, content = decode_frame(data, position)
        if kind is not Frame.WHOLE or content is None:
            return
        yield content
        position += length
