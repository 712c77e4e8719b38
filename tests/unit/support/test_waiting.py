"""`eventually` waits for truth, not for time."""

import pytest

from tests.support.clock import START, FakeClock
from tests.support.waiting import eventually, eventually_sync


async def test_it_returns_the_first_true_answer() -> None:
    answers = iter([None, 0, "there"])

    assert "there" == await eventually(lambda: next(answers))


async def test_it_awaits_coroutines_and_takes_a_failed_assertion_for_not_yet() -> None:
    calls = 0

    async def check() -> bool:
        nonlocal calls
        calls += 1
        assert calls > 2, "too early"
        return True

    assert await eventually(check)


def test_it_gives_up_with_the_last_reason() -> None:
    def check() -> bool:
        raise AssertionError("still closed")

    with pytest.raises(AssertionError, match="still closed"):
        eventually_sync(check, within=0.02)
    with pytest.raises(AssertionError, match=r"the door opens .*last answer: 0"):
        eventually_sync(lambda: 0, within=0.02, saying="the door opens")


def test_a_fake_clock_tells_sleep_from_work_and_from_a_set_clock() -> None:
    clock = FakeClock()
    clock.advance(10)
    clock.suspend(100)
    clock.jump(-1000)

    assert -890 == (clock.now() - START).total_seconds()
    assert 11 == clock.monotonic()
    assert 115 == clock.boot_ns() // 1_000_000_000
