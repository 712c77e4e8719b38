"""Parameters as an automation declares them when typed: ``name``, ``name=default``, ``name!:type``, ``name?:type``.

All faults of all of them are told at once.
"""

import json
from collections.abc import Sequence
from typing import Any

from hub.cli.failing import Exit, Failure

TYPES = ("text", "integer", "number", "boolean", "json")


def read_declared(typed: Sequence[str], option: str = "-p") -> list[dict[str, Any]]:
    """The declarations as the API takes them. Raises Failure that names every fault and the option."""
    made, faults = [], []
    for text in typed:
        one, fault = _declared(text)
        made.append(one)
        if fault:
            faults.append(f"{option} {text[:80]}: {fault}")
    if faults:
        raise Failure(f"these {'fields' if option == '-f' else 'parameters'} can't be declared.", Exit.USAGE, faults)
    return made


def _declared(text: str) -> tuple[dict[str, Any], str]:
    head, equals, default = text.partition("=")
    name, _, kind = head.partition(":")
    kind = kind or "text"
    made: dict[str, Any] = {"name": name.rstrip("!?"), "type": kind}
    made["required"] = name.endswith("!")
    made["secret"] = name.endswith("?")
    if not made["name"]:
        return made, "no name (write name, name=default, name!:type or name?:type)"
    if kind not in TYPES:
        return made, f"{kind[:32]!r} is no type (one of {', '.join(TYPES)})"
    if equals:
        try:
            made["default"] = default if kind == "text" else json.loads(default)
        except ValueError:
            return made, f"{default[:40]!r} is no {kind} (give one as JSON writes it)"
    return made, ""
