"""The reading side of `agent/segments.py`: follows an output while it grows, or reads it from any offset.

    reader = SegmentReader(folder / "output")
    reading = reader.read_from(offset, 65536, is_writer_alive=True)
    reading.pieces        Piece and Gap, in order; the first begins at `offset`
    reading.next_offset   where to read next
    reading.state         MORE: read on · WAIT: until the next doorbell · END, TORN: nothing will come any more

Read on at `next_offset` and no gap is told twice; read from anywhere else and each gap at or after that offset is told.
Asked for an offset whose segment is gone, the answer begins with a gap `deleted` (core.md §3). A damaged frame costs
its own bytes only (R29): the next frame that is whole tells by its offset how many are missing.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from agent.ports.files import Disk, ReadFile, SystemDisk
from agent.segments import (
    FRAME_DATA_MAX_BYTES,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_MAGIC,
    SEGMENT_BYTES,
    SEGMENT_HEADER_BYTES,
    Frame,
    Gap,
    Piece,
    SegmentError,
    SegmentVersionError,
    decode_frame,
    decode_segment_header,
    segment_name,
)
from agent.wire.words import GapReason

_BUFFER_BYTES = 4 * (FRAME_DATA_MAX_BYTES + FRAME_HEADER_BYTES)
_MARK_EVERY_BYTES = 512 * 1024
READ_MAX_BYTES = 2 * SEGMENT_BYTES
"""No segment is as long; a file with a hole may be."""


class ReadState(StrEnum):
    """How a reading ended."""

    MORE = "more"
    """The limit was reached; more is there."""
    WAIT = "wait"
    """Everything that is whole was read, and the writer lives."""
    END = "end"
    """Everything was read, and nothing will be written any more."""
    TORN = "torn"
    """As END, but the writer died in the middle of a frame: the last bytes are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read."""

    pieces: tuple[Piece | Gap, ...]
    next_offset: int
    state: ReadState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cursor:
    """A place between two frames: in which segment, at which byte of its file, and the output's offset there."""

    number: int
    position: int
    offset: int


class SegmentReader:
    """Reads the segments of one output. Blocking, no locks: one user at a time; close it after use."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder = folder
        self._disk = disk or SystemDisk()
        self._starts: dict[int, int] = {}
        self._marks: dict[int, list[_Cursor]] = {}
        self._cursor: _Cursor | None = None
        # Where the caller will read on: inside the frame at the cursor, when the limit cut it.
        self._resume_at = -1
        self._open_number = -1
        self._file: ReadFile | None = None
        self._buffer = b""
        self._buffer_at = 0

    def read_from(self, offset: int, limit: int, *, is_writer_alive: bool) -> Reading:
        """Return at most `limit` data bytes from `offset` on, and what stands between them. Raises OSError."""
        found: list[Piece | Gap] = []
        cursor = self._find(offset, found)
        if cursor is None:
            return Reading(pieces=(), next_offset=offset, state=self._last(is_writer_alive, is_torn=False))
        # From here on `offset` is where the next byte is wanted.
        offset = max(offset, found[-1].resumed_at) if found and isinstance(found[-1], Gap) else offset
        room = limit
        while True:
            step = self._step(cursor, is_writer_alive)
            if isinstance(step, ReadState):
                self._keep(cursor, offset)
                return Reading(pieces=tuple(found), next_offset=offset, state=step)
            content, after = step
            wanted = _wanted(content, offset)
            if isinstance(wanted, Piece) and len(wanted.data) > room:
                if room:
                    found.append(replace(wanted, data=wanted.data[:room]))
                    offset += room
                self._keep(cursor, offset)
                return Reading(pieces=tuple(found), next_offset=offset, state=ReadState.MORE)
            if wanted is not None:
                found.append(wanted)
                if isinstance(wanted, Piece):
                    room -= len(wanted.data)
            offset = max(offset, after.offset)
            cursor = after
            self._mark(cursor)

    def remove_below(self, offset: int) -> int:
        """Delete the segments whose bytes are all below `offset`, never the last; return the bytes on disk freed."""
        self._list()
        numbers = sorted(self._starts)
        freed = 0
        for number, following in pairwise(numbers):
            if self._starts[following] > offset:
                break
            freed += self._remove(number)
            self._forget(number)
        return freed

    def close(self) -> None:
        """Close the file that is open, if one is."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._open_number = -1
        self._buffer = b""

    def _find(self, offset: int, found: list[Piece | Gap]) -> _Cursor | None:
        """Return a place at or before `offset`; adds a gap where what was asked for is deleted."""
        if self._cursor is not None and offset == self._resume_at:
            return self._cursor
        self._list()
        if not self._starts:
            return None
        first = min(self._starts)
        if offset < self._starts[first]:
            start = self._starts[first]
            found.append(Gap(offset=offset, missing_bytes=start - offset, reason=GapReason.DELETED, resumed_at=start))
            return self._at_start(first)
        # Strictly before: a gap at this offset may be the last frame of the segment before.
        number = max((n for n, start in self._starts.items() if start < offset), default=first)
        marks = [mark for mark in self._marks.get(number, []) if mark.offset < offset]
        return marks[-1] if marks else self._at_start(number)

    def _step(self, cursor: _Cursor, is_writer_alive: bool) -> tuple[Piece | Gap, _Cursor] | ReadState:  # noqa: FBT001
        """Read the frame at the cursor, or tell why there is none."""
        while True:
            whole = self._whole_at(cursor)
            if whole is not None:
                return whole
            following = self._following(cursor.number)
            if following is not None:
                # It may have been written between the two looks, before the next segment was begun.
                self._buffer = b""
                whole = self._whole_at(cursor)
                if whole is not None:
                    return whole
            data = self._bytes_at(cursor, FRAME_HEADER_BYTES + FRAME_DATA_MAX_BYTES)
            if following is None and self._frame_at(cursor, data) is not None:
                continue  # written since the first look: what stands behind it by now must not make it look damaged
            if data and not (following is None and is_writer_alive and self._is_incomplete(data)):
                return self._heal(cursor, following) or self._last(is_writer_alive, is_torn=True)
            if following is None:
                return self._last(is_writer_alive, is_torn=False)
            if following.offset > cursor.offset:
                return self._lost_segment(cursor, following), following
            cursor = following

    def _whole_at(self, cursor: _Cursor) -> tuple[Piece | Gap, _Cursor] | None:
        """Return the frame at the cursor and the place behind it, when it is whole and the one that belongs there."""
        return self._frame_at(cursor, self._bytes_at(cursor, FRAME_HEADER_BYTES + FRAME_DATA_MAX_BYTES))

    def _frame_at(self, cursor: _Cursor, data: bytes) -> tuple[Piece | Gap, _Cursor] | None:
        state, length, content = decode_frame(data)
        if state is not Frame.WHOLE or content is None or content.offset != cursor.offset:
            return None
        offset = content.offset + (len(content.data) if isinstance(content, Piece) else 0)
        return content, replace(cursor, position=cursor.position + length, offset=offset)

    def _is_incomplete(self, data: bytes) -> bool:
        return decode_frame(data)[0] is Frame.INCOMPLETE

    def _heal(self, cursor: _Cursor, following: _Cursor | None) -> tuple[Gap, _Cursor] | None:
        """Find the next whole frame behind damage; the gap before it, and its place."""
        rest = self._bytes_at(cursor, None)
        at = rest.find(FRAME_MAGIC, 1)
        while at >= 0:
            state, _, content = decode_frame(rest[at : at + FRAME_HEADER_BYTES + FRAME_DATA_MAX_BYTES])
            if state is Frame.WHOLE and content is not None and content.offset >= cursor.offset:
                after = replace(cursor, position=cursor.position + at, offset=content.offset)
                return _damage(cursor.offset, content.offset), after
            at = rest.find(FRAME_MAGIC, at + 1)
        if following is None or following.offset < cursor.offset:
            return None
        return _damage(cursor.offset, following.offset), following

    def _lost_segment(self, cursor: _Cursor, following: _Cursor) -> Gap:
        """The gap where a segment between two others is gone, or its header is damaged."""
        is_there = self._disk.exists(self._folder / segment_name(cursor.number + 1))
        gap = _damage(cursor.offset, following.offset)
        return gap if is_there else replace(gap, reason=GapReason.DELETED)

    def _bytes_at(self, cursor: _Cursor, size: int | None) -> bytes:
        """Return up to `size` bytes of the file from the cursor on, all of them for None."""
        file = self._segment(cursor.number)
        if file is None:
            return b""
        if size is None:
            return file.read_at(cursor.position, min(file.size, READ_MAX_BYTES))
        skip = cursor.position - self._buffer_at
        piece = self._buffer[skip : skip + size] if skip >= 0 else b""
        if not _holds_frame(piece):
            self._buffer = file.read_at(cursor.position, _BUFFER_BYTES)
            self._buffer_at = cursor.position
            piece = self._buffer[:size]
        return piece

    def _segment(self, number: int) -> ReadFile | None:
        if self._open_number != number:
            self.close()
            try:
                self._file = self._open(number)
            except FileNotFoundError:
                return None
            self._open_number = number
        return self._file

    def _open(self, number: int) -> ReadFile:
        return self._disk.open_regular(self._folder / segment_name(number))

    def _remove(self, number: int) -> int:
        """Remove a segment; return the bytes on disk freed."""
        file = self._open(number)
        try:
            size = file.size
        finally:
            file.close()
        self._disk.remove(self._folder / segment_name(number))
        return size

    def _following(self, number: int) -> _Cursor | None:
        if number + 1 not in self._starts:
            self._list()
        later = [each for each in self._starts if each > number]
        return self._at_start(min(later)) if later else None

    def _at_start(self, number: int) -> _Cursor:
        return _Cursor(number=number, position=SEGMENT_HEADER_BYTES, offset=self._starts[number])

    def _list(self) -> None:
        """Look which segments are there; one whose header is not whole yet is not."""
        present = set(segment_numbers(self._folder, self._disk))
        for gone in set(self._starts) - present:
            self._forget(gone)
        for number in sorted(present - set(self._starts)):
            start = self._read_start(number)
            if start is not None:
                self._starts[number] = start

    def _read_start(self, number: int) -> int | None:
        frame = b""
        try:
            file = self._open(number)
            try:
                header = file.read_at(0, SEGMENT_HEADER_BYTES)
                frame = file.read_at(SEGMENT_HEADER_BYTES, FRAME_HEADER_BYTES + FRAME_DATA_MAX_BYTES)
            finally:
                file.close()
            return decode_segment_header(header)
        except (FileNotFoundError, SegmentVersionError):
            # What a version that is not ours means must not be guessed at.
            return None
        except SegmentError:
            # The first frame tells its offset too.
            _, _, content = decode_frame(frame)
            return None if content is None else content.offset

    def _forget(self, number: int) -> None:
        self._starts.pop(number, None)
        self._marks.pop(number, None)
        if self._open_number == number:
            self.close()
        if self._cursor is not None and self._cursor.number == number:
            self._cursor = None

    def _keep(self, cursor: _Cursor, resume_at: int) -> None:
        self._cursor = cursor
        self._resume_at = resume_at

    def _mark(self, cursor: _Cursor) -> None:
        """Remember a place now and then, so that reading from the middle does not begin at the segment's start."""
        marks = self._marks.setdefault(cursor.number, [])
        if not marks or cursor.position - marks[-1].position >= _MARK_EVERY_BYTES:
            marks.append(cursor)

    def _last(self, is_writer_alive: bool, *, is_torn: bool) -> ReadState:  # noqa: FBT001
        if is_writer_alive:
            return ReadState.WAIT
        return ReadState.TORN if is_torn else ReadState.END


def segment_numbers(folder: Path, disk: Disk) -> list[int]:
    """Numbers of the segments in a folder, in their order; none where there is no folder."""
    names = (name[:-4] for name in disk.names(folder) if name.endswith(".seg"))
    return sorted(int(name) for name in names if name.isdecimal())


def _wanted(content: Piece | Gap, offset: int) -> Piece | Gap | None:
    """Cut what lies before `offset`."""
    if isinstance(content, Gap):
        return content if content.resumed_at > offset or content.offset >= offset else None
    if content.offset >= offset:
        return content
    if content.offset + len(content.data) <= offset:
        return None
    return replace(content, offset=offset, data=content.data[offset - content.offset :])


def _damage(offset: int, resumed_at: int) -> Gap:
    # Nothing between them: a gap frame was hit, and how much it told is not known.
    missing = resumed_at - offset or None
    return Gap(offset=offset, missing_bytes=missing, reason=GapReason.DAMAGED, resumed_at=resumed_at)


def _holds_frame(data: bytes) -> bool:
    """Tell by its length whether a whole frame is there, without looking at its content."""
    if len(data) < FRAME_HEADER_BYTES:
        return False
    return len(data) >= FRAME_HEADER_BYTES + int(FRAME_HEADER.unpack_from(data)[3])
