"""Frames: JSON text for messages, binary for output. Decoding is total: anything wrong raises `ProtocolError`.

A binary frame, big-endian::

    0xB0  version  execution (16)  from (u64)  { stream u8 | time ms u64 | length u32 | data } …

``from`` is the offset of the first data byte in the execution's output; chunks follow one another without holes.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from pydantic import TypeAdapter, ValidationError

from agent.wire.ids import ExecutionId, execution_bytes, execution_id_of
from agent.wire.limits import FRAME_MAX_BYTES, OUTPUT_DATA_MAX_BYTES
from agent.wire.messages import ToHub, ToRunner
from agent.wire.task import WireModel

OUTPUT_MAGIC = 0xB0
OUTPUT_VERSION = 1
_HEAD = struct.Struct(">BB16sQ")
_CHUNK = struct.Struct(">BQI")

_TO_RUNNER: TypeAdapter[ToRunner] = TypeAdapter(ToRunner)
_TO_HUB: TypeAdapter[ToHub] = TypeAdapter(ToHub)


class ProtocolError(Exception):
    """The other side sent what the protocol does not have; the link is closed, nothing was applied."""


class Stream(IntEnum):
    """Where a piece of output came from."""

    STDOUT = 1
    STDERR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes of one stream, read by the shim at one time (milliseconds since 1970, UTC)."""

    stream: Stream
    time_ms: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFrame:
    """Consecutive pieces of one execution's output; ``start`` is the offset of the first byte."""

    execution_id: ExecutionId
    start: int
    chunks: tuple[Chunk, ...]

    @property
    def size(self) -> int:
        """Data bytes in all chunks."""
        return sum(len(chunk.data) for chunk in self.chunks)


def encode(message: WireModel) -> str:
    """A message as a text frame. Raises ProtocolError where it would not fit one."""
    text = message.model_dump_json()
    # Most are far too small for their characters to matter; only near the bound are the bytes counted.
    if len(text) * 4 > FRAME_MAX_BYTES and len(text.encode()) > FRAME_MAX_BYTES:
        raise ProtocolError(f"a message of {len(text)} characters is larger than a frame ({FRAME_MAX_BYTES} bytes)")
    return text


def decode_to_runner(frame: str) -> ToRunner:
    """A hub's text frame as a message."""
    try:
        return _TO_RUNNER.validate_json(frame)
    except ValidationError as error:
        raise ProtocolError(_first_fault(error)) from None


def decode_to_hub(frame: str) -> ToHub:
    """A runner's text frame as a message."""
    try:
        return _TO_HUB.validate_json(frame)
    except ValidationError as error:
        raise ProtocolError(_first_fault(error)) from None


def encode_output(execution_id: str, start: int, chunks: Iterable[Chunk]) -> bytes:
    """A binary frame. Raises ProtocolError above `OUTPUT_DATA_MAX_BYTES` of data."""
    parts = [_HEAD.pack(OUTPUT_MAGIC, OUTPUT_VERSION, execution_bytes(execution_id), start)]
    size = 0
    for chunk in chunks:
        size += len(chunk.data)
        parts.append(_CHUNK.pack(chunk.stream, chunk.time_ms, len(chunk.data)))
        parts.append(chunk.data)
    if size > OUTPUT_DATA_MAX_BYTES:
        raise ProtocolError(f"{size} bytes of output in one frame, {OUTPUT_DATA_MAX_BYTES} allowed")
    return b"".join(parts)


def decode_output(frame: bytes) -> OutputFrame:
    """The reverse of `encode_output`; refuses torn, empty, oversized and unknown frames."""
    if len(frame) < _HEAD.size:
        raise ProtocolError(f"binary frame of {len(frame)} bytes is torn")
    magic, version, execution, start = _HEAD.unpack_from(frame)
    if magic != OUTPUT_MAGIC or version != OUTPUT_VERSION:
        raise ProtocolError(f"binary frame of unknown kind {magic:#x}/{version}")
    chunks = tuple(_chunks(frame))
    decoded = OutputFrame(execution_id=execution_id_of(execution), start=start, chunks=chunks)
    if not 0 < decoded.size <= OUTPUT_DATA_MAX_BYTES:
        raise ProtocolError(f"binary frame carries {decoded.size} bytes")
    return decoded


def _chunks(frame: bytes) -> Iterable[Chunk]:
    position = _HEAD.size
    while position < len(frame):
        if position + _CHUNK.size > len(frame):
            raise ProtocolError("binary frame ends inside a chunk's head")
        stream, time_ms, length = _CHUNK.unpack_from(frame, position)
        position += _CHUNK.size
        if length == 0 or position + length > len(frame):
            raise ProtocolError("binary frame ends inside a chunk")
        if stream not in Stream.__members__.values():
            raise ProtocolError(f"unknown stream {stream}")
        yield Chunk(stream=Stream(stream), time_ms=time_ms, data=frame[position : position + length])
        position += length


def _first_fault(error: ValidationError) -> str:
    """One sentence without the input: messages may hold secrets."""
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else fault["msg"]
