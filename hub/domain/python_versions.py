"""Which Python a package asks for, in the words that resolver and runner take (bot-packages.md §3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.wire.python_versions import clauses, exact_version, floor_of, holds
from hub.domain.package_options import OptionError

FLOOR = (3, 11)
"""Oldest Python of a runner's daemon: what is on every robot machine, hence what "any" means."""


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
    exact = exact_version(said)
    if exact is not None:
        return PythonChoice(request=exact, floor=exact)
    parts = clauses(said)
    if parts is None:
        raise OptionError(f"{where} must be a Python version such as 3.11 or >=3.10,<3.13, not {said[:60]!r}")
    if not all(holds(part, FLOOR) for part in parts):
        request = ",".join(parts)
        floor = floor_of(request)
        if floor is None:
            raise OptionError(f"{where} {request} admits no Python 3")
        return PythonChoice(request=request, floor=floor)
    upper = [part for part in parts if part.startswith(("<", "!=", "=="))]
    return PythonChoice(request=",".join([ANY_PYTHON.request, *upper]), floor=ANY_PYTHON.floor)


def lowest(choices: Sequence[PythonChoice]) -> PythonChoice | None:
    """The choice with the oldest floor: what a list for all of them is resolved from; None for none."""
    return min(choices, key=lambda choice: tuple(int(part) for part in choice.floor.split(".")), default=None)
