"""As what a runner was installed (packaging.md §1 and §2)."""

from enum import StrEnum


class Mode(StrEnum):
    """Who runs the daemon: the machine, with no desktop of its own, or a user in a session."""

    SERVICE = "service"
    SESSION = "session"
