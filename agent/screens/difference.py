"""Which part of a picture is another than before: what a recording stores of it."""

import hashlib
from typing import NamedTuple

from agent.desktops.port import Frame
from agent.screens.png import Rectangle, whole

_ROWS = 16
"""Compared in one step: few steps where all is equal, little to look at again where it is not."""


class Look(NamedTuple):
    """What a picture looks like, in a few bytes: enough to say whether another is the same."""

    width: int
    height: int
    digest: bytes


def look_of(frame: Frame) -> Look:
    """Kept where only equality is asked later. Blocks, outside the interpreter's lock.

    Measured at 1920x1080 (CPU time): 20 ms, where comparing takes 2 ms and keeps 8 MB for each picture.
    """
    return Look(frame.width, frame.height, hashlib.blake2b(frame.pixels, digest_size=32).digest())


def is_same(before: Frame | None, after: Frame) -> bool:
    """Whether nothing changed: bytes are compared, which is a hundred times cheaper than compressing them."""
    return before is not None and before.width == after.width and before.pixels == after.pixels


def changed(before: Frame | None, after: Frame) -> Rectangle | None:
    """The smallest rectangle with all that changed; None where nothing did, everything where sizes differ."""
    if before is None or (before.width, before.height) != (after.width, after.height):
        return whole(after)
    rows = _changed_rows(before, after)
    if not rows:
        return None
    # Rows laid over each other: a bit is set where any of them changed.
    stride, mask = after.width * 4, 0
    for row in rows:
        start, end = row * stride, (row + 1) * stride
        mask |= int.from_bytes(before.pixels[start:end], "little") ^ int.from_bytes(after.pixels[start:end], "little")
    left = ((mask & -mask).bit_length() - 1) // 32
    right = (mask.bit_length() - 1) // 32
    return Rectangle(x=left, y=rows[0], width=right - left + 1, height=rows[-1] - rows[0] + 1)


def _changed_rows(before: Frame, after: Frame) -> list[int]:
    stride, old, new = after.width * 4, before.pixels, after.pixels
    rows = []
    for top in range(0, after.height, _ROWS):
        bottom = min(top + _ROWS, after.height)
        if old[top * stride : bottom * stride] != new[top * stride : bottom * stride]:
            starts = ((row, row * stride) for row in range(top, bottom))
            rows += [row for row, start in starts if old[start : start + stride] != new[start : start + stride]]
    return rows
