"""The output of a Robocorp robot among its artifacts, as its author expects: ``stdout.log``, ``stderr.log``.

Made of the segments, so what is masked there is masked here. Segments that the hub had acknowledged are gone when a
bot printed more than one of them holds; then the copies say how many bytes come before, which the task's output has.
"""

import contextlib
import logging
import os
from pathlib import Path

from agent.bot_files import is_folder_inside
from agent.output import Follower
from agent.wire.codec import Stream
from agent.wire.task import Work
from agent.wire.words import Kind

NAMES = {Stream.STDOUT: "stdout.log", Stream.STDERR: "stderr.log"}
_READ_BYTES = 1024 * 1024
log = logging.getLogger(__name__)


def copies_folder(folder: Path, work: Work | None) -> Path | None:
    """Where the execution in `folder` keeps copies of its output; None for kinds that keep none."""
    if work is None or work.build.launch.kind is not Kind.ROBOCORP or not work.build.launch.artifacts:
        return None
    return folder / "work" / work.build.launch.artifacts


def copy_output(folder: Path, target: Path) -> None:
    """Write what the segments hold into `target`, unless the robot wrote files of these names itself. Blocks.

    Every name is put into its place whole and without following a link (S38); doing it again changes nothing.
    """
    parts = {stream: folder / f".{name}" for stream, name in NAMES.items()}
    try:
        _write(folder / "output", parts)
        for stream, name in NAMES.items():
            if is_folder_inside(folder, target) and not os.path.lexists(target / name):
                parts[stream].replace(target / name)
    except OSError as error:
        log.warning("%s: its output is not among its artifacts: %s", folder.name, error)
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _write(output: Path, parts: dict[Stream, Path]) -> None:
    follower = Follower(output)
    with contextlib.ExitStack() as open_files:
        open_files.callback(follower.close)
        files = {stream: open_files.enter_context(path.open("wb")) for stream, path in parts.items()}
        offset = 0
        while True:
            batch = follower.read(offset, _READ_BYTES, is_writer_alive=False)
            for chunk in batch.chunks:
                files[chunk.stream].write(chunk.data)
            for gap in batch.gaps:
                files[Stream.STDOUT].write(f"[{gap.bytes} bytes are not here: see the task's output]\n".encode())
            if batch.next_offset == offset:
                return
            offset = batch.next_offset
