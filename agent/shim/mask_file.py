"""The file `masks` of an execution: secrets that came while its bot ran, for a daemon that finds no shim any more.

What the bot left said, its result for one, is read and masked after its end. A daemon that was away meanwhile has the
order's secrets from `order.json`; these stand here, in the same closed folder (0700, file 0600), and go with it. Not
synced: a machine that loses power loses the last ones, and the shim's word counts while it lives (core.md §2).
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path

from agent.bot_files import open_inside

MASKS_NAME = "masks"
_READ_MAX_BYTES = 16 * 1024 * 1024


def keep_masks(folder: Path, masks: Iterable[bytes]) -> None:
    """Add some. A disk that takes nothing must not keep the shim from masking: then they are known here only."""
    lines = b"".join(b64encode(mask) + b"\n" for mask in masks)
    try:
        fd = os.open(folder / MASKS_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError:
        return
    try:
        os.write(fd, lines)
    except OSError:
        return
    finally:
        os.close(fd)


def kept_masks(folder: Path) -> tuple[bytes, ...]:
    """All that stand there; none where there is no file, or a bot of our own user spoiled it."""
    try:
        with open_inside(folder, folder / MASKS_NAME) as file:
            lines = file.read(_READ_MAX_BYTES).split(b"\n")[:-1]
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            found.append(b64decode(line, validate=True))
        except ValueError:
            continue
    return tuple(found)
