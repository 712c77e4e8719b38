"""What becomes of moments that nobody was there for (R64)."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.schedule.definition import read
from hub.domain.schedule.misfire import Considered, Misfire, MisfirePolicy, consider

NOW = datetime(2026, 3, 10, 5, tzinfo=UTC)
HOURLY = {"cron": "0 * * * *"}


def decided(
    definition: dict[str, str], after: datetime, policy: str, window_h: float = 24, cap: int = 10
) -> Considered:
    rule = MisfirePolicy(policy=Misfire(policy), window=timedelta(hours=window_h), cap=cap)
    return consider(read(definition, None), after, NOW, rule)


@pytest.mark.parametrize(
    ("away_h", "policy", "window_h", "cap", "fired", "skipped"),
    [
        (0, "last", 24, 10, [], ""),
        (1, "last", 24, 10, [5], ""),  # the usual case: one moment, just now
        (1, "none", 24, 10, [5], ""),
        (4, "last", 24, 10, [5], "3 moments"),
        (4, "none", 24, 10, [5], "3 moments"),
        (4, "all", 24, 10, [2, 3, 4, 5], ""),
        (4, "all", 24, 2, [4, 5], "2 moments"),
        (4, "all", 2, 10, [3, 4, 5], "1 moment "),
    ],
)
def test_which_moments_fire(away_h: int, policy: str, window_h: int, cap: int, fired: list[int], skipped: str) -> None:
    found = decided(HOURLY, NOW - timedelta(hours=away_h), policy, window_h, cap)
    assert fired == [due.at.hour for due in found.fires]
    assert (skipped != "") is (found.skipped is not None)
    if found.skipped is not None:
        assert skipped in found.skipped.why
        assert found.skipped.first == NOW - timedelta(hours=away_h - 1)


@pytest.mark.parametrize(("policy", "fired"), [("none", []), ("last", [3]), ("all", [2, 3])])
def test_none_fires_nothing_that_was_missed(policy: str, fired: list[int]) -> None:
    found = decided({"cron": "30 2,3 * * *"}, NOW - timedelta(hours=4), policy)
    assert fired == [due.at.hour for due in found.fires]


def test_what_is_older_than_the_window_never_fires() -> None:
    found = decided({"cron": "0 2 * * *"}, NOW - timedelta(hours=4), "last", 1)
    assert (0, True) == (len(found.fires), found.skipped is not None)


@pytest.mark.parametrize(
    ("definition", "newest"),
    [
        ({"every": "1s"}, NOW),
        ({"cron": "* * 2 * * ?"}, NOW.replace(hour=2, minute=59, second=59)),
        ({"cron": "*/5 * * * *"}, NOW),
    ],
)
@pytest.mark.parametrize("policy", ["last", "all"])
def test_a_year_of_missed_seconds_is_considered_in_bounded_time(
    definition: dict[str, str], newest: datetime, policy: str
) -> None:
    began = time.monotonic()
    found = decided(definition, NOW - timedelta(days=365), policy)
    assert time.monotonic() - began < 5
    assert newest == found.fires[-1].at
    assert (10 if policy == "all" else 1) == len(found.fires)
    assert found.skipped is not None
    assert "more than 1000 moments" in found.skipped.why
