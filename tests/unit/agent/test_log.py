"""The daemon's log: one line a record, no line can be forged (S30)."""

import json
import logging

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
