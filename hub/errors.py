"""What the hub's services raise: five families under one root, each of which an adapter maps to one status.

    BotyardError
    ├── NotFound      there is no such thing, or not for you            404
    ├── Invalid       what was sent can't be meant                      422 (400 where a contract wants it)
    ├── Conflict      it can be meant, but not in the present state     409
    ├── Forbidden     it is there, and not for this caller              403
    └── Unavailable   not now; the same request may succeed later       503

`code` is stable and meant for programs, `message` is one sentence for people that names the field and the remedy,
`details` holds JSON values. None of the three ever carries a secret or a stack (S54).
"""

from collections.abc import Mapping
from typing import Any


class BotyardError(Exception):
    """Root of all that a service refuses."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


class NotFound(BotyardError):  # noqa: N818  # the five words of style.md §2.7
    """There is no such thing in this workspace."""


class Invalid(BotyardError):  # noqa: N818  # the five words of style.md §2.7
    """The request can't be carried out in any state; the message names the field and the remedy."""


class Conflict(BotyardError):  # noqa: N818  # the five words of style.md §2.7
    """The request contradicts what is there now."""


class Forbidden(BotyardError):  # noqa: N818  # the five words of style.md §2.7
    """The caller's role or scope does not allow it."""


class Unavailable(BotyardError):  # noqa: N818  # the five words of style.md §2.7
    """The hub can't do it now; trying again later may help."""

    def __init__(
        self, code: str, message: str, details: Mapping[str, Any] | None = None, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message, details)
        self.retry_after_s = retry_after_s
