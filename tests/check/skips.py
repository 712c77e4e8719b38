"""Which tests may be skipped: only those whose reason a list names, and with the server at hand no PostgreSQL test."""

import fnmatch
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("allowed_skips.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one test ended."""

    test: str
    engine: str | None
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedSkip:
    """A reason that may keep a test from running."""

    pattern: str
    in_ci: bool
    why: str


def parse(text: str) -> list[AllowedSkip]:
    """Read the list: lines of `pattern | anywhere or not-ci | why`; raises ValueError for any other."""
    allowed = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern, where, why = (part.strip() for part in line.split("|"))
        if where not in {"anywhere", "not-ci"} or not why:
            raise ValueError(f"not an allowed skip: {line!r}")
        allowed.append(AllowedSkip(pattern=pattern, in_ci=where == "anywhere", why=why))
    return allowed


def forbidden(
    results: Iterable[Result], allowed: Sequence[AllowedSkip], *, has_postgres: bool, in_ci: bool
) -> list[Result]:
    """Return the skips that count as failures."""
    return [
        result
        for result in results
        if result.outcome == "skipped"
        and (
            (has_postgres and result.engine == "postgres")
            or not any(fnmatch.fnmatch(result.reason, skip.pattern) and (skip.in_ci or not in_ci) for skip in allowed)
        )
    ]


def in_ci() -> bool:
    """Say whether this is the project's CI, which installs all it needs."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}
