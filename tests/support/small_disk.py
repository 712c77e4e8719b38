"""A file system of its own that is soon full: a small tmpfs; needs root."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount one of `size` (as ``16m``) at `folder`, which is made; skips the test where this user may not."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room that is left there, to the last page; the file that took it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        _fill(file, 1024 * 1024)
        _fill(file, 4096)
    return path


def _fill(file: FileIO, size: int) -> None:
    with suppress(OSError):
        while True:
            file.write(bytes(size))
