"""Which Python a build asks for: one version, or bounds (bot-packages.md §3). Pure; hub and runner read it alike.

`3.11` admits every 3.11.x, `3.11.7` itself, `>=3.10,<3.13` what it says; bounds compare major and minor only.
"""

import re

_EXACT = re.compile(r"(?:cpython-?|python-?)?(3\.\d{1,2}(?:\.\d{1,3})?)\Z", re.IGNORECASE)
_CLAUSE = re.compile(r"(>=|<=|==|~=|!=|>|<)(\d{1,2})(?:\.(\d{1,3}))?(?:\.(?:\d{1,3}|\*))?\Z")


def exact_version(request: str) -> str | None:
    """The version when the request names one, without a `cpython-` before it; None for bounds and nonsense."""
    found = _EXACT.match(request.strip())
    return found.group(1) if found else None


def clauses(request: str) -> tuple[str, ...] | None:
    """The bounds of a request without blanks; None when they can't be read."""
    parts = tuple(part.replace(" ", "") for part in request.split(",") if part.strip())
    return parts if parts and all(_CLAUSE.match(part) for part in parts) else None


def admits(request: str, version: str) -> bool:
    """Whether a Python of that version (`3.11.7` or `3.11`) may run what made the request. Nonsense admits none."""
    wanted = exact_version(request)
    if wanted is not None:
        return f"{version}.".startswith(f"{wanted}.")
    parts = clauses(request)
    major, minor, *_ = (int(part) for part in version.split("."))
    return parts is not None and all(holds(part, (major, minor)) for part in parts)


def floor_of(request: str) -> str | None:
    """The oldest version that a request admits, what a resolver starts from; None when it admits no Python 3."""
    parts = clauses(request)
    if parts is None:
        return exact_version(request)
    minors = (minor for minor in range(6, 60) if all(holds(part, (3, minor)) for part in parts))
    return next((f"3.{minor}" for minor in minors), None)


def holds(clause: str, version: tuple[int, int]) -> bool:
    """Whether one bound, as `clauses` gives it, admits (major, minor)."""
    found = _CLAUSE.match(clause)
    if found is None:
        return False
    bound = (int(found.group(2)), int(found.group(3) or 0))
    match found.group(1):
        case ">=":
            return version >= bound
        case ">":
            return version > bound
        case "<":
            return version < bound
        case "<=":
            return version <= bound
        case "!=":
            return version != bound
        case "~=":
            return version >= bound and version[0] == bound[0]
        case _:
            return version == bound or (found.group(3) is None and version[0] == bound[0])
