"""Which Python a package asks for, in the words that resolver and runner take (bot-packages.md §3)."""

import re
from dataclasses import dataclass

from hub.domain.package_options import OptionError

FLOOR = (3, 11)
"""Oldest Python of a runner's daemon (design.md): what is on every robot machine, hence what "any" means."""

_EXACT = re.compile(r"(?:cpython-?|python-?)?(3\.\d{1,2}(?:\.\d{1,3})?)\Z", re.IGNORECASE)
_CLAUSE = re.compile(r"(>=|<=|==|~=|!=|>|<)\s*(\d+)(?:\.(\d{1,3}))?(?:\.(?:\d{1,3}|\*))?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonChoice:
    """`request` is what a runner looks for: a version, or bounds such as `>=3.11,<3.13`; `floor` the oldest."""

    request: str
    floor: str


ANY_PYTHON = PythonChoice(request=f">={FLOOR[0]}.{FLOOR[1]}", floor=f"{FLOOR[0]}.{FLOOR[1]}")


def choose(said: str, *, where: str) -> PythonChoice:
    """The choice for a version (`3.11`, `3.11.7`) or bounds (`>=3.8,<4`). Raises OptionError for anything else.

    Open bounds are raised to `FLOOR` where they admit it: resolving for Pythons that no runner would take only makes
    older packages, or none, fit.
    """
    if exact := _EXACT.match(said.strip()):
        version = exact.group(1)
        return PythonChoice(request=version, floor=version)
    clauses = [_CLAUSE.match(part.strip()) for part in said.split(",") if part.strip()]
    if not clauses or None in clauses:
        raise OptionError(f"{where} must be a Python version such as 3.11 or >=3.10,<3.13, not {said[:60]!r}")
    parts = [part.strip().replace(" ", "") for part in said.split(",") if part.strip()]
    if _admits_floor(said):
        kept = [part for part in parts if not part.startswith((">=", ">"))] if _is_open_below(parts) else parts
        bounds = [f">={FLOOR[0]}.{FLOOR[1]}", *kept] if _is_open_below(parts) else kept
        return PythonChoice(request=",".join(bounds), floor=ANY_PYTHON.floor)
    return PythonChoice(request=",".join(parts), floor=_lowest(parts, where))


def _admits_floor(said: str) -> bool:
    return all(_holds(part.strip(), FLOOR) for part in said.split(",") if part.strip())


def _is_open_below(parts: list[str]) -> bool:
    return not any(part.startswith(("==", "~=")) for part in parts)


def _holds(clause: str, version: tuple[int, int]) -> bool:
    found = _CLAUSE.match(clause)
    assert found is not None
    operator, bound = found.group(1), (int(found.group(2)), int(found.group(3) or 0))
    match operator:
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
            return version == bound or found.group(3) is None


def _lowest(parts: list[str], where: str) -> str:
    for minor in range(6, 40):
        if all(_holds(part, (3, minor)) for part in parts):
            return f"3.{minor}"
    raise OptionError(f"{where} {','.join(parts)} admits no Python 3")
