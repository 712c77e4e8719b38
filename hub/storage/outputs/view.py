"""Reading an output: by offset in pieces, by absolute line number in lines. Pure over a `Source` of chunks and bytes.

A *chunk* is what one stream gave at one time; its entry tells the offset and the number of newlines before it. Line N
(from 0) begins behind the N-th newline, which stands in the last chunk that has fewer than N newlines before it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

PAGE_BYTES = 1024 * 1024
"""A page of lines is cut at this size, and a longer line is shown cut: the raw bytes are one call away."""


class ChunkEntry(NamedTuple):
    """Where a chunk begins, what stands before it, and where it came from."""

    offset: int
    line: int
    time_ms: int
    stream: int


class Source(Protocol):
    """Something that holds a prefix or the whole of an output."""

    @property
    def length(self) -> int:
        """Data bytes held."""
        ...

    @property
    def chunks(self) -> Sequence[ChunkEntry]:
        """Entries in order of offset; may be large: use them by index."""
        ...

    def read(self, start: int, limit: int) -> bytes:
        """At most `limit` bytes from `start`; fewer only at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Consecutive bytes of one stream."""

    start: int
    time_ms: int
    stream: int
    data: bytes

    @property
    def end(self) -> int:
        """Offset behind the piece."""
        return self.start + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line without its newline; ``cut`` when it is longer than a page."""

    number: int
    offset: int
    time_ms: int
    stream: int
    data: bytes
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A page of lines; ``next`` is the number of the line behind it, ``total`` counts an unfinished last line too."""

    lines: tuple[Line, ...]
    next: int
    total: int


def read_pieces(source: Source, start: int, limit: int) -> list[Piece]:
    """Bytes [start, start+limit) as pieces, each of one stream and time."""
    data = source.read(start, limit)
    return [piece for piece in _split(source.chunks, start, data) if piece.data]


def read_lines(source: Source, newlines: int, first: int, limit: int) -> Lines:
    """At most `limit` lines from line `first`; a negative `first` counts from the end.

    `newlines` is the number of newlines in the whole output.
    """
    total = newlines + (1 if _has_unfinished_line(source) else 0)
    number = max(0, total + first) if first < 0 else first
    if number >= total or limit <= 0:
        return Lines(lines=(), next=min(number, total), total=total)
    offset = _offset_of_line(source, number)
    data = source.read(offset, PAGE_BYTES)
    lines = tuple(_cut_lines(source, number, offset, data)) if data else ()
    shown = lines[:limit]
    return Lines(lines=shown, next=number + len(shown), total=total)


def _has_unfinished_line(source: Source) -> bool:
    return source.length > 0 and source.read(source.length - 1, 1) != b"\n"


def _offset_of_line(source: Source, number: int) -> int:
    if number == 0:
        return 0
    chunks = source.chunks
    index = bisect_right(_LineKeys(chunks), number - 1) - 1
    entry = chunks[index]
    missing = number - entry.line
    position = entry.offset
    while True:
        data = source.read(position, PAGE_BYTES)
        if not data:
            return source.length
        count = data.count(b"\n")
        if count >= missing:
            return position + _index_of_newline(data, missing) + 1
        missing -= count
        position += len(data)


def _index_of_newline(data: bytes, which: int) -> int:
    """Index of the `which`-th newline (from 1), which is known to be there."""
    index = -1
    for _ in range(which):
        index = data.index(b"\n", index + 1)
    return index


def _cut_lines(source: Source, number: int, offset: int, data: bytes) -> Iterator[Line]:
    at_end = offset + len(data) >= source.length
    position = 0
    while position < len(data):
        newline = data.find(b"\n", position)
        end = newline if newline >= 0 else len(data)
        unfinished = newline < 0 and not at_end
        if unfinished and position > 0:
            return  # the rest of it stands on the next page
        entry = _entry_at(source.chunks, offset + position)
        yield Line(
            number=number,
            offset=offset + position,
            time_ms=entry.time_ms,
            stream=entry.stream,
            data=data[position:end],
            cut=unfinished,
        )
        number += 1
        position = end + 1


def _entry_at(chunks: Sequence[ChunkEntry], offset: int) -> ChunkEntry:
    return chunks[bisect_right(_OffsetKeys(chunks), offset) - 1]


def _split(chunks: Sequence[ChunkEntry], start: int, data: bytes) -> Iterator[Piece]:
    if not data:
        return
    index = bisect_right(_OffsetKeys(chunks), start) - 1
    position = start
    end = start + len(data)
    while position < end:
        entry = chunks[index]
        until = min(end, chunks[index + 1].offset) if index + 1 < len(chunks) else end
        yield Piece(
            start=position, time_ms=entry.time_ms, stream=entry.stream, data=data[position - start : until - start]
        )
        position = until
        index += 1


class _Keys(Sequence[int]):
    """One column of the chunk entries, so that bisect reads only what it needs."""

    def __init__(self, chunks: Sequence[ChunkEntry]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return len(self._chunks)


class _OffsetKeys(_Keys):
    def __getitem__(self, index: int) -> int:  # type: ignore[override]  # bisect never slices
        return self._chunks[index].offset


class _LineKeys(_Keys):
    def __getitem__(self, index: int) -> int:  # type: ignore[override]  # bisect never slices
        return self._chunks[index].line
