"""What all kinds of triggers share."""

import pytest

from hub.domain.trigger import Common, Overlap, Verdict, common_faults, decide, is_spent, read_common


@pytest.mark.parametrize(
    ("overlap", "verdicts"),
    [
        (Overlap.ALLOW, [Verdict.FIRE, Verdict.FIRE, Verdict.FIRE]),
        (Overlap.SKIP, [Verdict.FIRE, Verdict.SKIP, Verdict.SKIP]),
        (Overlap.QUEUE, [Verdict.FIRE, Verdict.FIRE_BEHIND, Verdict.SKIP]),
        (Overlap.CANCEL, [Verdict.FIRE, Verdict.CANCEL_AND_FIRE, Verdict.CANCEL_AND_FIRE]),
    ],
)
def test_what_happens_beside_unfinished_tasks(overlap: Overlap, verdicts: list[Verdict]) -> None:
    assert verdicts == [decide(overlap, unfinished) for unfinished in range(3)]


@pytest.mark.parametrize(
    ("off_after", "failed", "spent"), [(5, 4, False), (5, 5, True), (5, 6, True), (0, 100, False), (1, 1, True)]
)
def test_when_it_gives_up(off_after: int, failed: int, spent: bool) -> None:
    assert spent is is_spent(Common(off_after=off_after), failed)


def test_what_is_said_in_common() -> None:
    assert Common() == read_common({})
    said = {"overlap": "cancel", "off_after": 0, "priority": 9, "cron": "* * * * *"}
    assert Common(overlap=Overlap.CANCEL, off_after=0, priority=9) == read_common(said)
    assert [] == common_faults(said)


def test_all_faults_in_common_are_told() -> None:
    faults = common_faults({"overlap": "both", "off_after": -1, "priority": 11})
    assert ["overlap", "off_after", "priority"] == [fault.field for fault in faults]
    assert [] == common_faults({"overlap": "skip", "off_after": 0, "priority": None})
    assert ["off_after"] == [fault.field for fault in common_faults({"off_after": True})]
