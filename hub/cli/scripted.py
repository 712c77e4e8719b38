"""Who reads what this command prints: a script (``--json``), or nobody any more."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SCRIPTED: ContextVar[bool] = ContextVar("scripted", default=False)
"""Whether a script reads it."""


class ReaderGone(Exception):  # noqa: N818  # no error: whoever read this has seen enough
    """The reader of stdout has closed it."""


@contextmanager
def printing() -> Iterator[None]:
    """Around writes to stdout between calls of the hub: both may raise BrokenPipeError. Raises ReaderGone."""
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone from None
