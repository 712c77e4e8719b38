"""The talk between a shim and its daemon: JSON messages on a stream, each with its length, some with a descriptor.

    daemon > shim   {"hello": nonce, "version": 1}                     first; a wrong nonce is a closed connection
    shim > daemon   {"event": "welcome", "state": {…}}
    daemon > shim   {"id": 7, "do": "stop", "cause": "cancel", "by": "…"}
    shim > daemon   {"id": 7, "ok": {…}}  or  {"id": 7, "error": "…"}
    shim > daemon   {"event": "output", "length": 4711}                doorbells: see `client.Doorbell`

A descriptor travels with the first byte of its message, which says `"descriptors": 1`.
"""

import json
import struct
from typing import Any

SOCKET_NAME = "socket"
WIRE_VERSION = 1
READABLE_VERSIONS = frozenset({1})
MESSAGE_MAX_BYTES = 16 * 1024 * 1024
_LENGTH = struct.Struct("!I")

Message = dict[str, Any]


class WireError(ValueError):
    """What came is no message of this protocol; the connection is closed."""


def encode(message: Message) -> bytes:
    """One message as bytes."""
    data = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(data)) + data


class Incoming:
    """Cuts a stream into messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes; return the messages that are complete. Raises `WireError`."""
        self._data += data
        found: list[Message] = []
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if length > MESSAGE_MAX_BYTES:
                raise WireError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._data) < end:
                break
            found.append(_decode(bytes(self._data[_LENGTH.size : end])))
            del self._data[:end]
        return found


def _decode(data: bytes) -> Message:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError("not JSON") from error
    if not isinstance(message, dict):
        raise WireError("not an object")
    return message
