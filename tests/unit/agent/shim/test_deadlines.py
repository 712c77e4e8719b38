"""Run limit and dead-man deadline, as the shim keeps them (core.md D10, reliability.md G3), pure."""

import pytest

from agent.shim.deadlines import WALL_LOOK_NS, Deadlines, dead_man_after_s
from agent.shim.order import Stamp
from agent.wire.words import StopCause

S = 1_000_000_000


def at(boot_s: float, wall_s: float | None = None) -> Stamp:
    """A moment, wall clock like boot clock unless said otherwise."""
    return Stamp(boot_ns=int(boot_s * S), wall_ns=int((boot_s if wall_s is None else wall_s) * S))


@pytest.mark.parametrize(("lost_after_s", "expected_s"), [(120, 60), (300, 240), (600, 480), (3600, 2880)])
def test_the_dead_man_is_earlier_than_the_hub(lost_after_s: float, expected_s: float) -> None:
    """min(lost_after - 60 s, 0.8 x lost_after)."""
    assert dead_man_after_s(lost_after_s) == expected_s


def test_nothing_passes_without_a_limit() -> None:
    """`keep` without a run limit has no deadline, and nothing to look at."""
    none = Deadlines(run_until_ns=None, heartbeat=None, silence_s=480)
    assert none.passed(at(10**6)) is None
    assert none.next_look_ns(0) is None


def test_the_run_limit_is_a_timeout() -> None:
    """The run limit is kept on the clock that counts suspend, whatever the wall says."""
    limited = Deadlines(run_until_ns=100 * S, heartbeat=None, silence_s=480)
    assert limited.passed(at(99.9, 10**6)) is None
    assert limited.passed(at(100)) is StopCause.TIMEOUT
    assert limited.with_run_limit(None).passed(at(100)) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(479), None),
        (at(480), StopCause.DEAD_MAN),
        (at(10, 480), StopCause.DEAD_MAN),
        (at(480, 10), StopCause.DEAD_MAN),
        (at(479, -1000), None),
    ],
    ids=["before", "both", "wall only", "boot only", "wall went back"],
)
def test_the_larger_elapsed_time_counts(now: Stamp, expected: StopCause | None) -> None:
    """By both clocks of D3; a wall clock that goes back does not make a bot live longer."""
    dead_man = Deadlines(run_until_ns=None, heartbeat=at(0), silence_s=480)
    assert dead_man.passed(now) is expected


def test_only_a_later_heartbeat_extends() -> None:
    """An acknowledgement that comes out of order changes nothing."""
    dead_man = Deadlines(run_until_ns=None, heartbeat=at(100), silence_s=480)
    assert dead_man.extended(at(50)) == dead_man
    assert dead_man.extended(at(200)).passed(at(600)) is None
    assert Deadlines(run_until_ns=None, heartbeat=None, silence_s=1).extended(at(5)).heartbeat is None


def test_the_wall_clock_is_looked_at_now_and_then() -> None:
    """A jump of the wall clock wakes nobody, so it is asked every 15 s."""
    dead_man = Deadlines(run_until_ns=1000 * S, heartbeat=at(0), silence_s=480)
    assert dead_man.next_look_ns(0) == WALL_LOOK_NS
    assert dead_man.next_look_ns(479 * S) == 480 * S


def test_silence_is_counted_from_the_last_progress() -> None:
    """Off by default; output and calls begin it anew; it can be changed while it runs (core.md §4, R34)."""
    quiet = Deadlines(run_until_ns=None, heartbeat=None, silence_s=540, no_progress_s=10.0, progress_ns=at(5).boot_ns)
    assert quiet.passed(at(14)) is None
    assert quiet.passed(at(15)) is StopCause.NO_PROGRESS
    assert quiet.next_look_ns(at(6).boot_ns) == at(15).boot_ns
    assert quiet.progressed(at(12).boot_ns).passed(at(21)) is None
    assert quiet.with_no_progress(None).passed(at(10**6)) is None
    assert quiet.with_no_progress(None).next_look_ns(0) is None
    # The run limit is the graver cause where both have passed.
    assert quiet.with_run_limit(at(1).boot_ns).passed(at(100)) is StopCause.TIMEOUT
