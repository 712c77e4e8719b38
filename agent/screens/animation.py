"""A recording: one animated PNG (APNG 1.0), which grows by what changed, and which can be played at each moment.

    signature  IHDR  acTL(frames)  fcTL IDAT  [fcTL fdAT]...  IEND

A frame goes where the end stood, together with a new end, in one write; then the frame before it is told how long it
was seen, and the head how many frames there are. Whoever dies in between leaves a file that plays; `Animation.go_on`
cuts what is torn and goes on with it.
"""

import errno
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.bot_files import NOT_REGULAR
from agent.desktops.port import Frame
from agent.screens.difference import changed
from agent.screens.png import END, SIGNATURE, Rectangle, chunk, header, pixels, whole

MAX_BYTES = 64 * 1024 * 1024
STILL_MAX_S = 5.0
"""A picture that stays for longer is shown for this long: nobody watches a bot wait for an hour."""
_FIRST_S = 0.5
"""How long a frame is shown until it is known."""
_HEAD_BYTES = 33
"""Signature and IHDR."""
_PIXELS_MAX = 2**26
"""No desktop has more: a head that says so was spoiled, and a picture of that size would take all memory."""
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FLAGS = _CAREFUL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class AnimationFullError(Exception):
    """The next frame would make the file larger than it may be; what is there is whole."""


class TornError(Exception):
    """There is no recording in this file, or none that can be gone on with."""


@dataclass(slots=True)
class _Last:
    """The newest frame's own chunk, which is written again when it is known how long it was seen."""

    place: int
    number: int
    part: Rectangle
    at: float


class Animation:
    """One file, open for its next frame. All calls block, for what zlib takes; use it from one thread at a time."""

    def __init__(self, file: BinaryIO, size: tuple[int, int], max_bytes: int = MAX_BYTES) -> None:
        self._file = file
        self._size = size
        self._max_bytes = max_bytes
        self._end = 0
        """Where `END` stands."""
        self._numbers = 0
        self._frames = 0
        self._last: _Last | None = None
        self._seen: Frame | None = None

    @classmethod
    def begin(cls, path: Path, frame: Frame, at: float, max_bytes: int = MAX_BYTES) -> "Animation":
        """A new file (0600) with its first frame; `at` is in seconds of a clock that only grows. Raises OSError."""
        file = _opened(path, os.O_CREAT | os.O_TRUNC)
        made = cls(file, (frame.width, frame.height), max_bytes)
        try:
            control = chunk(b"fcTL", _control(0, whole(frame), _FIRST_S))
            image = chunk(b"IDAT", pixels(frame, whole(frame)))
            made._write(0, b"".join([SIGNATURE, header(*made._size), _count(1), control, image, END]))
        except BaseException:
            file.close()
            raise
        place = _HEAD_BYTES + len(_count(1))
        made._end = place + len(control) + len(image)
        made._numbers = made._frames = 1
        made._last, made._seen = _Last(place, 0, whole(frame), at), frame
        return made

    @classmethod
    def go_on(cls, path: Path, max_bytes: int = MAX_BYTES) -> "Animation":
        """A file that an earlier daemon left, less what was torn. Raises TornError, OSError."""
        file = _opened(path, 0)
        try:
            return cls._mended(file, max_bytes)
        except BaseException:
            file.close()
            raise

    @property
    def frames(self) -> int:
        """How many there are."""
        return self._frames

    def add(self, frame: Frame, at: float) -> bool:
        """Append what changed; False where nothing did. Raises AnimationFullError, OSError; then nothing was added."""
        frame = _fitted(frame, self._size)
        part = changed(self._seen, frame)
        if part is None:
            return False
        control = chunk(b"fcTL", _control(self._numbers, part, _FIRST_S))
        image = chunk(b"fdAT", struct.pack(">I", self._numbers + 1) + pixels(frame, part))
        added = b"".join([control, image, END])
        if self._end + len(added) > self._max_bytes:
            raise AnimationFullError
        try:
            self._write(self._end, added)
        except OSError:
            self._cut()
            raise
        self._tell_time(at)
        self._last, self._seen = _Last(self._end, self._numbers, part, at), frame
        self._end += len(control) + len(image)
        self._numbers += 2
        self._frames += 1
        self._write(_HEAD_BYTES, _count(self._frames))
        return True

    def close(self, at: float | None = None) -> None:
        """Tell the last frame until when it was seen, and close. Raises OSError; it is closed all the same."""
        try:
            if at is not None:
                self._tell_time(at)
        finally:
            self._file.close()

    @classmethod
    def _mended(cls, file: BinaryIO, max_bytes: int) -> "Animation":
        head = file.read(_HEAD_BYTES + len(_count(1)))
        if len(head) < _HEAD_BYTES + len(_count(1)) or head[:8] != SIGNATURE or head[37:41] != b"acTL":
            raise TornError
        width, height = struct.unpack(">II", head[16:24])
        if not 0 < width * height <= _PIXELS_MAX:
            raise TornError
        found = cls(file, (width, height), max_bytes)
        found._end = len(head)
        size = file.seek(0, os.SEEK_END)
        while (frame_end := _frame_at(file, found._end, size, is_first=found._frames == 0)) is not None:
            found._end = frame_end
            found._numbers += 2 if found._frames else 1
            found._frames += 1
        if not found._frames:
            raise TornError
        found._cut()
        found._write(_HEAD_BYTES, _count(found._frames))
        return found

    def _tell_time(self, at: float) -> None:
        if self._last is not None:
            last = self._last
            shown_s = max(0.0, min(STILL_MAX_S, at - last.at))
            self._write(last.place, chunk(b"fcTL", _control(last.number, last.part, shown_s)))

    def _cut(self) -> None:
        """Make what stands before the end a whole file again; its room was taken already, so no disk is too full."""
        self._write(self._end, END)
        self._file.truncate(self._end + len(END))

    def _write(self, place: int, data: bytes) -> None:
        self._file.seek(place)
        if self._file.write(data) != len(data):
            raise OSError(28, "No space left on device")


def _opened(path: Path, flags: int) -> BinaryIO:
    fd = os.open(path, os.O_RDWR | flags | _FLAGS, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, NOT_REGULAR, str(path))
    return os.fdopen(fd, "r+b", buffering=0)


def _count(frames: int) -> bytes:
    return chunk(b"acTL", struct.pack(">II", frames, 1))


def _control(number: int, part: Rectangle, shown_s: float) -> bytes:
    """Where a frame goes and how long it is seen; it replaces what is there and stays."""
    where = struct.pack(">IIIII", number, part.width, part.height, part.x, part.y)
    return where + struct.pack(">HHBB", round(shown_s * 1000), 1000, 0, 0)


def _frame_at(file: BinaryIO, place: int, size: int, *, is_first: bool) -> int | None:
    """Where the frame at `place` ends, if one stands there whole."""
    for kind in (b"fcTL", b"IDAT" if is_first else b"fdAT"):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] != kind:
            return None
        place += 12 + int(struct.unpack(">I", head[:4])[0])
        if place > size:
            return None
    return place


def _fitted(frame: Frame, size: tuple[int, int]) -> Frame:
    """The picture in the recording's own size, which can't change: cut, or with black around it."""
    width, height = size
    if (frame.width, frame.height) == size:
        return frame
    row, stride = min(width, frame.width) * 4, frame.width * 4
    blank = bytes(width * 4 - row)
    rows = [frame.pixels[start : start + row] + blank for start in range(0, min(height, frame.height) * stride, stride)]
    missing = bytes(width * 4 * (height - len(rows)))
    return Frame(width=width, height=height, pixels=b"".join([*rows, missing]))
