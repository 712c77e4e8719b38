"""Histories are written and read back to the same events; what is no event is refused with its line."""

import json
from pathlib import Path

import pytest

from tests.history.events import EVENTS, Acked, Event, Fault, FaultKind, Gap, Output, Seen, Wrote, from_json, name_of
from tests.history.events import to_json as told
from tests.history.recorder import Recorder, load

SEEN = Seen(
    at=2.5,
    task="t1",
    state="finished",
    execution="e1",
    outcome="failed",
    exit_code=7,
    flags=("timed_out",),
    output=Output(state="incomplete", bytes=4, sha256="ab", gaps=(Gap(start=4, bytes=None, reason="tail_unknown"),)),
)
SOME: list[Event] = [
    Acked(at=0.5, task="t1", attempts=2, keep=False),
    Wrote(at=1.0, execution="e1", length=3, sha256="ab", data=b"\x00\xff\n"),
    Fault(at=1.5, what=FaultKind.SHIM_KILLED, execution="e1"),
    SEEN,
]


@pytest.mark.parametrize("event", SOME, ids=lambda event: name_of(type(event)))
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert event == from_json(json.loads(json.dumps(told(event))))


def test_a_history_is_one_clock_and_one_file(tmp_path: Path) -> None:
    """One clock for all witnesses: a moment that a bot told stands on the same scale."""
    seconds = iter([100.0, 101.0, 102.0])
    recorder = Recorder(lambda: next(seconds))

    recorder.add(Acked, task="t1")
    recorder.add(Acked, task="t2", at=recorder.moment(150.0))
    recorder.save(tmp_path / "history.jsonl")

    assert [Acked(at=1.0, task="t1"), Acked(at=50.0, task="t2")] == load(tmp_path / "history.jsonl")
    assert 2.0 == recorder.now()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"event": "moth", "at": 1}', "none of acked"),
        ('{"event": "acked", "at": 1, "task": "t", "moth": 1}', "no such field: moth"),
        ('{"event": "acked", "at": 1}', "task"),
        ('{"event": "acked", "at": 1, "task": 7}', "7 is no str"),
        ('{"event": "acked", "at": 1, "task": "t", "attempts": true}', "True is no int"),
        ('{"event": "fault", "at": 1, "what": "moth"}', "moth"),
        ('{"event": "seen", "at": 1, "task": "t", "state": "x", "flags": "late"}', "is no list"),
        ("{", "Expecting"),
    ],
)
def test_what_is_no_event_is_refused_with_its_line(line: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text('{"event": "closed", "at": 1}\n' + line + "\n")

    with pytest.raises(ValueError, match="line 2: ") as refused:
        load(file)
    assert problem in str(refused.value)


def test_the_list_of_events_is_closed() -> None:
    """Every event of the module is in the list, under one name."""
    assert {event.__name__ for event in EVENTS} == {event.__name__ for event in Event.__subclasses__()}
    assert len(EVENTS) == len({name_of(event) for event in EVENTS})
