"""Following through cut connections: every byte once, on stdout, as the bot wrote it (design.md §5)."""

import base64
import json
import threading
from typing import Any

import pytest

from hub.cli.client import Client
from hub.cli.failing import Exit, Failure, Refusal, exit_of
from hub.cli.following import Following, outcome_line
from hub.cli.profile import Profile
from tests.unit.hub.cli.scripted_hub import Script, hangs_up, says, scripted_hub, streams

EXECUTION = "exe_1"
OUTPUT = {"complete": True, "state": "complete", "says": "complete, verified"}
END = {"outcome": "succeeded", "reason": None, "exit_code": 0, "message": "done", "totals": None, "output": OUTPUT}


def event(name: str, data: Any, event_id: str = "") -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return f"event: {name}\n{head}data: {json.dumps(data)}\n\n".encode()


def begun(start: int = 0) -> bytes:
    return event("execution", {"execution": EXECUTION, "runner": "desk-1", "from": start}, f"{EXECUTION}:{start}")


def output(start: int, data: bytes) -> bytes:
    told = {"from": start, "to": start + len(data), "data": base64.b64encode(data).decode()}
    return event("output", told, f"{EXECUTION}:{start + len(data)}")


def follow(script: Script) -> dict[str, Any]:
    return Following(Client(Profile(url=script.url, token="byk_test")), "tsk_1").run()


def test_bytes_come_once_whatever_is_cut_and_repeated(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A hub that restarts: the stream is cut, refused, and goes on from the last place; an overlap is cut away."""
    data = bytes(range(256))
    cut = streams(begun(), output(0, data[:100]), output(100, data[100:150]), whole=False)
    again = streams(begun(150), output(140, data[140:256]), event("end", END))
    busy = says(503, {"detail": "starting"})
    with scripted_hub(cut, hangs_up, busy, again) as script:
        finished = follow(script)

    assert data == capfdbinary.readouterr().out
    assert "done" == finished["message"]
    assert [f"{EXECUTION}:150"] * 3 == [asked[2]["Last-Event-ID"] for asked in script.requests[1:]]


def test_what_is_no_output_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    reasons = {"reasons": [{"code": "busy", "message": "all runners are busy"}]}
    with scripted_hub(streams(event("waiting", reasons), begun(), output(0, b"hi\n"), event("end", END))) as script:
        follow(script)

    printed = capfd.readouterr()
    assert "hi\n" == printed.out
    assert ["(waiting: all runners are busy)", "(running on desk-1)"] == printed.err.splitlines()


def test_a_refusal_ends_it(capfd: pytest.CaptureFixture[str]) -> None:
    with scripted_hub(says(404, {"detail": "There is no task."})) as script, pytest.raises(Refusal):
        follow(script)


def test_a_hub_that_stays_away_is_left_when_asked_to_stop(capfd: pytest.CaptureFixture[str]) -> None:
    with scripted_hub() as script:
        pass
    stop = threading.Event()
    stop.set()
    following = Following(Client(Profile(url=script.url, token="byk_test")), "tsk_1", stop=stop, quiet=True)
    with pytest.raises(Failure) as detached:
        following.run()

    assert Exit.DETACHED is detached.value.code
    assert "botyard logs -f tsk_1" in detached.value.message
    assert "(the hub is not reached" in capfd.readouterr().err, "`logs -f` is quiet, and says this all the same"


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("succeeded", 0),
        ("failed", 1),
        ("partial", 3),
        ("canceled", 4),
        ("timed_out", 5),
        ("lost", 6),
        ("refused", 6),
    ],
)
def test_each_outcome_has_its_exit_code(outcome: str, code: int) -> None:
    """design.md §5."""
    assert code == exit_of(outcome)


def test_the_outcome_is_told_in_one_line() -> None:
    totals = {"total": 3, "processed": 2, "failed": 1}
    failed = END | {"outcome": "failed", "reason": "exit_code", "exit_code": 7, "message": None, "totals": totals}
    failed["output"] = {"complete": False, "state": "arriving", "says": "arriving, 5 bytes so far"}

    assert "succeeded - done" == outcome_line(END)
    assert (
        "failed (exit_code) exit code 7 [3 items: 2 processed, 1 failed] (output arriving, 5 bytes so far)"
        == outcome_line(failed)
    )
