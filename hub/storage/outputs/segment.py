"""The segment of one execution: its bytes in one file, an index of chunks and the gaps beside it.

`data` holds the bytes, `index` one fixed entry a chunk, `gaps` one JSON line a gap. The index is written after the data
is durable, so what the index does not reach was never cut here and still stands in the journal.
"""

import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent.ports.files import Disk
from agent.wire.facts import Gap
from hub.storage.outputs.records import Record, RecordKind
from hub.storage.outputs.view import ChunkEntry

_ENTRY = struct.Struct(">QQQBQ")
"""offset, newlines before, time in ms, stream, end of the chunk"""


class Segment:
    """Appends pieces durably and counts what it holds. One thread at a time."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        disk.make_folder(folder)
        self._disk = disk
        self._data = disk.open_append(folder / "data")
        self._index = disk.open_append(folder / "index")
        self._gaps = disk.open_append(folder / "gaps")
        self.lines = 0
        self._recover(folder)

    @property
    def length(self) -> int:
        """Bytes that are durable here."""
        return self._data.size

    def append(self, records: Iterable[Record]) -> None:
        """Add pieces that follow on what is here, and gaps; durable on return."""
        entries: list[bytes] = []
        pieces: list[bytes] = []
        gaps: list[bytes] = []
        offset = self.length
        for record in records:
            if record.kind is RecordKind.GAP:
                gaps.append(record.data + b"\n")
                continue
            if record.start != offset:
                raise ValueError(f"piece at {record.start} does not follow on {offset}")
            entries.append(_ENTRY.pack(offset, self.lines, record.time_ms, record.stream, record.end))
            pieces.append(record.data)
            self.lines += record.data.count(b"\n")
            offset = record.end
        if pieces:
            self._data.write(b"".join(pieces))
            self._data.sync()
            self._index.write(b"".join(entries))
            self._index.sync()
        if gaps:
            self._gaps.write(b"".join(gaps))
            self._gaps.sync()

    def close(self) -> None:
        """Close the files."""
        for file in (self._data, self._index, self._gaps):
            file.close()

    def _recover(self, folder: Path) -> None:
        """Cut torn ends: the index to whole entries, the data to what the index reaches, the gaps to whole lines."""
        self._index.truncate(len(_IndexFile(folder / "index", None)) * _ENTRY.size)
        length, self.lines = measure(folder)
        self._data.truncate(length)
        gaps = (folder / "gaps").read_bytes()
        self._gaps.truncate(gaps.rfind(b"\n") + 1)


class SegmentReader:
    """Reads a segment's files, also while they grow; `length` is fixed when it is made."""

    def __init__(self, folder: Path, length: int | None = None) -> None:
        self._path = folder / "data"
        self.chunks: Sequence[ChunkEntry] = _IndexFile(folder / "index", length)
        self.length = self._path.stat().st_size if length is None else length

    def read(self, start: int, limit: int) -> bytes:
        """At most `limit` bytes from `start`."""
        if start >= self.length:
            return b""
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(min(limit, self.length - start))


def measure(folder: Path) -> tuple[int, int]:
    """(bytes, newlines) that a segment holds for certain: as far as its index reaches."""
    index = _IndexFile(folder / "index", None)
    if not index:
        return 0, 0
    offset, lines, _, _, end = index.raw(len(index) - 1)
    with (folder / "data").open("rb") as file:
        file.seek(offset)
        return end, lines + file.read(end - offset).count(b"\n")


class _IndexFile(Sequence[ChunkEntry]):
    """The index file as a sequence, read entry by entry."""

    def __init__(self, path: Path, length: int | None) -> None:
        self._raw = path.read_bytes()
        self._count = len(self._raw) // _ENTRY.size
        # A file may have grown before its bytes were there: an end of zeros is no entry.
        while self._count and self.raw(self._count - 1)[4] <= self.raw(self._count - 1)[0]:
            self._count -= 1
        if length is not None:
            while self._count and self.raw(self._count - 1)[0] >= length:
                self._count -= 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> ChunkEntry:  # type: ignore[override]  # nobody slices it
        offset, line, time_ms, stream, _ = self.raw(index)
        return ChunkEntry(offset, line, time_ms, stream)

    def raw(self, index: int) -> tuple[int, int, int, int, int]:
        """The entry with the chunk's end."""
        return _ENTRY.unpack_from(self._raw, index * _ENTRY.size)


def read_gaps(folder: Path) -> list[Gap]:
    """The gaps of a segment; a torn last line is left out (it is still in the journal)."""
    path = folder / "gaps"
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().split(b"\n"):
        try:
            found.append(Gap.model_validate(json.loads(line)))
        except ValueError:
            continue
    return found
