"""Room on the hub's disks, and the state `read-only: disk` when there is none (`reliability.md` R14).

    writable ── somebody met a full disk: the reserve is given up ──> read-only
        └──────── there is room for the reserve, and as much again ──────┘

In each folder that the hub writes to lies a file `reserve` whose blocks are allocated. What is given up goes to what
makes room and to what ends things: deletes (SQLite needs room for one [M]), cancels, the settling of facts. Output and
whatever else may be large waits meanwhile where it came from, so the reserve is not eaten by it.

Any thread may say that the disk is full; `watch` is told at once.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.ports.room import FULL, free_bytes, make_reserve, total_bytes
from hub.errors import Unavailable

log = logging.getLogger(__name__)

RESERVE_BYTES = 64 * 1024 * 1024
RESERVE_FILE = "reserve"
_PART = 16
_RETRY_AFTER_S = 5.0
READ_ONLY = "The hub is read-only: its disk is full. Free some space on the disk of its data; it goes on by itself."


class ReadOnly(Unavailable):
    """Nothing new is taken while the disk is full (503)."""

    def __init__(self) -> None:
        super().__init__("read_only", READ_ONLY, {"reason": "disk"}, retry_after_s=_RETRY_AFTER_S)


class NoRoom(Unavailable):
    """What was brought does not fit the disk; nothing of it was kept (503)."""

    def __init__(self) -> None:
        super().__init__(
            "disk_full",
            "There is no room for this on the hub's disk. Nothing was kept; free some space there, then try again.",
            retry_after_s=_RETRY_AFTER_S,
        )


class Room:
    """The reserves, one for each disk. Without folders it never is full: for tests and parts of a hub."""

    def __init__(self, folders: Iterable[Path] = (), reserve_bytes: int = RESERVE_BYTES) -> None:
        """`reserve_bytes` 0: nothing is kept free, and a full disk is only told from others."""
        self._reserves = _one_for_each_disk(folders, reserve_bytes)
        self._lock = threading.Lock()
        self._is_full = False
        self._told: Callable[[], object] | None = None

    @property
    def is_full(self) -> bool:
        """Whether the hub is read-only. Any thread may ask."""
        return self._is_full

    def check(self) -> None:
        """Raise `ReadOnly` while the disk is full."""
        if self._is_full:
            raise ReadOnly

    def watch(self, told: Callable[[], object]) -> None:
        """Call this, in whichever thread, when the disk was found full; at once where that is known already."""
        self._told = told
        if self._is_full:
            told()

    def begin(self) -> None:
        """Take the reserves; where they do not fit, or nothing but them, the hub begins read-only. Blocks."""
        for path, size in self._reserves.items():
            try:
                if size and (not path.is_file() or path.stat().st_size != size):
                    make_reserve(path, size)
                if free_bytes(path.parent) < size:
                    self.note_full()
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self.note_full()

    def note_full(self) -> bool:
        """A write found no room: be read-only; true when that gave up a reserve, so the write is worth a second try."""
        with self._lock:
            given = [path for path in self._reserves if _give_up(path)]
            was_full, self._is_full = self._is_full, bool(self._reserves)
        if self._is_full and not was_full:
            log.error("read-only: disk. The disk is full; the reserve is given up, nothing new is taken")
            if self._told is not None:
                self._told()
        return bool(given)

    def recover(self) -> bool:
        """Take the reserves again where they fit twice; true when the hub may write again. Blocks.

        Twice, so that it does not change with every file that comes and goes.
        """
        with self._lock:
            if not self._is_full:
                return True
            try:
                for path, size in self._reserves.items():
                    make_reserve(path, size, beyond=max(size, 1))
            except OSError:
                for path in self._reserves:
                    _give_up(path)
                return False
            self._is_full = False
        log.warning("the disk has room again: the hub takes everything")
        return True


def _one_for_each_disk(folders: Iterable[Path], size: int) -> dict[Path, int]:
    """The reserve files and their sizes; on a small disk a sixteenth of it is enough."""
    found = {folder.stat().st_dev: folder for folder in reversed(list(folders))}
    return {folder / RESERVE_FILE: min(size, total_bytes(folder) // _PART) for folder in found.values()}


def _give_up(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
