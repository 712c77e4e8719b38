"""The clock port answers its three questions."""

import sys
import time
from datetime import UTC, timedelta

import pytest

from agent.ports.clock import SystemClock

CLOCK = SystemClock()


def test_now_is_aware_and_in_utc() -> None:
    assert UTC is CLOCK.now().tzinfo
    assert timedelta(0) == CLOCK.now().utcoffset()


def test_monotonic_and_boot_time_never_go_back() -> None:
    seconds = [CLOCK.monotonic() for _ in range(1000)]
    boots = [CLOCK.boot_ns() for _ in range(1000)]

    assert sorted(seconds) == seconds
    assert sorted(boots) == boots


@pytest.mark.skipif(sys.platform != "linux", reason="CLOCK_BOOTTIME is Linux's")
def test_boot_time_counts_what_the_machine_slept() -> None:
    """Core.md D3: the age of a permit is taken from CLOCK_BOOTTIME, not from time.monotonic()."""
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    reading = CLOCK.boot_ns()
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    assert before <= reading <= after
