"""Whether a script reads what this command prints: it said ``--json``."""

from contextvars import ContextVar

SCRIPTED: ContextVar[bool] = ContextVar("scripted", default=False)
