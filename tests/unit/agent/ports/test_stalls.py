"""A loop that stands still is told with its stack (R7)."""

import asyncio
import logging
import threading
import time

import pytest

from agent.ports.stalls import STALL_S, stalls_told


def stand_still(until: threading.Event) -> None:
    """Block the loop's thread, as a forgotten blocking call does."""
    until.wait(30)


async def test_a_blocked_loop_is_told_with_the_place_where_it_stands(caplog: pytest.LogCaptureFixture) -> None:
    """R7: stack logged at 1 s; once, and its end is told too."""
    told = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    watcher = logging.getLogger("agent.ports.stalls")
    watcher.addHandler(handler := Told())
    try:
        with caplog.at_level(logging.WARNING), stalls_told():
            began = time.monotonic()
            stand_still(told)
            took_s = time.monotonic() - began
            await asyncio.sleep(0.7)
    finally:
        watcher.removeHandler(handler)
    assert STALL_S <= took_s < 30
    first, last = caplog.messages
    assert "has not turned for" in first
    assert "in stand_still" in first
    assert "stood still for" in last


async def test_a_loop_that_turns_is_not_talked_of(caplog: pytest.LogCaptureFixture) -> None:
    """Calm costs no line, and leaves no thread."""
    threads = threading.active_count()
    with caplog.at_level(logging.WARNING), stalls_told():
        for _ in range(15):
            await asyncio.sleep(0.1)
    assert not [line for line in caplog.messages if "in stand_still" in line]
    assert threads == threading.active_count()
