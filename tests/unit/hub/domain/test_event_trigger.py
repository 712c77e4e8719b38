"""Which event matches, what lasts and what stays away: by tables, and against an oracle that looks at every second."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.event_definition import completed, faults_of, read_rule
from hub.domain.event_trigger import Happening, Lasting, Silence, is_own, passes
from tests.support.clock import START

SECOND = timedelta(seconds=1)
TASK = "tsk_1"


def event(kind: str = "task.settled", pos: int = 1, after_s: int = 0, subject: str = TASK, **members: Any) -> Happening:
    """An event."""
    values = {"workspace_id": "wsp_1", "actor": "hub", **members}
    return Happening(pos=pos, at=START + after_s * SECOND, kind=kind, subject=subject, **values)


FAILED = event(automation="invoices", runner="desk-1", runner_id="rnr_1", new="finished", data={"outcome": "failed"})
TAKEN = event("item.taken", subject="que_1", data={"queue": "orders", "items": {"itm_1": 1, "itm_2": 1}})
PAUSED = event("queue.paused", subject="que_1", data={"label": "orders"})


@pytest.mark.parametrize(
    ("definition", "matched"),
    [
        ({"on": "task.settled"}, {FAILED.kind}),
        ({"on": "task.*"}, {FAILED.kind}),
        ({"on": ["queue.paused", "item.*"]}, {TAKEN.kind, PAUSED.kind}),
        ({"on": "task.created"}, set()),
        ({"on": "task.*", "automation": "invoices"}, {FAILED.kind}),
        ({"on": "task.*", "automation": "other"}, set()),
        ({"on": "task.*", "runner": "desk-1"}, {FAILED.kind}),
        ({"on": "task.*", "runner": "rnr_1"}, {FAILED.kind}),
        ({"on": "task.*", "runner": "desk-2"}, set()),
        ({"on": ["queue.*", "item.*"], "queue": "orders"}, {TAKEN.kind, PAUSED.kind}),
        ({"on": ["queue.*", "item.*"], "queue": "other"}, set()),
        ({"on": "task.settled", "state": ["lost", "failed"]}, {FAILED.kind}),
        ({"on": "task.settled", "state": "finished"}, {FAILED.kind}),
        ({"on": "task.settled", "state": "succeeded"}, set()),
        ({"on": "queue.*", "state": "paused"}, {PAUSED.kind}),
    ],
)
def test_what_passes_the_filters(definition: dict[str, Any], matched: set[str]) -> None:
    """Each member leaves out what it does not name."""
    said = completed(definition)
    assert faults_of(said) == []
    rule = read_rule(said)
    assert {one.kind for one in (FAILED, TAKEN, PAUSED) if passes(rule, one)} == matched


@pytest.mark.parametrize(
    ("definition", "fields"),
    [
        ({}, {"on"}),
        ({"on": []}, {"on"}),
        ({"on": ["task.setled", "nothing", "runner.disconnect"]}, {"on.0", "on.1", "on.2"}),
        ({"on": "task.settled", "state": "faild"}, {"state.0"}),
        ({"on": "task.settled", "for": "0s", "absent": "x", "map": {"a b": "1"}}, {"for", "absent", "map.a b"}),
        ({"on": "task.settled", "for": "10m", "absent": "1h"}, {"absent"}),
        ({"on": "task.settled", "unless": "task.created"}, {"unless"}),
        ({"on": "task.settled", "for": "10m"}, {"unless"}),
        ({"on": "runner.connected", "queue": "orders"}, {"queue"}),
        ({"on": "key.created", "automation": "a", "runner": "r"}, {"automation", "runner"}),
        ({"on": 7, "automation": "", "when": 7}, {"on", "automation", "when"}),
        ({"on": "runner.disconnected", "for": "10m"}, set()),
        ({"on": "task.settled", "for": "10m", "unless": ["task.created"]}, set()),
        ({"on": "item.done", "absent": "1d"}, set()),
    ],
)
def test_all_faults_come_at_once(definition: dict[str, Any], fields: set[str]) -> None:
    """Each with its field and a remedy."""
    found = faults_of(completed(definition))
    assert {fault.field for fault in found} == fields
    for fault in found:
        assert fault.remedy


def test_a_typing_error_is_told_with_what_may_have_been_meant() -> None:
    """For kinds and for states."""
    found = faults_of({"on": ["task.setled"], "state": ["faild"]})
    assert [
        fault.remedy.startswith(f"did you mean {meant}")
        for fault, meant in zip(found, ("task.settled", "failed"), strict=True)
    ] == [True, True]


def test_what_a_trigger_causes_itself() -> None:
    """By its task, by its own doing, or about itself."""
    assert is_own(event(trigger_id="trg_1"), "trg_1", "watch")
    assert is_own(event("trigger.failed", subject="trg_1"), "trg_1", "watch")
    assert is_own(event("task.settled", actor="trigger:watch"), "trg_1", "watch")
    assert not is_own(event(trigger_id="trg_2", actor="trigger:other"), "trg_1", "watch")


def test_an_end_is_found_by_everything_that_it_concerns() -> None:
    """The end of a batch ends each of its items; what an execution says ends what its task began."""
    watch = Lasting(lasts=SECOND)
    for number, subject in enumerate(("itm_1", "itm_3", TASK)):
        watch.see(event(pos=number, subject=subject), is_match=True, is_end=False)
    watch.see(TAKEN, is_match=False, is_end=True)
    assert set(watch.held) == {"itm_3", TASK}
    watch.see(event("execution.settled", subject="exe_1", task_id=TASK), is_match=False, is_end=True)
    assert set(watch.held) == {"itm_3"}
    assert PAUSED.about in event("item.added", subject="itm_9", data={"queue": "orders"}).concerns


STREAM = st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.sampled_from(["begin", "end"])), max_size=25)
LOOKS = st.lists(st.integers(0, 25), max_size=6)


def brute_lasting(stream: list[tuple[int, str, str]], lasts: int, until: int) -> list[tuple[str, int]]:
    """(what, since) that lasted, looking at every second and every thing by itself."""
    found = []
    for what in {one[1] for one in stream}:
        own = [(moment, sign) for moment, subject, sign in stream if subject == what]
        found += [(what, since) for since in brute_since(own, lasts, until)]
    return sorted(found)


def brute_since(own: list[tuple[int, str]], lasts: int, until: int) -> list[int]:
    """Since when one thing lasted, each time that it did."""
    found: list[int] = []
    since: int | None = None
    for second in range(until + 1):
        if since is not None and second == since + lasts:
            found.append(since)
        for sign in [sign for moment, sign in own if moment == second]:
            since = None if sign == "end" else second if since is None else since
    return found


@settings(max_examples=300, deadline=None)
@given(gaps=STREAM, lasts=st.integers(1, 12), looks=LOOKS, wait=st.integers(0, 30))
def test_what_lasts_is_told_once_and_only_then(
    gaps: list[tuple[int, str, str]], lasts: int, looks: list[int], wait: int
) -> None:
    """However often, or seldom, the clock looks in between."""
    stream, second = [], 0
    for gap, what, sign in gaps:
        second += gap
        stream.append((second, what, sign))
    until = second + wait
    watch, fired = Lasting(lasts=lasts * SECOND), []
    for number, (moment, what, sign) in enumerate(stream):
        if number in looks:
            fired += watch.tick(START + moment * SECOND)
        seen = event(pos=number, after_s=moment, subject=what)
        fired += watch.see(seen, is_match=sign == "begin", is_end=sign == "end")
    fired += watch.tick(START + until * SECOND)
    told = sorted((one.about, int((one.since - START).total_seconds())) for one in fired)
    assert told == brute_lasting(stream, lasts, until)


@settings(max_examples=300, deadline=None)
@given(gaps=st.lists(st.integers(0, 12), max_size=25), absent=st.integers(1, 12), looks=LOOKS, wait=st.integers(0, 30))
def test_each_silence_is_told_once(gaps: list[int], absent: int, looks: list[int], wait: int) -> None:
    """From when it was armed, and from each event on."""
    moments = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    until = (moments[-1] if moments else 0) + wait
    silence = Silence(absent=absent * SECOND, since=START)
    fired: list[datetime | None] = []
    for number, moment in enumerate(moments):
        if number in looks:
            fired.append(silence.tick(START + moment * SECOND))
        fired.append(silence.see(START + moment * SECOND))
    fired.append(silence.tick(START + until * SECOND))
    told = [int((one - START).total_seconds()) for one in fired if one is not None]
    points = sorted({0, *moments})
    expected = [
        begin for begin, end in zip(points, [*points[1:], None], strict=True) if (end or until) - begin >= absent
    ]
    assert told == expected
