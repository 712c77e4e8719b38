"""Write a history down, and read it again."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.history.events import Event, from_json, to_json


class Recorder:
    """Collects events in the order of their adding; any thread may add."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self.events: list[Event] = []

    def now(self) -> float:
        """Seconds since this history began."""
        return self._clock() - self._began

    def moment(self, clock_s: float) -> float:
        """What a reading of the same clock elsewhere (a bot's, say) is in this history."""
        return clock_s - self._began

    def add(self, kind: type[Event], /, *, at: float | None = None, **fields: Any) -> None:
        """Add an event, stamped with this history's time unless its witness told the moment."""
        with self._lock:
            self.events.append(kind(at=self.now() if at is None else at, **fields))

    def save(self, path: Path) -> None:
        """Write all as JSON lines."""
        path.write_text(dumps(self.events), encoding="utf-8")


def dumps(events: Sequence[Event]) -> str:
    """JSON lines; the same events make the same text."""
    return "".join(json.dumps(to_json(event), sort_keys=True) + "\n" for event in events)


def load(path: Path) -> list[Event]:
    """The events of a file.

    Raises ValueError with the number of the line that is no event.
    """
    events = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            events.append(from_json(json.loads(line)))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return events
