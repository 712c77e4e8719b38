"""What a check finds: one line for people, the same for programs."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Verdict(StrEnum):
    """How it stands."""

    FINE = "fine"
    WARNING = "warning"
    """It works, and somebody should know."""
    WRONG = "wrong"
    """The runner, or bots of some kind, cannot work."""
    UNKNOWN = "unknown"
    """This machine, or this user, has no way to know."""


class Deed(StrEnum):
    """What `--fix` may do: each of it is safe while a daemon and bots run."""

    MAKE_FOLDER = "make folder"
    SET_MODE = "set mode"
    REMOVE_FILE = "remove file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """One deed on one path."""

    deed: Deed
    path: Path
    mode: int = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line."""

    check: str
    verdict: Verdict
    text: str
    remedy: str = ""
    """What to do, for a person; empty where there is nothing to do."""
    mends: tuple[Mend, ...] = ()


def fine(check: str, text: str) -> Finding:
    """It works."""
    return Finding(check=check, verdict=Verdict.FINE, text=text)


def warning(check: str, text: str, remedy: str, *mends: Mend) -> Finding:
    """It works, and somebody should know."""
    return Finding(check=check, verdict=Verdict.WARNING, text=text, remedy=remedy, mends=mends)


def wrong(check: str, text: str, remedy: str, *mends: Mend) -> Finding:
    """It does not work."""
    return Finding(check=check, verdict=Verdict.WRONG, text=text, remedy=remedy, mends=mends)


def unknown(check: str, text: str, remedy: str = "") -> Finding:
    """There is no way to know."""
    return Finding(check=check, verdict=Verdict.UNKNOWN, text=text, remedy=remedy)
