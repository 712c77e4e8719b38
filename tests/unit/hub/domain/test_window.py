"""Maintenance windows: their edges against a brute force, and every fault of a new one."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.window import FARTHEST, LONGEST, WINDOWS_MAX, Window, faults_of, free_at, next_edge, open_at
from tests.support.clock import START

HOUR = timedelta(hours=1)


def at(hour: float) -> datetime:
    return START + hour * HOUR


def window(start: float, end: float, name: str = "wnd_1") -> Window:
    return Window(id=name, runner_id="rnr_1", starts_at=at(start), ends_at=at(end), reason="updates", created_by="ana")


def test_a_window_holds_from_its_start_and_no_longer_at_its_end() -> None:
    one = window(1, 2)
    assert [False, True, True, False] == [one.holds(at(hour)) for hour in (0.99, 1, 1.99, 2)]


def test_of_several_the_one_that_ends_last_keeps_the_runner() -> None:
    short, long = window(0, 2, "wnd_a"), window(1, 5, "wnd_b")
    assert [short, long, long, None] == [open_at([long, short], at(hour)) for hour in (0.5, 1, 3, 5)]


spans = st.tuples(st.integers(0, 20), st.integers(1, 6)).map(lambda one: window(one[0], one[0] + one[1]))


@given(st.lists(spans, max_size=6), st.integers(-1, 27))
def test_edges_are_those_of_a_brute_force(windows: list[Window], hour: int) -> None:
    """Half hours are looked at one by one: the first without a window, the first at which anything changes."""

    def is_kept(half: float) -> bool:
        return any(one.starts_at <= at(half) < one.ends_at for one in windows)

    halves = [hour + half / 2 for half in range(80)]
    assert at(next(half for half in halves if not is_kept(half))) == free_at(windows, at(hour))
    edges = {edge for one in windows for edge in (one.starts_at, one.ends_at)}
    following = [at(half) for half in halves[1:] if at(half) in edges]
    assert (following[0] if following else None) == next_edge(windows, at(hour))


def test_every_fault_is_told_at_once() -> None:
    def fields(start: datetime, end: datetime, reason: str = "updates", known: int = 0) -> list[str]:
        faults = faults_of(start, end, reason, now=START, known=known)
        assert all(one.remedy for one in faults)
        return [one.field for one in faults]

    assert [] == fields(at(-1), at(1))
    assert ["ends_at", "reason", "runner"] == fields(at(1), at(1), " ", WINDOWS_MAX)
    assert ["ends_at"] == fields(at(-2), at(-1))
    assert ["ends_at"] == fields(at(0), at(0) + LONGEST + HOUR)
    assert ["starts_at"] == fields(START + FARTHEST + HOUR, START + FARTHEST + 2 * HOUR)
    assert ["reason"] == fields(at(0), at(1), "x" * 501)
