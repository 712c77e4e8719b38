"""Output on disk: frames in segment files, written by a shim, followed by the daemon (core.md §3, reliability.md P4).

A folder holds `0.seg`, `1.seg`, …; each is at most `SEGMENT_BYTES` long. All numbers are little-endian.

    segment:  b"BYSG" version:u16 0:u16 | start offset:u64 | crc32 of what precedes:u32 | frames …
    frame:    0xB7 kind:u8 0:u16 length:u32 | offset:u64 | time ns since 1970:u64 | crc32 of header and data:u32 | data

A frame's offset counts data bytes since the start of the output: the address that the whole system uses. A gap frame
holds JSON `{"reason": …, "bytes": n}` and takes no offset. The magic is not zero, so that a file's end that a power cut
left zeroed is never taken for frames. An incomplete frame at the end means *wait* while its writer lives, *torn* after.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum

from agent.wire.words import GapReason

SEGMENT_BYTES = 16 * 1024 * 1024
FRAME_DATA_MAX_BYTES = 64 * 1024
SEGMENT_VERSION = 1
READABLE_VERSIONS = frozenset({1})
SEGMENT_HEADER = struct.Struct("<4sHHQ")
SEGMENT_HEADER_BYTES = SEGMENT_HEADER.size + 4
FRAME_HEADER = struct.Struct("<BBHIQQ")
FRAME_HEADER_BYTES = FRAME_HEADER.size + 4
SEGMENT_MAGIC = b"BYSG"
FRAME_MAGIC = 0xB7
_CRC = struct.Struct("<I")
_KINDS = {"stdout": 1, "stderr": 2, "gap": 3}
_NAMES = {number: name for name, number in _KINDS.items()}


class Stream(StrEnum):
    """Which of a bot's streams a piece came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


class SegmentError(ValueError):
    """A segment file whose header is damaged."""


class SegmentVersionError(SegmentError):
    """A segment file of a version that this program does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Consecutive bytes of one stream. `offset` is that of the first byte, `wall_ns` when it was written."""

    offset: int
    stream: Stream
    wall_ns: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Bytes that are missing at `offset`; `missing_bytes` None = unknown.

    `resumed_at` is where the output goes on: beyond `offset` when stored bytes are gone, `offset` itself when the bytes
    never got one.
    """

    offset: int
    missing_bytes: int | None
    reason: GapReason
    resumed_at: int


def segment_name(number: int) -> str:
    """File name of a segment."""
    return f"{number}.seg"


def encode_segment_header(start: int) -> bytes:
    """First bytes of a segment whose first frame has the offset `start`."""
    head = SEGMENT_HEADER.pack(SEGMENT_MAGIC, SEGMENT_VERSION, 0, start)
    return head + _CRC.pack(zlib.crc32(head))


def decode_segment_header(data: bytes) -> int | None:
    """Return a segment's start offset; None when there are not enough bytes yet. Raises `SegmentError`."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, version, _, start = SEGMENT_HEADER.unpack_from(data)
    if zlib.crc32(data[: SEGMENT_HEADER.size]) != _CRC.unpack_from(data, SEGMENT_HEADER.size)[0]:
        raise SegmentError("damaged segment header")
    if magic != SEGMENT_MAGIC or version not in READABLE_VERSIONS:
        raise SegmentVersionError(f"segment version {version}")
    return int(start)


def encode_frame(kind: str, offset: int, wall_ns: int, data: bytes) -> bytes:
    """One frame; `kind` is a stream or "gap"."""
    head = FRAME_HEADER.pack(FRAME_MAGIC, _KINDS[kind], 0, len(data), offset, wall_ns)
    return b"".join((head, _CRC.pack(zlib.crc32(data, zlib.crc32(head))), data))


def encode_gap(gap: Gap, wall_ns: int) -> bytes:
    """A gap frame."""
    body = {"reason": gap.reason, "bytes": gap.missing_bytes}
    return encode_frame("gap", gap.offset, wall_ns, json.dumps(body).encode())


class Frame(StrEnum):
    """What stands at a place of a segment file."""

    WHOLE = "whole"
    INCOMPLETE = "incomplete"
    DAMAGED = "damaged"


def decode_frame(data: bytes | memoryview, at: int = 0) -> tuple[Frame, int, Piece | Gap | None]:
    """Read the frame at `at`; return what it is, its length in the file, and its content when it is whole."""
    if len(data) - at < FRAME_HEADER_BYTES:
        # Even a part of a header must begin with the magic; zeros do not.
        is_torn = len(data) > at and data[at] != FRAME_MAGIC
        return (Frame.DAMAGED if is_torn else Frame.INCOMPLETE), 0, None
    magic, kind, _, length, offset, wall_ns = FRAME_HEADER.unpack_from(data, at)
    if magic != FRAME_MAGIC or kind not in _NAMES or length > FRAME_DATA_MAX_BYTES:
        return Frame.DAMAGED, 0, None
    end = at + FRAME_HEADER_BYTES + length
    if len(data) < end:
        return Frame.INCOMPLETE, 0, None
    content = bytes(data[at + FRAME_HEADER_BYTES : end])
    crc = zlib.crc32(content, zlib.crc32(data[at : at + FRAME_HEADER.size]))
    if crc != _CRC.unpack_from(data, at + FRAME_HEADER.size)[0]:
        return Frame.DAMAGED, 0, None
    name = _NAMES[kind]
    if name != "gap":
        return Frame.WHOLE, end - at, Piece(offset=offset, stream=Stream(name), wall_ns=wall_ns, data=content)
    body = json.loads(content)
    gap = Gap(offset=offset, missing_bytes=body["bytes"], reason=GapReason(body["reason"]), resumed_at=offset)
    return Frame.WHOLE, end - at, gap
