"""Following a task from the terminal: its bytes on stdout exactly once, all else on stderr, through hub restarts.

The hub names a place (attempt and offset) with every piece; when the connection is lost, this goes on from the last
place that was printed. The bot does not notice either.
"""

import base64
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.cli import show
from hub.cli.client import LOST, Client, Query, ServerEvent, segment
from hub.cli.failing import Exit, Failure, Refusal, Unreached
from hub.cli.scripted import printing

GIVE_UP_AFTER_S = 600.0
"""A hub that does not answer for this long is not waited for any longer."""
_PAUSE_MAX_S = 2.0


def _write_bytes(told: dict[str, Any], fresh: bytes) -> None:
    """The bytes as the bot wrote them, on stdout."""
    del told
    sys.stdout.buffer.write(fresh)
    sys.stdout.buffer.flush()


def unprinted(told: dict[str, Any], fresh: bytes) -> None:
    """For a script that wants the finished task as JSON, and nothing else on stdout; `botyard logs` has the bytes."""


@dataclass(slots=True)
class Following:
    """One task, followed until it has finished."""

    client: Client
    task: str
    first_line: int = 0
    quiet: bool = False
    """Say nothing on stderr about waiting and attempts."""
    write: Callable[[dict[str, Any], bytes], None] = _write_bytes
    """Called with each piece as the hub told it, and those bytes of it that were not written before."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set from another thread: stop waiting for a hub that is gone, and detach."""
    _execution: str = field(default="", init=False)
    _offset: int = field(default=0, init=False)
    _place: str = field(default="", init=False)
    _said: str = field(default="", init=False)
    _is_lost: bool = field(default=False, init=False)

    def run(self) -> dict[str, Any]:
        """Print what the bot prints; the finished task.

        Ctrl-C ends with 130 and says how to come back. Raises Refusal, and Unreached for a hub that stays away.
        """
        try:
            return self._until_end()
        except KeyboardInterrupt:
            raise Failure(self._come_back(), Exit.DETACHED) from None

    def _until_end(self) -> dict[str, Any]:
        silent_s, pause_s = 0.0, 0.2
        while True:
            seen = self._place
            try:
                finished = self._connected()
            except Refusal as refusal:
                if refusal.status != 503:
                    raise
                finished = None
            except LOST as error:
                finished = None
                self._say_lost(error)
            if finished is not None:
                return finished
            if self._place != seen:
                silent_s, pause_s = 0.0, 0.2
            if silent_s > GIVE_UP_AFTER_S:
                raise Unreached(self.client.url, "it stayed away")
            if self.stop.wait(pause_s):
                raise Failure(self._come_back(), Exit.DETACHED)
            silent_s, pause_s = silent_s + pause_s, min(_PAUSE_MAX_S, pause_s * 2)

    def _connected(self) -> dict[str, Any] | None:
        """Print from one connection; the finished task when it told, None when it ended before."""
        query: Query = {"follow": True, "encoding": "base64", "from": self.first_line}
        for event in self.client.events(f"/tasks/{segment(self.task)}/output", query, self._place):
            finished = self._take(event)
            if finished is not None:
                return finished
        return None

    def _take(self, event: ServerEvent) -> dict[str, Any] | None:
        told = json.loads(event.data)
        self._is_lost = False
        match event.name:
            case "output":
                self._print(told)
                self._place = event.id
            case "execution":
                self._begin(told)
                self._place = event.id
            case "waiting":
                self._wait(told["reasons"])
            case "end":
                return dict(told)
        return None

    def _wait(self, reasons: list[dict[str, Any]]) -> None:
        """Say why nothing runs yet; a permit that is on its way is no news."""
        told = [reason for reason in reasons if reason["code"] != "permit_out"]
        texts = [f"{one['message']} {one.get('remedy', '')}".strip() for one in told]
        if texts:
            self._say("waiting: " + "; ".join(texts))

    def _begin(self, told: dict[str, Any]) -> None:
        if told["execution"] != self._execution:
            self._execution, self._offset = told["execution"], told["from"]
            self._say(f"running on {told['runner']}")

    def _print(self, told: dict[str, Any]) -> None:
        """Write the bytes that were not written before."""
        data = base64.b64decode(told["data"])
        fresh = data[max(0, self._offset - told["from"]) :]
        self._offset = max(self._offset, told["to"])
        with printing():
            self.write(told, fresh)

    def _say_lost(self, error: Exception) -> None:
        """Once a loss; a quiet one says it, too: else nothing would tell why nothing comes."""
        if not self._is_lost:
            show.note(f"(the hub is not reached ({error}); the bot goes on, and so will this when it is back)")
        self._is_lost = True

    def _say(self, text: str) -> None:
        if text != self._said and not self.quiet:
            self._said = text
            show.note(f"({text})")

    def _come_back(self) -> str:
        return (
            f"detached; the task goes on. Come back: botyard logs -f {self.task}   "
            f"End it: botyard task cancel {self.task}"
        )


def outcome_line(task: dict[str, Any]) -> str:
    """How a task ended, in one line."""
    words = [str(task["outcome"]), f"({task['reason']})" if task.get("reason") else ""]
    if task.get("exit_code"):
        words.append(f"exit code {task['exit_code']}")
    if task.get("message"):
        words.append(f"- {show.one_line(task['message'])}")
    totals = task.get("totals")
    if totals:
        words.append(f"[{totals['total']} items: {totals['processed']} processed, {totals['failed']} failed]")
    if not task["output"]["complete"] and task["output"]["state"] != "none":
        words.append(f"(output {task['output']['says']})")
    return " ".join(word for word in words if word)
