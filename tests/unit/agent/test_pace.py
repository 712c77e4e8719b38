"""As much output is under way as the hub acknowledges in about a second (R44)."""

import pytest

from agent.pace import FIRST_BYTES, LEAST_BYTES, SLOW_S, Pace
from agent.wire.limits import OUTPUT_ACK_S, OUTPUT_WINDOW_BYTES

ONE, OTHER = "exe_1", "exe_2"


def over(pace: Pace, bytes_a_second: float, windows: int) -> float:
    """Send so many full windows over a line of that speed; the longest time that one took."""
    now, end, longest_s = 0.0, 0, 0.0
    for _ in range(windows):
        end += pace.window_bytes
        pace.sent(ONE, end, pace.window_bytes, now)
        took_s = pace.window_bytes / bytes_a_second + OUTPUT_ACK_S
        longest_s = max(longest_s, took_s)
        now += took_s
        pace.acked(ONE, end, now)
    return longest_s


def test_a_fast_line_has_its_full_window_after_a_second() -> None:
    """P9: 1 MiB an execution."""
    pace = Pace()
    over(pace, 100e6, 4)
    assert pace.window_bytes == OUTPUT_WINDOW_BYTES


@pytest.mark.parametrize("bytes_a_second", [2000, 8000, 100_000])
def test_a_slow_line_never_has_more_than_it_takes_soon(bytes_a_second: int) -> None:
    """R44: 64 kbit/s, and what 30 % loss leaves of it: no heartbeat waits 10 s for output, from the first frame on."""
    pace = Pace()
    assert over(pace, bytes_a_second, 50) < 10.0
    assert over(pace, bytes_a_second, 50) < SLOW_S + OUTPUT_ACK_S


def test_a_line_that_becomes_slow_costs_one_window() -> None:
    """R44: the first acknowledgement that comes late says how slow the line has become."""
    pace = Pace(window_bytes=64 * 1024)
    over(pace, 8000, 1)
    assert pace.window_bytes <= 8000


def test_no_line_is_too_slow_for_a_little() -> None:
    """There is a least window, or output would stand for ever."""
    pace = Pace()
    over(pace, 10, 5)
    assert pace.window_bytes == LEAST_BYTES


def test_a_window_that_was_not_used_does_not_grow() -> None:
    """A bot that prints a line now and then says nothing of the line."""
    pace = Pace()
    for number in range(1, 50):
        pace.sent(ONE, number * 80, 80, float(number))
        pace.acked(ONE, number * 80, number + 0.2)
    assert pace.window_bytes == FIRST_BYTES


def test_only_the_watched_frame_counts() -> None:
    """Acknowledgements of others, or of less, say nothing; what is given up is not waited for."""
    pace = Pace()
    pace.sent(ONE, 20_000, 20_000, 0.0)
    pace.acked(OTHER, 90_000, 50.0)
    pace.acked(ONE, 19_999, 50.0)
    assert pace.window_bytes == FIRST_BYTES
    pace.given_up()
    pace.acked(ONE, 20_000, 50.0)
    assert pace.window_bytes == FIRST_BYTES
    pace.sent(OTHER, 20_000, 20_000, 60.0)
    pace.acked(OTHER, 20_000, 60.1)
    assert pace.window_bytes > FIRST_BYTES


def test_an_execution_that_the_hub_does_not_take_is_not_watched_for_ever() -> None:
    """Of a stranger's output nothing is acknowledged; the others' pace is still found."""
    pace = Pace()
    pace.sent(OTHER, 1, 1, 0.0)
    pace.sent(ONE, 20_000, 20_000, 61.0)
    pace.acked(ONE, 20_000, 61.1)
    assert pace.window_bytes > FIRST_BYTES
