"""The few requests of the X protocol that a look at windows needs, and their replies (X11R7, "Requests")."""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass

GET_ATTRIBUTES, GET_GEOMETRY, QUERY_TREE, INTERN_ATOM, GET_PROPERTY, GET_IMAGE = 3, 14, 15, 16, 20, 73
_PROPERTY_WORDS = 4096
_Z_PIXMAP = 2
_REPLY_MAX_BYTES = 16 * 1024 * 1024
_GENERIC_EVENT = 35


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where a window stands in its parent, in pixels."""

    x: int
    y: int
    width: int
    height: int


def request(opcode: int, data: int = 0, body: bytes = b"") -> bytes:
    """One request; ``data`` is its second byte."""
    padded = body + bytes(-len(body) % 4)
    return struct.pack("<BBH", opcode, data, 1 + len(padded) // 4) + padded


def of_window(opcode: int, window: int) -> bytes:
    """One that asks about a window and nothing else."""
    return request(opcode, body=struct.pack("<I", window))


def intern(name: str) -> bytes:
    """Ask for the number of an atom, 0 where nobody ever used it."""
    return request(INTERN_ATOM, 1, struct.pack("<Hxx", len(name)) + name.encode())


def get_property(window: int, atom: int) -> bytes:
    """Ask for a property, of whatever type."""
    return request(GET_PROPERTY, body=struct.pack("<IIIII", window, atom, 0, 0, _PROPERTY_WORDS))


def get_row(window: int, y: int, width: int) -> bytes:
    """Ask for one row of pixels."""
    return request(GET_IMAGE, _Z_PIXMAP, struct.pack("<IhhHHI", window, 0, y, width, 1, 0xFFFFFFFF))


async def ask_all(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes], after: int = 0
) -> list[bytes | None]:
    """The replies, in order; None for one that the server refused: a window that has gone meanwhile.

    Each request must have a reply. `after` is how many were sent on this connection before. Raises
    asyncio.IncompleteReadError.
    """
    writer.write(b"".join(requests))
    replies: list[bytes | None] = [None] * len(requests)
    answered = 0
    while answered < len(requests):
        head = await reader.readexactly(32)
        kind, sequence, words = head[0], *struct.unpack_from("<2xHI", head)
        if kind in {1, _GENERIC_EVENT}:
            head += await reader.readexactly(min(4 * words, _REPLY_MAX_BYTES))
        if kind <= 1:
            answered = (sequence - after) & 0xFFFF
            replies[answered - 1] = head if kind == 1 else None
    return replies


def numbers_of(reply: bytes | None) -> tuple[int, ...]:
    """A property of 32-bit values: windows, atoms."""
    if reply is None or reply[1] != 32:
        return ()
    (count,) = struct.unpack_from("<I", reply, 16)
    return struct.unpack_from(f"<{count}I", reply, 32)


def text_of(reply: bytes | None) -> str:
    """A property of bytes: names."""
    if reply is None or reply[1] != 8:
        return ""
    (count,) = struct.unpack_from("<I", reply, 16)
    return reply[32 : 32 + count].decode("utf-8", "replace")


def atom_of(reply: bytes | None) -> int:
    """What `intern` asked for."""
    return 0 if reply is None else int(struct.unpack_from("<I", reply, 8)[0])


def tree_of(reply: bytes | None) -> tuple[int, tuple[int, ...]]:
    """A window's parent, and its children from the lowest to the highest."""
    if reply is None:
        return 0, ()
    parent, count = struct.unpack_from("<IH", reply, 12)
    return parent, struct.unpack_from(f"<{count}I", reply, 32)


def box_of(reply: bytes | None) -> Box | None:
    """Where it stands."""
    if reply is None:
        return None
    x, y, width, height = struct.unpack_from("<hhHH", reply, 12)
    return Box(x=x, y=y, width=width, height=height)


def is_shown(reply: bytes | None) -> bool:
    """Whether a window with pixels of its own is mapped, and all above it are."""
    return reply is not None and reply[12] == 1 and reply[26] == 2


def is_unmanaged(reply: bytes | None) -> bool:
    """Whether it tells window managers to leave it alone."""
    return reply is not None and reply[27] == 1
