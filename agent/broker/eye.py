"""Looks at a desktop from inside its session, for a daemon that stands outside: one line asks, one line answers.

    look -> facts as JSON        grab -> {"width", "height"} as JSON and the pixels, or {"problem"}

It ends with its daemon: at the end of what it is asked.
"""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from typing import Any, BinaryIO

from agent.desktops.facts import DesktopFacts
from agent.desktops.own import OwnDesktop
from agent.desktops.port import Desktop, Frame, ScreenUnreachedError
from agent.shim.meeting import come

_LOOK, _GRAB = b"look\n", b"grab\n"
_PIXEL_BYTES = 4
_FRAME_MAX_BYTES = 16384 * 16384 * _PIXEL_BYTES


def serve(file: BinaryIO, desktop: Desktop) -> None:
    """Answer until nobody asks any more. Raises OSError."""
    while word := file.readline():
        file.writelines(_answer(word, desktop))
        file.flush()


def _answer(word: bytes, desktop: Desktop) -> tuple[bytes, ...]:
    if word == _LOOK:
        return (_line(asdict(asyncio.run(desktop.look()))),)
    try:
        frame = asyncio.run(desktop.grab())
    except ScreenUnreachedError as error:
        return (_line({"problem": str(error)}),)
    return _line({"width": frame.width, "height": frame.height}), frame.pixels


def ask_look(file: BinaryIO) -> DesktopFacts:
    """What it sees. Blocks; raises OSError, ValueError."""
    return DesktopFacts(**_asked(file, _LOOK))


def ask_grab(file: BinaryIO) -> Frame:
    """A picture. Blocks; raises ScreenUnreachedError, OSError, ValueError."""
    head = _asked(file, _GRAB)
    if "problem" in head:
        raise ScreenUnreachedError(str(head["problem"]))
    width, height = int(head["width"]), int(head["height"])
    size = width * height * _PIXEL_BYTES
    if not 0 < size <= _FRAME_MAX_BYTES:
        raise ValueError("that is no picture")
    pixels = file.read(size)
    if len(pixels) != size:
        raise ConnectionError("the session ended")
    return Frame(width=width, height=height, pixels=pixels)


def _asked(file: BinaryIO, word: bytes) -> dict[str, Any]:
    file.write(word)
    file.flush()
    line = file.readline()
    if not line:
        raise ConnectionError("the session ended")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode() + b"\n"


def main() -> int:
    """Serve whoever started this process."""
    met = come()
    if met is None:
        return 2
    try:
        serve(met.file, OwnDesktop(os.environ))
    except OSError:
        return 0  # the daemon has ended
    return 0


if __name__ == "__main__":
    sys.exit(main())
