"""Limits of an automation: what is kept, merged, refused (core.md §4, S20)."""

import pytest

from agent.wire.task import Ladder, Limits
from hub.domain.limits import difference, faults_of, merged, read, stored


def test_the_usual_limits_take_no_room() -> None:
    """Defaults: 24 h, no silence watched, nothing else bounded; a row says only what is not usual."""
    assert stored(Limits()) is None
    assert (Limits().run_limit_s, Limits().no_progress_s, Limits().memory_bytes) == (86400, None, None)
    unusual = Limits(run_limit_s=None, memory_bytes=2**30, ladder=Ladder(kill_after_s=1))
    kept = stored(unusual)
    assert kept == {"run_limit_s": None, "memory_bytes": 2**30, "ladder": {"kill_after_s": 1.0}}
    assert read(kept) == unusual


def test_what_is_not_named_stays() -> None:
    """None takes a limit away; steps of the ladder are merged one by one."""
    old = Limits(memory_bytes=5, processes=7, ladder=Ladder(kill_after_s=1))
    new = merged(old, {"memory_bytes": None, "ladder": {"terminate_after_s": 2.0}})
    assert new == Limits(processes=7, ladder=Ladder(kill_after_s=1, terminate_after_s=2))
    assert difference(old, new)[0]["memory_bytes"] == 5
    assert difference(new, new) == ({}, {})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"run_limit_s": 0.0}, "run_limit_s"),
        ({"run_limit_s": 10**9}, "run_limit_s"),
        ({"no_progress_s": 0.0}, "no_progress_s"),
        ({"memory_bytes": 1000}, "memory_bytes"),
        ({"processes": 0}, "processes"),
        ({"cpu_cores": 0.0}, "cpu_cores"),
        ({"cpu_seconds": -1.0}, "cpu_seconds"),
        ({"disk_bytes": 1}, "disk_bytes"),
        ({"open_files": 3}, "open_files"),
        ({"file_bytes": 0}, "file_bytes"),
        ({"output_bytes": 0}, "output_bytes"),
        ({"output_bytes": None}, "output_bytes"),
        ({"ladder": {"kill_after_s": -1.0}}, "ladder.kill_after_s"),
    ],
)
def test_a_bad_limit_is_named(changes: dict[str, object], field: str) -> None:
    """Its field and its range."""
    faults = faults_of(merged(Limits(), changes), "limits.")
    assert [fault.field for fault in faults] == [f"limits.{field}"]
    assert faults[0].remedy


def test_all_faults_are_told_at_once() -> None:
    """Not one after the other."""
    assert len(faults_of(merged(Limits(), {"processes": 0, "disk_bytes": 0}))) == 2
