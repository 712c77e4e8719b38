"""What an automation may be asked with: declared parameters, and the check of given ones. All faults are told at once.

An automation that declares no parameters takes any; one that declares some takes these and no others. Values keep their
JSON types; nothing is converted here, so that ``"7"`` is never quietly 7.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, assert_never

from agent.wire.limits import PARAMETERS_MAX_BYTES

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
"""A name stands in ``{name}`` of an args template and in ``BOTYARD_PARAM_<NAME>``."""
PARAMETERS_MAX = 200
FAULTS_MAX = 50
"""Unknown names that are told of, and known ones that are told instead."""
INTEGER_MAX = 2**63 - 1
MISSING = "missing"
"""What a fault says of a required parameter that was not given."""


class ParameterType(StrEnum):
    """What a value must be."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"
    """Any JSON value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One declared parameter."""

    name: str
    type: ParameterType = ParameterType.TEXT
    required: bool = False
    default: Any = None
    """Used when the task does not say; None: no default, the name is simply absent then."""
    secret: bool = False
    """Never shown, never in arguments; masked in the output (S11, S15)."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong, where it is, and what to do about it."""

    field: str
    message: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """As it travels in an error's details."""
        return {"field": self.field, "message": self.message, "remedy": self.remedy}


def definition_faults(declared: Sequence[Parameter]) -> list[Fault]:
    """What is wrong with a declaration; empty when it can stand."""
    faults = []
    if len(declared) > PARAMETERS_MAX:
        faults.append(_fault("parameters", f"more than {PARAMETERS_MAX}", "pass one JSON parameter instead"))
    seen: set[str] = set()
    for index, one in enumerate(declared):
        faults += _of_definition(f"parameters.{index}", one)
        if one.name.casefold() in seen:
            faults.append(_fault(f"parameters.{index}.name", f"{one.name!r} stands twice", "name each once"))
        seen.add(one.name.casefold())
    return faults


def check(declared: Sequence[Parameter], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The parameters of a task, defaults filled in, and every fault of what was given.

    The result is only good when there are no faults. Faults name a secret parameter, never its value.
    """
    result, faults = filled(declared, given)
    return result, faults + _of_size(result)


def filled(declared: Sequence[Parameter], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """As `check`, of any size: whoever keeps the values has a limit of his own."""
    faults = [] if not declared else list(islice(_unknown(declared, given), FAULTS_MAX))
    result = dict(given)
    for one in declared:
        if one.name in given:
            faults += _of_value(f"parameters.{one.name}", one.type, given[one.name])
        elif one.default is not None:
            result[one.name] = one.default
        elif one.required:
            faults.append(_fault(f"parameters.{one.name}", MISSING, f"give it; it is {_article(one.type)}"))
    return result, faults


def secret_names(declared: Iterable[Parameter]) -> tuple[str, ...]:
    """Names of the parameters whose values nobody may see."""
    return tuple(one.name for one in declared if one.secret)


def _of_definition(where: str, one: Parameter) -> list[Fault]:
    faults = []
    if not NAME.match(one.name):
        remedy = "begin with a letter or _, then letters, digits, _ . or -, 64 in all"
        faults.append(_fault(f"{where}.name", f"{one.name[:64]!r} is no name", remedy))
    if one.default is None:
        return faults
    if one.required:
        faults.append(_fault(f"{where}.default", "a required parameter needs no default", "drop one of the two"))
    if one.secret:
        faults.append(_fault(f"{where}.default", "a secret has no default: it would be read by all", "drop it"))
    return faults + _of_value(f"{where}.default", one.type, one.default)


def _unknown(declared: Sequence[Parameter], given: Mapping[str, Any]) -> Iterable[Fault]:
    names = {one.name for one in declared}
    known = ", ".join(sorted(names)[:FAULTS_MAX])
    for name in given:
        if name not in names:
            yield _fault(f"parameters.{name[:64]}", "unknown parameter", f"known are: {known}")


def _of_value(where: str, wanted: ParameterType, value: Any) -> list[Fault]:
    return [] if _is(wanted, value) else [_fault(where, f"is not {_article(wanted)}", f"give {_article(wanted)}")]


def _is(wanted: ParameterType, value: Any) -> bool:
    match wanted:
        case ParameterType.TEXT:
            return isinstance(value, str)
        case ParameterType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INTEGER_MAX
        case ParameterType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case ParameterType.BOOLEAN:
            return isinstance(value, bool)
        case ParameterType.JSON:
            return True
    assert_never(wanted)


def _article(wanted: ParameterType) -> str:
    words = {
        ParameterType.TEXT: "a text",
        ParameterType.INTEGER: "an integer",
        ParameterType.NUMBER: "a number",
        ParameterType.BOOLEAN: "true or false",
        ParameterType.JSON: "a JSON value",
    }
    return words[wanted]


def _of_size(result: Mapping[str, Any]) -> list[Fault]:
    size = len(json.dumps(result).encode())
    if size <= PARAMETERS_MAX_BYTES:
        return []
    return [_fault("parameters", f"{size} bytes as JSON", f"at most {PARAMETERS_MAX_BYTES}; pass a file's name")]


def _fault(field: str, message: str, remedy: str) -> Fault:
    return Fault(field=field, message=message, remedy=remedy)
