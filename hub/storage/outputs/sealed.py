"""A finished output in one file: zstd frames of about 2,000 lines, then an index; a page costs one small frame.

Layout: frames one after another, then the zstd-compressed JSON index, then its length (u64) and the magic. The index
holds the frames (offset, file position, compressed size), the chunk entries, the gaps, and the sha256 of all bytes.

Each frame carries zstd's own checksum, and what is sealed is hashed on its way: a bit that flips on the disk later is
told as `OutputDamaged`, and never handed out as what the bot wrote (R29).
"""

import hashlib
import json
import struct
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.wire.facts import Gap
from hub.errors import Conflict
from hub.storage.outputs.tally import Totals
from hub.storage.outputs.view import ChunkEntry, Source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME_LINES = 2000
FRAME_BYTES = 1024 * 1024
_MAGIC = b"BYO1"
_TAIL = struct.Struct(">Q4s")
_CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}


class OutputDamaged(Conflict):
    """The hub's own copy of a sealed output cannot be read as it was written."""

    def __init__(self, where: str) -> None:
        text = f"The hub's copy of this output is damaged ({where}). Bring its data folder back from a backup."
        super().__init__("output_damaged", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    offset: int
    position: int
    size: int


def seal(source: Source, totals: Totals, gaps: Sequence[Gap]) -> Iterator[bytes]:
    """The sealed form of an output, in parts to be written one after another."""
    frames: list[_Frame] = []
    position = 0
    digest = hashlib.sha256()
    for offset, data in _cut(source):
        digest.update(data)
        packed = zstd.compress(data, options=_CHECKED)
        frames.append(_Frame(offset=offset, position=position, size=len(packed)))
        position += len(packed)
        yield packed
    index = zstd.compress(
        json.dumps(
            {
                "length": source.length,
                "newlines": totals.newlines,
                "lines": totals.lines,
                "sha256": totals.sha256,
                "is_sound": digest.hexdigest() == totals.sha256,
                "frames": [(frame.offset, frame.position, frame.size) for frame in frames],
                "chunks": [tuple(source.chunks[i]) for i in range(len(source.chunks))],
                "gaps": [gap.model_dump(mode="json") for gap in gaps],
            }
        ).encode(),
        options=_CHECKED,
    )
    yield index
    yield _TAIL.pack(len(index), _MAGIC)


def _cut(source: Source) -> Iterator[tuple[int, bytes]]:
    """Runs of whole lines: about `FRAME_LINES`, at most `FRAME_BYTES`."""
    position = 0
    while position < source.length:
        data = source.read(position, FRAME_BYTES)
        lines = data.split(b"\n", FRAME_LINES)
        if len(lines) > FRAME_LINES and lines[-1]:
            data = data[: len(data) - len(lines[-1])]
        yield position, data
        position += len(data)


class SealedOutput:
    """Reads a sealed file; a `view.Source`. Raises OutputDamaged for a file that is no sealed output."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            index = _read_index(path)
        except (ValueError, zstd.ZstdError) as error:
            raise OutputDamaged(f"its index: {error}") from error
        self._is_sound: bool = index.get("is_sound", True)
        self.length: int = index["length"]
        self.totals = Totals(
            length=self.length, newlines=index["newlines"], lines=index["lines"], sha256=index["sha256"]
        )
        self.chunks: Sequence[ChunkEntry] = [ChunkEntry(*entry) for entry in index["chunks"]]
        self.gaps = [Gap.model_validate(gap) for gap in index["gaps"]]
        self._frames = [_Frame(offset=o, position=p, size=s) for o, p, s in index["frames"]]
        self._offsets = [frame.offset for frame in self._frames]

    def read(self, start: int, limit: int) -> bytes:
        """At most `limit` bytes from `start`. Raises OutputDamaged where they are not what was sealed."""
        if start >= self.length or limit <= 0:
            return b""
        if not self._is_sound:
            raise OutputDamaged("it changed on the disk before it was sealed")
        first = bisect_right(self._offsets, start) - 1
        parts: list[bytes] = []
        have = 0
        with self._path.open("rb") as file:
            for frame in self._frames[first:]:
                file.seek(frame.position)
                data = _unpacked(file.read(frame.size), frame.offset)
                part = data[max(0, start - frame.offset) :]
                parts.append(part)
                have += len(part)
                if have >= limit:
                    break
        return b"".join(parts)[:limit]


def _unpacked(packed: bytes, offset: int) -> bytes:
    try:
        return zstd.decompress(packed)
    except zstd.ZstdError as error:
        raise OutputDamaged(f"from byte {offset:,} on") from error


def _read_index(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        file.seek(0, 2)
        end = file.tell()
        if end < _TAIL.size:
            raise ValueError(f"{path.name} is no sealed output")
        file.seek(end - _TAIL.size)
        size, magic = _TAIL.unpack(file.read(_TAIL.size))
        if magic != _MAGIC or size > end - _TAIL.size:
            raise ValueError(f"{path.name} is no sealed output")
        file.seek(end - _TAIL.size - size)
        found: dict[str, Any] = json.loads(zstd.decompress(file.read(size)))
        return found
