"""Tells how far a Robot Framework run is: a listener that the runner puts into ``ROBOT_OPTIONS`` (bot-packages.md §5).

Loaded by the bot's own Python, whichever it is: the standard library alone, no syntax of late versions. It prints
nothing, and no error of its own ever reaches the robot. Where to tell it stands in ``BOTYARD_API_URL`` and
``BOTYARD_API_TOKEN``, as for every bot.
"""

import contextlib
import json
import os
import threading
import urllib.request
from typing import Any

ROBOT_LISTENER_API_VERSION = 3
TIMEOUT_S = 2.0
LEAST_PAUSE_S = 0.25
"""Between two tellings; the runner tells the hub once a second at most."""

TEXT_MAX = 400


class Tally:
    """What is known of the run."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self.failed = 0

    def text(self, name: str) -> str:
        """One line for people."""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total}{failed}: {name}"[:TEXT_MAX]

    def percent(self) -> float:
        """Done tasks of all, 0 to 100."""
        return min(100.0, 100.0 * self.done / self.total) if self.total else 0.0


class Teller:
    """Tells the newest from a thread of its own: the robot never waits for it, and the last word always goes out."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._bell = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def tell(self, body: bytes) -> None:
        """Send this soon, unless something newer comes before."""
        with self._bell:
            self._newest = body
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="botyard progress", daemon=True)
                self._thread.start()
            self._bell.notify()

    def close(self) -> None:
        """Send what is left, and wait for it, but not long."""
        with self._bell:
            self._is_closed = True
            self._bell.notify()
        if self._thread is not None:
            self._thread.join(2 * TIMEOUT_S)

    def _run(self) -> None:
        while True:
            with self._bell:
                self._bell.wait_for(lambda: self._newest is not None or self._is_closed)
                body, self._newest = self._newest, None
            if body is None:
                return
            with contextlib.suppress(Exception):
                send(body)
            with self._bell:
                self._bell.wait_for(lambda: self._is_closed, LEAST_PAUSE_S)


TALLY = Tally()
TELLER = Teller()
# A proxy of the environment knows nothing of this machine's loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start_suite(data: Any, result: Any) -> None:
    """The first suite that starts holds all others, and knows how many tasks there are."""
    del result
    with contextlib.suppress(Exception):
        if TALLY.total == 0:
            TALLY.total = int(data.test_count)
            tell(str(data.name))


def start_test(data: Any, result: Any) -> None:
    """A task begins."""
    del result
    with contextlib.suppress(Exception):
        tell(str(data.name))


def end_test(data: Any, result: Any) -> None:
    """A task has ended."""
    with contextlib.suppress(Exception):
        TALLY.done += 1
        TALLY.failed += str(result.status) == "FAIL"
        tell(str(data.name))


def close() -> None:
    """The run is over."""
    with contextlib.suppress(Exception):
        TELLER.close()


def tell(name: str) -> None:
    """Let the runner know where the run is."""
    TELLER.tell(json.dumps({"percent": TALLY.percent(), "text": TALLY.text(name)}).encode())


def send(body: bytes) -> None:
    """One call of the bot's own API. Raises OSError, and ValueError for an address that is none."""
    url, token = os.environ.get("BOTYARD_API_URL"), os.environ.get("BOTYARD_API_TOKEN")
    if not url or not token:
        return
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url.rstrip('/')}/progress", data=body, headers=headers)  # noqa: S310
    with _OPENER.open(request, timeout=TIMEOUT_S):
        pass
