"""Pictures in tests: frames of known pixels, a strict reader of what the codec writes, and a painted desktop."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.desktops.facts import DesktopFacts
from agent.desktops.port import Desktop, Frame, ScreenUnreachedError

BLUE, RED, GREY = b"\xff\0\0\0", b"\0\0\xff\0", b"\x80\x80\x80\0"
"""Pixels as a `Frame` has them: blue, green, red, nothing."""


def plain(width: int = 40, height: int = 30, colour: bytes = GREY) -> Frame:
    """A picture of one colour."""
    return Frame(width=width, height=height, pixels=colour * (width * height))


def dotted(frame: Frame, *places: tuple[int, int], colour: bytes = RED) -> Frame:
    """The same picture with single pixels of another colour."""
    pixels = bytearray(frame.pixels)
    for x, y in places:
        start = (y * frame.width + x) * 4
        pixels[start : start + 4] = colour
    return Frame(width=frame.width, height=frame.height, pixels=bytes(pixels))


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of a file, and for how long it is shown (None: it does not move)."""

    frame: Frame
    shown_s: float | None


def read_png(data: bytes) -> Frame:
    """The one picture of a PNG file."""
    (shown,) = read_pictures(data)
    return shown.frame


def read_pictures(data: bytes) -> list[Shown]:
    """All pictures of a PNG file, whole as a player shows them one after the other."""
    chunks = _chunks(data)
    assert chunks[0][0] == b"IHDR"
    assert chunks[-1] == (b"IEND", b"")
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[0][1])
    assert kind == [8, 2, 0, 0, 0]
    if chunks[1][0] != b"acTL":
        assert [name for name, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
        return [Shown(Frame(width=width, height=height, pixels=_pixels(chunks[1][1], width, height)), None)]
    frames, _ = struct.unpack(">II", chunks[1][1])
    canvas, number = bytearray(width * height * 4), 0
    shown: list[Shown] = []
    for (name, control), (kind_of_data, body) in zip(chunks[2:-1:2], chunks[3:-1:2], strict=True):
        assert name == b"fcTL"
        told, wide, high, x, y, delay, unit, dispose, blend = struct.unpack(">IIIIIHHBB", control)
        assert (told, dispose, blend) == (number, 0, 0)
        number += 1
        assert kind_of_data == (b"fdAT" if shown else b"IDAT")
        if shown:
            assert struct.unpack(">I", body[:4])[0] == number
            number += 1
        part = _pixels(body[4:] if shown else body, wide, high)
        for row in range(high):
            start = ((y + row) * width + x) * 4
            canvas[start : start + wide * 4] = part[row * wide * 4 : (row + 1) * wide * 4]
        shown.append(Shown(Frame(width=width, height=height, pixels=bytes(canvas)), delay / unit))
    assert len(shown) == frames
    return shown


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, place = [], 8
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length : place + 12 + length])[0] == zlib.crc32(name + body)
        found.append((name, body))
        place += 12 + length
    return found


def _pixels(data: bytes, width: int, height: int) -> bytes:
    rows = zlib.decompress(data)
    stride = 1 + width * 3
    assert len(rows) == stride * height
    out = bytearray(width * height * 4)
    for row in range(height):
        assert rows[row * stride] == 0
        line = rows[row * stride + 1 : (row + 1) * stride]
        for channel, place in ((2, 0), (1, 1), (0, 2)):
            out[row * width * 4 + place : (row + 1) * width * 4 : 4] = line[channel::3]
    return bytes(out)


@dataclass(slots=True)
class PaintedDesktop:
    """A `Desktop` that shows `frame`, or says why it can't."""

    slot: int = 0
    frame: Frame = field(default_factory=plain)
    problem: str = ""
    grabs: int = 0
    is_virtual: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    is_there: bool = True
    is_beginning: bool = False

    async def until_known(self) -> None:
        """It is."""

    async def look(self) -> DesktopFacts:
        """What it is."""
        return DesktopFacts(kind="x11", name=":1", width=self.frame.width, height=self.frame.height)

    async def grab(self) -> Frame:
        """A picture."""
        self.grabs += 1
        if self.problem:
            raise ScreenUnreachedError(self.problem)
        return self.frame


@dataclass(slots=True)
class PaintedDesktops:
    """`Desktops`, by slot."""

    desktops: tuple[PaintedDesktop, ...] = ()

    def of_slot(self, slot: int) -> Desktop | None:
        """The one of this slot."""
        return next((one for one in self.desktops if one.slot == slot), None)

    def all(self) -> tuple[Desktop, ...]:
        """By slot."""
        return self.desktops
