"""Counting and hashing an output as it becomes durable, so that its end costs nothing."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PART_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A whole output, counted and hashed from what is stored; ``lines`` counts an unfinished last line too."""

    length: int
    newlines: int
    lines: int
    sha256: str


class Tally:
    """Takes the bytes of one output in order, from the first on."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._newlines = 0
        self._last = b"\n"
        self.length = 0

    def add(self, data: bytes) -> None:
        """The next bytes."""
        self._digest.update(data)
        self._newlines += data.count(b"\n")
        self._last = data[-1:] or self._last
        self.length += len(data)

    def totals(self) -> Totals:
        """What has been added so far."""
        unfinished = self.length > 0 and self._last != b"\n"
        return Totals(
            length=self.length,
            newlines=self._newlines,
            lines=self._newlines + unfinished,
            sha256=self._digest.hexdigest(),
        )


def tally_of(path: Path) -> Tally:
    """The tally of a segment's bytes: for an output that was begun by an earlier process."""
    tally = Tally()
    if path.exists():
        for part in _parts(path):
            tally.add(part)
    return tally


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            yield part
