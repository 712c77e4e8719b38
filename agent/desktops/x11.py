"""A connection to an X server, as far as `xdpyinfo` goes: is it there, does it take our cookie, how large is it?

Of the X protocol (X11R7, "Connection Setup") only the first request and its answer; of an authority file (Xau) only
MIT-MAGIC-COOKIE-1. No library: nothing that a daemon needs on every machine knows X.
"""

import asyncio
import os
import re
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

SOCKETS = Path("/tmp/.X11-unix")  # noqa: S108 - where X servers listen
COOKIE_KIND = b"MIT-MAGIC-COOKIE-1"
_LOCAL, FAMILY_WILD = 256, 65535
_TIMEOUT_S = 3.0
TCP_BASE = 6000
_BGRX = (0xFF0000, 0xFF00, 0xFF)
_ANSWER_MAX_BYTES = 4 * 65536
_DISPLAY = re.compile(r"(?P<host>[^:]*):(?P<number>\d{1,5})(\.\d+)?\Z")


class XUnreached(Exception):  # noqa: N818 - a state of the machine, told to a person
    """No X server answers there, or it does not let us in; the text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XScreen:
    """The first screen of a server."""

    width: int
    height: int
    depth: int
    root: int = 0
    """Its root window."""
    dpi: int | None = None
    """As the server says; None where it says no size in millimetres."""
    is_bgrx: bool = False
    """Whether its pictures are four bytes a pixel: blue, green, red, nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """A server's address."""

    host: str
    """Empty for this machine."""
    number: int


def parse_display(text: str) -> Display:
    """Read ``[host]:number[.screen]``. Raises XUnreached."""
    found = _DISPLAY.match(text)
    if found is None:
        raise XUnreached("DISPLAY is no address of an X server, such as :0")
    host = found["host"]
    return Display(host="" if host == "unix" else host, number=int(found["number"]))


def find_cookie(data: bytes, display: Display, host_name: str) -> bytes:
    """The cookie of an authority file for this display; empty where it has none."""
    for family, address, number, name, cookie in _entries(data):
        is_this_host = family == FAMILY_WILD or (family == _LOCAL and address == host_name.encode())
        if name == COOKIE_KIND and is_this_host and number in {b"", str(display.number).encode()}:
            return cookie
    return b""


def _entries(data: bytes) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    position = 0
    try:
        while position < len(data):
            (family,) = struct.unpack_from(">H", data, position)
            position += 2
            texts = []
            for _ in range(4):
                (size,) = struct.unpack_from(">H", data, position)
                texts.append(data[position + 2 : position + 2 + size])
                position += 2 + size
            yield (family, texts[0], texts[1], texts[2], texts[3])
    except struct.error:
        return  # the end of it is torn: what came before counts


def setup_request(cookie: bytes) -> bytes:
    """The first bytes of a client: little-endian, protocol 11.0."""
    name = COOKIE_KIND if cookie else b""
    return struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie)) + _padded(name) + _padded(cookie)


def read_setup(first: bytes, rest: bytes) -> XScreen:
    """The first screen of a server's answer: 8 bytes and what they announce. Raises XUnreached."""
    status, reason_size = first[0], first[1]
    if status != 1:
        said = rest[: reason_size if status == 0 else None].rstrip(b"\0").decode("utf-8", "replace").strip()
        raise XUnreached(f"it does not let us in ({said or 'no reason given'})")
    try:
        (vendor_size,) = struct.unpack_from("<H", rest, 16)
        screens, formats = rest[20], rest[21]
        first_format = 32 + len(_padded(bytes(vendor_size)))
        screen = _read_screen(rest, first_format, formats)
    except (struct.error, IndexError):
        raise XUnreached("what answers there speaks no X") from None
    if not screens:
        raise XUnreached("it has no screen")
    return screen


def _read_screen(rest: bytes, first_format: int, formats: int) -> XScreen:
    """Raises struct.error, IndexError."""
    at = first_format + 8 * formats
    (root,) = struct.unpack_from("<I", rest, at)
    width, height, width_mm = struct.unpack_from("<HHH", rest, at + 20)
    (visual,) = struct.unpack_from("<I", rest, at + 32)
    depth = rest[at + 38]
    bits = {rest[place]: rest[place + 1] for place in range(first_format, at, 8)}
    is_little = rest[22] == 0
    return XScreen(
        width=width,
        height=height,
        depth=depth,
        root=root,
        dpi=round(width * 25.4 / width_mm) if width_mm else None,
        is_bgrx=is_little and bits.get(depth) == 32 and _masks_of(rest, at, visual) == _BGRX,
    )


def _masks_of(rest: bytes, screen: int, wanted: int) -> tuple[int, ...]:
    """Red, green and blue of a visual; empty where the answer has no such visual."""
    at = screen + 40
    for _ in range(rest[screen + 39] if screen + 39 < len(rest) else 0):
        if at + 8 > len(rest):
            break
        (count,) = struct.unpack_from("<H", rest, at + 2)
        at += 8
        for place in range(at, min(at + 24 * count, len(rest) - 23), 24):
            visual, *masks = struct.unpack_from("<I4xIII", rest, place)
            if visual == wanted:
                return tuple(masks)
        at += 24 * count
    return ()


async def ask(display: Display, cookie: bytes, sockets: Path = SOCKETS) -> XScreen:
    """Connect and shake hands, within three seconds. Raises XUnreached."""
    async with talk(display, cookie, sockets) as (screen, _, _):
        return screen


@asynccontextmanager
async def talk(
    display: Display, cookie: bytes, sockets: Path = SOCKETS
) -> AsyncIterator[tuple[XScreen, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection after its handshake, within three seconds for all of the block. Raises XUnreached."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await _connect(display, sockets)
            try:
                writer.write(setup_request(cookie))
                first = await reader.readexactly(8)
                size = 4 * struct.unpack_from("<H", first, 6)[0]
                yield read_setup(first, await reader.readexactly(min(size, _ANSWER_MAX_BYTES))), reader, writer
            finally:
                writer.close()
    except TimeoutError:
        raise XUnreached(f"no answer within {_TIMEOUT_S:g} s") from None
    except asyncio.IncompleteReadError:
        raise XUnreached("it hangs up, or what answers there speaks no X") from None
    except OSError as error:
        raise XUnreached((error.strerror or str(error)).lower()) from None


async def _connect(display: Display, sockets: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if display.host:
        return await asyncio.open_connection(display.host, TCP_BASE + display.number)
    if sys.platform == "win32":
        return await asyncio.open_connection("127.0.0.1", TCP_BASE + display.number)
    # An address of a socket is short, and the system's folder is: only a test's may be too long.
    place = os.fspath(sockets / f"X{display.number}")
    return await asyncio.open_unix_connection(place)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
