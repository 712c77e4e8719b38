"""A picture of an X screen: GetImage of the root window over a connection of our own (X11R7, "GetImage").

The requests for all pieces are sent at once, and each answer is read into its place of one buffer: neither side holds
more than a piece beside the picture. A thread does it: at 1920x1080 it is 8 MB, which no event loop should wait for.
"""

import os
import socket
import struct
import sys
from pathlib import Path
from typing import Self

from agent.desktops.port import Frame, ScreenUnreachedError
from agent.desktops.x11 import SOCKETS, TCP_BASE, Display, XScreen, XUnreached, read_setup, setup_request
from agent.ports.clock import SystemClock

_TIMEOUT_S = 3.0
_PIECE_BYTES = 1024 * 1024
_GET_IMAGE, _Z_PIXMAP, _ALL_PLANES = 73, 2, 0xFFFFFFFF
_ANSWER_BYTES = 32
_PIXEL_BYTES = 4


def take_picture(display: Display, cookie: bytes, sockets: Path = SOCKETS) -> Frame:
    """The whole first screen, within three seconds. Blocks: call it in a thread. Raises ScreenUnreachedError."""
    try:
        with _Connection(display, sockets) as server:
            return _read_picture(server, _shake_hands(server, cookie))
    except TimeoutError:
        raise ScreenUnreachedError(f"no answer within {_TIMEOUT_S:g} s") from None
    except XUnreached as error:
        raise ScreenUnreachedError(str(error)) from None
    except (OSError, struct.error) as error:
        raise ScreenUnreachedError((getattr(error, "strerror", None) or str(error)).lower()) from None


class _Connection:
    """One for a picture, with a bound on all of it."""

    def __init__(self, display: Display, sockets: Path) -> None:
        self._clock = SystemClock()
        self._until = self._clock.monotonic() + _TIMEOUT_S
        if display.host or sys.platform == "win32":
            place = (display.host or "127.0.0.1", TCP_BASE + display.number)
            self._socket = socket.create_connection(place, _TIMEOUT_S)
        else:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._socket.settimeout(_TIMEOUT_S)
                self._socket.connect(os.fspath(sockets / f"X{display.number}"))
            except OSError:
                self._socket.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._bound()
        self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        data = bytearray(size)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, place: memoryview) -> None:
        while place:
            self._bound()
            count = self._socket.recv_into(place)
            if count == 0:
                raise XUnreached("it hangs up")
            place = place[count:]

    def _bound(self) -> None:
        left_s = self._until - self._clock.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)


def _shake_hands(server: _Connection, cookie: bytes) -> XScreen:
    server.send(setup_request(cookie))
    first = server.read(8)
    return read_setup(first, server.read(4 * struct.unpack_from("<H", first, 6)[0]))


def _read_picture(server: _Connection, screen: XScreen) -> Frame:
    if not screen.is_bgrx:
        raise ScreenUnreachedError(f"its colours of {screen.depth} bits are not read: set it to 24 bits")
    row_bytes = screen.width * _PIXEL_BYTES
    rows = max(1, _PIECE_BYTES // row_bytes)
    pieces = [(top, min(rows, screen.height - top)) for top in range(0, screen.height, rows)]
    server.send(b"".join(_request(screen, top, height) for top, height in pieces))
    pixels = bytearray(row_bytes * screen.height)
    view = memoryview(pixels)
    for top, height in pieces:
        _read_piece(server, view[top * row_bytes : (top + height) * row_bytes])
    return Frame(width=screen.width, height=screen.height, pixels=bytes(pixels))


def _request(screen: XScreen, top: int, height: int) -> bytes:
    where = struct.pack("<IhhHHI", screen.root, 0, top, screen.width, height, _ALL_PLANES)
    return struct.pack("<BBH", _GET_IMAGE, _Z_PIXMAP, 5) + where


def _read_piece(server: _Connection, place: memoryview) -> None:
    answer = server.read(_ANSWER_BYTES)
    while answer[0] > 1:  # an event that every client gets, as of a changed keyboard
        answer = server.read(_ANSWER_BYTES)
    if answer[0] == 0:
        raise XUnreached(f"it gives no picture (error {answer[1]})")
    (words,) = struct.unpack_from("<I", answer, 4)
    if 4 * words != len(place):
        raise XUnreached("it gives another picture than was asked for")
    server.read_into(place)
