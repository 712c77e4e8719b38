"""The journal's record: one piece of one execution's output, or one gap, guarded by a checksum.

Big-endian: magic u8, kind u8, workspace (16), execution (16), start u64, time in ms u64, stream u8, length u32,
crc32 u32, then the data. The checksum covers all before itself and the data: a torn tail is told from a whole record.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

MAGIC = 0xB7
_HEAD = struct.Struct(">BB16s16sQQBI")
_CRC = struct.Struct(">I")
HEAD_BYTES = _HEAD.size + _CRC.size
_ID_DIGITS = 32


class RecordKind(IntEnum):
    """What follows the head."""

    DATA = 1
    GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A piece of output as it arrived; for a gap ``data`` is its JSON and ``start`` where it stands."""

    kind: RecordKind
    workspace_id: str
    execution_id: str
    start: int
    time_ms: int
    stream: int
    data: bytes

    @property
    def end(self) -> int:
        """Offset behind the last byte; a gap takes no offset."""
        return self.start + (len(self.data) if self.kind is RecordKind.DATA else 0)


def pack(record: Record) -> bytes:
    """The bytes of a record as they stand in the journal."""
    head = _HEAD.pack(
        MAGIC,
        record.kind,
        bytes.fromhex(record.workspace_id[-_ID_DIGITS:]),
        bytes.fromhex(record.execution_id[-_ID_DIGITS:]),
        record.start,
        record.time_ms,
        record.stream,
        len(record.data),
    )
    return head + _CRC.pack(zlib.crc32(record.data, zlib.crc32(head))) + record.data


def unpack_all(raw: bytes) -> Iterator[tuple[Record, int]]:
    """Every whole record with the position behind it; ends silently where the first torn or damaged one begins."""
    position = 0
    while position + HEAD_BYTES <= len(raw):
        magic, kind, workspace, execution, start, time_ms, stream, length = _HEAD.unpack_from(raw, position)
        begin = position + HEAD_BYTES
        data = raw[begin : begin + length]
        (crc,) = _CRC.unpack_from(raw, position + _HEAD.size)
        head = raw[position : position + _HEAD.size]
        if magic != MAGIC or len(data) != length or crc != zlib.crc32(data, zlib.crc32(head)):
            return
        position = begin + length
        yield (
            Record(
                kind=RecordKind(kind),
                workspace_id=f"wsp_{workspace.hex()}",
                execution_id=f"exe_{execution.hex()}",
                start=start,
                time_ms=time_ms,
                stream=stream,
                data=data,
            ),
            position,
        )
