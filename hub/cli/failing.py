"""How commands fail: one line that says what is wrong and what to do, and an exit code that scripts rely on.

With ``--json`` a failure is one JSON object on stderr instead: `error`, `code`, `exit_code`, and `faults` where the
request had several.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit codes (`design.md` §5)."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    CANCELED = 4
    TIMED_OUT = 5
    LOST_OR_REFUSED = 6
    UNREACHED = 7
    DETACHED = 130


_OF_OUTCOME = {
    "succeeded": Exit.SUCCEEDED,
    "partial": Exit.PARTIAL,
    "failed": Exit.FAILED,
    "canceled": Exit.CANCELED,
    "timed_out": Exit.TIMED_OUT,
    "lost": Exit.LOST_OR_REFUSED,
    "refused": Exit.LOST_OR_REFUSED,
}
_NAMES = {Exit.USAGE: "usage", Exit.UNREACHED: "unreached", Exit.DETACHED: "detached"}


def exit_of(outcome: str) -> Exit:
    """The exit code that stands for a task's outcome."""
    return _OF_OUTCOME.get(outcome, Exit.FAILED)


class Failure(Exception):  # noqa: N818  # what a command ends with, not an error of the program
    """Ends the command with one line on stderr."""

    def __init__(self, message: str, code: Exit = Exit.FAILED, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = tuple(details)
        """Further lines: the faults of a request, one each."""

    @property
    def name(self) -> str:
        """The failure in one stable word, for scripts."""
        return _NAMES.get(self.code, "failed")

    def as_json(self) -> dict[str, Any]:
        """The failure for scripts."""
        told: dict[str, Any] = {"error": self.message, "code": self.name, "exit_code": int(self.code)}
        return told | ({"faults": list(self.details)} if self.details else {})


class Unreached(Failure):
    """The hub can't be reached, or stopped answering."""

    def __init__(self, url: str, why: str, remedy: str = "") -> None:
        remedy = remedy or "Is it running? botyard up, or botyard hub serve; or set BOTYARD_URL."
        super().__init__(f"no answer from the hub at {url} ({why}). {remedy}", Exit.UNREACHED)


class Refusal(Failure):
    """The hub answered with a problem."""

    def __init__(self, status: int, problem: Mapping[str, object]) -> None:
        self.status = status
        self.problem_code = str(problem.get("code", status))
        found = problem.get("details")
        self.about: Mapping[str, object] = found if isinstance(found, dict) else {}
        """What the hub says for programs: the name that it does not know, and such."""
        detail = str(problem.get("detail") or f"the hub answered {status}")
        if status == 401:
            detail = "the hub does not take this key. Say botyard login URL, or set BOTYARD_TOKEN (botyard key create)."
        errors = problem.get("errors")
        self.faults = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        usage = status in {400, 415, 422}
        super().__init__(detail, Exit.USAGE if usage else Exit.FAILED, [_fault(one) for one in self.faults])

    @property
    def name(self) -> str:
        """The hub's own word for it."""
        return self.problem_code

    def as_json(self) -> dict[str, Any]:
        """The failure for scripts, each fault with its field, message and remedy."""
        told = super().as_json()
        return told | ({"faults": self.faults} if self.faults else {})


def _fault(one: Mapping[str, object]) -> str:
    remedy = f" ({one['remedy']})" if one.get("remedy") else ""
    return f"{one.get('field') or 'request'}: {one.get('message')}{remedy}"
