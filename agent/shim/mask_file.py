"""The file `masks` of an execution: secrets that came while its bot ran, for a daemon that finds no shim any more.

What the bot left said, its result for one, is read and masked after its end. A daemon that was away meanwhile has the
order's secrets from `order.json`; these stand here, in the same closed folder (0700, file 0600), and go with it. Not
synced: a machine that loses power loses the last ones, and the shim's word counts while it lives (core.md §2).
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agent.ports.files import Disk

MASKS_NAME = "masks"
_READ_MAX_BYTES = 16 * 1024 * 1024


def keep_masks(folder: Path, disk: Disk, masks: Iterable[bytes]) -> None:
    """Add some. A disk that takes nothing must not keep the shim from masking: then they are known here only."""
    lines = b"".join(b64encode(mask) + b"\n" for mask in masks)
    with suppress(OSError):
        disk.append(folder / MASKS_NAME, lines)


def kept_masks(folder: Path, disk: Disk) -> tuple[bytes, ...]:
    """All that stand there; none where there is no file, or a bot of our own user spoiled it."""
    try:
        file = disk.open_regular(folder / MASKS_NAME)
    except OSError:
        return ()
    try:
        lines = file.read_at(0, _READ_MAX_BYTES).split(b"\n")[:-1]
    except OSError:
        return ()
    finally:
        file.close()
    found = []
    for line in lines:
        try:
            found.append(b64decode(line, validate=True))
        except ValueError:
            continue
    return tuple(found)
