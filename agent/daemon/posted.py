"""Outputs that a bot posted to the gateway, kept in its folder until its end (`bot-packages.md` §7).

One JSON array of name and value a line, appended and synced. A line that a crash tore was never answered with 202, and
counts for nothing; the next one begins on a line of its own all the same.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from agent.gateway_port import TooMuchSaidError
from agent.ports.files import Disk

POSTED_NAME = "posted-outputs"
POSTED_MAX_BYTES = 2 * 1024 * 1024
"""All that is posted; of one name the later counts, so this is more than all outputs may be."""


def keep_posted(folder: Path, disk: Disk, outputs: Mapping[str, str]) -> None:
    """Append outputs, durably. Blocks. Raises TooMuchSaidError, OSError; then nothing of them counts."""
    data = b"".join(json.dumps(pair).encode() + b"\n" for pair in outputs.items())
    file = disk.open_append(folder / POSTED_NAME)
    try:
        if file.size + len(data) > POSTED_MAX_BYTES:
            raise TooMuchSaidError(f"This execution has posted {file.size} bytes of outputs; no more are kept")
        before = file.size
        try:
            # A torn line before this one must not take it along.
            file.write(b"\n" + data if before else data)
            file.sync()
            if not before:
                disk.sync_folder(folder)
        except OSError:
            file.truncate(before)
            raise
    finally:
        file.close()


def read_posted(data: bytes) -> dict[str, str]:
    """What was posted: each line that is whole."""
    found = {}
    for line in data.split(b"\n")[:-1]:
        try:
            name, value = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            continue
        found[str(name)] = str(value)
    return found
