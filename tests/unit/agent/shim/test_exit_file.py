"""What stands in the file `exit`: the shim's record, or what a bot of the runner's own user put there."""

import json
from datetime import UTC, datetime

import pytest

from agent.daemon.posted import read_posted
from agent.inventory import exit_fact, final_fact
from agent.shim.exit_file import ExitFileError, decode_exit
from agent.shim.verdict import VerdictError, decode_verdict
from agent.shim.wire import Incoming, WireError
from agent.wire.facts import make_fact

DEEP = b"[" * 200_000
GOOD = {
    "version": 1,
    "final": True,
    "how": "normal",
    "code": 3,
    "signal": None,
    "error": "",
    "started_wall_ns": 1,
    "ended_wall_ns": 2,
    "cause": "cancel",
    "by": "ann",
    "last_step": None,
    "signaled_by_stop": False,
    "peak_memory_bytes": 1,
    "output_bytes": 10,
    "output_sha256": "0" * 64,
    "streams": {"stdout": {"ended": True, "read_bytes": 10, "dropped_bytes": 0}},
    "gaps": [{"offset": 3, "missing_bytes": None, "reason": "writer_left", "resumed_at": 3}],
    "survivors": [[4711, "sleep 9"]],
    "annotations": [{"level": "error", "title": "one", "text": "two"}],
    "annotation_counts": {"error": 1},
    "last_errors": "so it is",
}


def encoded(**changes: object) -> bytes:
    """An exit file with some fields changed."""
    return json.dumps(GOOD | changes).encode()


def test_a_record_becomes_facts() -> None:
    """The file of a shim is read, and its facts go to the spool."""
    record = decode_exit(encoded())
    assert exit_fact(record).code == 3
    assert final_fact(record, 10, (), datetime.now(UTC)).output_bytes == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "x"},
        {"code": 10**30},
        {"signal": [9]},
        {"started_wall_ns": "a"},
        {"ended_wall_ns": 10**30},
        {"ended_wall_ns": -5},
        {"started_wall_ns": None},
        {"output_bytes": None},
        {"peak_memory_bytes": {}},
        {"output_bytes": -3},
        {"output_bytes": "5"},
        {"output_bytes": 1.5},
        {"output_sha256": ""},
        {"output_sha256": 5},
        {"error": 5},
        {"error": "half a pair \ud800"},
        {"by": "\udfff"},
        {"last_errors": None},
        {"signaled_by_stop": "perhaps"},
        {"final": 2},
        {"streams": {"stdout": {"ended": 1, "read_bytes": "a", "dropped_bytes": 0}}},
        {"streams": []},
        {"gaps": [{"offset": "a", "missing_bytes": None, "reason": "writer_left", "resumed_at": 0}]},
        {"gaps": [{"offset": 0, "missing_bytes": "a", "reason": "writer_left", "resumed_at": 0}]},
        {"survivors": [[10**30, "x"]]},
        {"survivors": [[1, "half a pair \ud800"]]},
        {"annotations": [{"level": "error", "title": 5, "text": "x"}]},
        {"annotations": [{"level": "error", "title": "", "text": None}]},
        {"annotation_counts": {"error": -1}},
        {"annotation_counts": {"error": 10**30}},
    ],
    ids=repr,
)
def test_a_forged_record_is_refused(changes: dict[str, object]) -> None:
    """Same-user mode: a bot can forge its own files, and harms itself only; a daemon that reads them lives (G9)."""
    with pytest.raises(ExitFileError):
        decode_exit(encoded(**changes))


def test_what_is_read_can_be_spooled() -> None:
    """Odd texts that are read nevertheless become facts that have a checksum."""
    record = decode_exit(encoded(survivors=[[1, "a\x00b"]], error="nul \x00", last_errors="\u202e"))
    assert make_fact("exe_01a2003cf08c74f89c281ce054b70fc0", 1, 1, exit_fact(record)).is_intact()


def test_depth_ends_nobody() -> None:
    """What is nested too deeply for a reader is no exit, no verdict, no message, no output."""
    with pytest.raises(ExitFileError):
        decode_exit(DEEP)
    with pytest.raises(VerdictError):
        decode_verdict(DEEP)
    with pytest.raises(WireError):
        Incoming().feed(len(DEEP).to_bytes(4, "big") + DEEP)
    assert read_posted(DEEP + b'\n["a", "b"]\n') == {"a": "b"}
