"""How commands fail: one line that says what is wrong and what to do, and an exit code that scripts rely on."""

from enum import IntEnum


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


def exit_of(outcome: str) -> Exit:
    """The exit code that stands for a task's outcome."""
    return _OF_OUTCOME.get(outcome, Exit.FAILED)


class Failure(Exception):  # noqa: N818  # what a command ends with, not an error of the program
    """Ends the command with one line on stderr."""

    def __init__(self, message: str, code: Exit = Exit.FAILED, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details
        """Further lines: the faults of a request, one each."""


class Unreached(Failure):
    """The hub can't be reached, or stopped answering."""

    def __init__(self, url: str, why: str) -> None:
        text = f"no answer from the hub at {url} ({why}). Is it running? botyard hub serve, or set BOTYARD_URL."
        super().__init__(text, Exit.UNREACHED)


class Refusal(Failure):
    """The hub answered with a problem."""

    def __init__(self, status: int, problem: dict[str, object]) -> None:
        self.status = status
        self.problem_code = str(problem.get("code", status))
        detail = str(problem.get("detail") or f"the hub answered {status}")
        if status == 401:
            detail = "the hub does not take this key. Say botyard login URL, or set BOTYARD_TOKEN (botyard key create)."
        errors = problem.get("errors")
        faults = tuple(_fault(one) for one in errors if isinstance(one, dict)) if isinstance(errors, list) else ()
        usage = status in {400, 415, 422}
        super().__init__(detail, Exit.USAGE if usage else Exit.FAILED, faults)


def _fault(one: dict[str, object]) -> str:
    remedy = f" ({one['remedy']})" if one.get("remedy") else ""
    return f"{one.get('field') or 'request'}: {one.get('message')}{remedy}"
