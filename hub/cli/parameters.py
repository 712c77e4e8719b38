"""Parameters as they are typed: ``name=value``, ``name:=JSON``, or a JSON object in a file; all faults at once.

A value takes the type that the automation declares: ``count=7`` is a number where `count` is an integer, and text where
nothing is declared. Nothing that a file holds is repeated in a message: it may be secret.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.cli.client import Client, segment
from hub.cli.failing import Exit, Failure, Refusal


def read_parameters(client: Client, label: str, file: str | None, typed: Sequence[str]) -> dict[str, Any]:
    """The parameters of a task; what was typed wins over the file. Raises Failure that names every fault."""
    values = _from_file(file)
    if not typed:
        return values
    declared = _declared(client, label)
    types = {str(one["name"]): str(one["type"]) for one in declared}
    faults: dict[str, str] = {}
    seen: set[str] = set()
    for text in typed:
        name, fault = _take(text, types, values)
        if name in seen:
            fault = "given twice (give it once)"
        seen.add(name)
        if fault:
            faults[name] = fault
    if faults:
        raise _all_faults(declared, values, faults)
    return values


def _take(text: str, types: dict[str, str], values: dict[str, Any]) -> tuple[str, str]:
    """Put one parameter among the values; its name, and what is wrong with it."""
    name, equals, value = text.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":")
    if not equals or not name:
        return text, "no name=value (write -p name=value, or -p name:=JSON)"
    if not is_json and types.get(name, "text") == "text":
        values[name] = value
        return name, ""
    try:
        values[name] = _json(value)
    except ValueError as error:
        if not is_json:
            # The hub says what it has to be, beside all else that is wrong.
            values[name] = value
            return name, "" if types[name] != "json" else f"{value[:40]!r} is no JSON ({error})"
        return name, f"{value[:40]!r} is no JSON ({error}; for a text write -p {name}=…)"
    return name, ""


def _json(text: str) -> Any:
    """JSON as the hub reads it. Raises ValueError with a few words."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number in JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _from_file(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Failure(f"--parameters: {source} can't be read: {why}.", Exit.USAGE) from None
    try:
        found = _json(text)
    except ValueError as error:
        raise Failure(f"--parameters: {source} holds no JSON object: {error}.", Exit.USAGE) from None
    if not isinstance(found, dict):
        raise Failure(f'--parameters: {source} holds no JSON object; write {{"name": "value"}}.', Exit.USAGE)
    return found


def _declared(client: Client, label: str) -> list[dict[str, Any]]:
    try:
        found = client.get(f"/automations/{segment(label)}")
    except Refusal as refusal:
        if refusal.status == 404:
            return []  # asking for the task says so, with the names that come near
        raise
    return list(found["parameters"])


def _all_faults(declared: list[dict[str, Any]], values: dict[str, Any], faults: dict[str, str]) -> Failure:
    """The faults found here, and those that the hub would find in the rest."""
    from hub.domain.parameters import Parameter, ParameterType, check

    known = [Parameter(**{**one, "type": ParameterType(one["type"])}) for one in declared]
    _, others = check(known, values)
    told = {f"parameters.{name}": text for name, text in faults.items()}
    more = {one.field: f"{one.message} ({one.remedy})" for one in others if one.field not in told}
    lines = [f"{field}: {text}" for field, text in {**told, **more}.items()]
    return Failure("the parameters can't be taken.", Exit.USAGE, lines)
