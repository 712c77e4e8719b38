"""Tells how far a Robot Framework run is: a listener that the runner puts into ``ROBOT_OPTIONS`` (bot-packages.md §5).

Loaded by the bot's own Python, whichever it is: the standard library alone, no syntax of late versions. It prints
nothing, and no error of its own ever reaches the robot. Where to tell it stands in ``BOTYARD_API_URL`` and
``BOTYARD_API_TOKEN``, as for every bot.
"""

import contextlib
import json
import os
import time
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
        self.told_at = 0.0

    def text(self, name: str) -> str:
        """One line for people."""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total}{failed}: {name}"[:TEXT_MAX]

    def percent(self) -> float:
        """Done tasks of all, 0 to 100."""
        return min(100.0, 100.0 * self.done / self.total) if self.total else 0.0


TALLY = Tally()
# A proxy of the environment knows nothing of this machine's loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start_suite(data: Any, result: Any) -> None:
    """The first suite that starts holds all others, and knows how many tasks there are."""
    del result
    with contextlib.suppress(Exception):
        if TALLY.total == 0:
            TALLY.total = int(data.test_count)
            tell(str(data.name), is_news=True)


def start_test(data: Any, result: Any) -> None:
    """A task begins."""
    del result
    with contextlib.suppress(Exception):
        tell(str(data.name), is_news=False)


def end_test(data: Any, result: Any) -> None:
    """A task has ended."""
    with contextlib.suppress(Exception):
        TALLY.done += 1
        TALLY.failed += str(result.status) == "FAIL"
        tell(str(data.name), is_news=TALLY.done >= TALLY.total)


def tell(name: str, *, is_news: bool) -> None:
    """Send progress to the runner; what comes too soon after the last is left out unless it is news. Raises OSError."""
    now = time.monotonic()
    url, token = os.environ.get("BOTYARD_API_URL"), os.environ.get("BOTYARD_API_TOKEN")
    if not url or not token or (not is_news and now - TALLY.told_at < LEAST_PAUSE_S):
        return
    TALLY.told_at = now
    body = json.dumps({"percent": TALLY.percent(), "text": TALLY.text(name)}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url.rstrip('/')}/progress", data=body, headers=headers)  # noqa: S310
    with _OPENER.open(request, timeout=TIMEOUT_S):
        pass
