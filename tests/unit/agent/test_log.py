"""The daemon's log: one line a record, no line can be forged (S30)."""

import json
import logging
from pathlib import Path

import pytest

from agent import log
from agent.log import JsonFormatter, TextFormatter


def record(message: str) -> logging.LogRecord:
    """A record of the uplink."""
    return logging.LogRecord("agent.daemon.uplink", logging.WARNING, "", 0, "%s", (message,), None)


def test_text_shows_control_characters() -> None:
    """S30: CR, LF, ESC escaped."""
    line = TextFormatter().format(record("a\r\nb\x1b[31m"))
    assert line.endswith("WARNING daemon.uplink: a\\x0d\\x0ab\\x1b[31m")
    assert "\n" not in line


def test_json_is_one_object_a_line() -> None:
    """For machines."""
    line = JsonFormatter().format(record("a\nb"))
    body = json.loads(line)
    assert "\n" not in line
    assert (body["level"], body["logger"], body["message"]) == ("WARNING", "agent.daemon.uplink", "a\nb")


def test_a_file_begins_anew_before_it_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no journal keeps it: bounded, and 4 older ones."""
    monkeypatch.setattr(log, "_FILE_BYTES", 200)
    root, file = logging.getLogger(), tmp_path / "logs" / "agent.log"
    before, level = list(root.handlers), root.level
    try:
        log.set_up("INFO", "text", file)
        for number in range(60):
            logging.getLogger("agent.x").info("line %d", number)
    finally:
        root.handlers[-1].close()
        root.handlers[:] = before
        root.setLevel(level)

    assert sorted(one.name for one in file.parent.iterdir()) == ["agent.log", *(f"agent.log.{n}" for n in range(1, 5))]
    assert "line 59" in file.read_text()
    assert all(one.stat().st_size <= 200 for one in file.parent.iterdir())
