"""What the API shows of a task, as histories keep it."""

from collections.abc import Mapping
from typing import Any

from tests.history.events import Gap, Output


def seen(shown: dict[str, Any]) -> dict[str, Any]:
    """A task as the API shows it, as the fields of a `Seen`."""
    output = shown["output"]
    return {
        "task": shown["id"],
        "state": shown["state"],
        "execution": shown["execution"],
        "outcome": shown["outcome"],
        "reason": shown["reason"],
        "exit_code": shown["exit_code"],
        "report": (shown["report"] or {}).get("status"),
        "flags": tuple(shown["flags"]),
        "output": Output(
            state=output["state"],
            bytes=output["bytes"],
            sha256=output["sha256"],
            complete=output["complete"],
            gaps=tuple(_gap(gap) for gap in output["gaps"]),
        ),
    }


def _gap(told: Mapping[str, Any]) -> Gap:
    start, end = told["from"], told["to"]
    filled = 0 if end is None else end - start
    return Gap(start=start, bytes=told["bytes"], reason=told["reason"], filled=filled)
