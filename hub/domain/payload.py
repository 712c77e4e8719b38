"""An item's payload against what its queue declares: fields, and a JSON Schema. All faults are told at once."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from hub.domain.parameters import Fault, Parameter, filled

if TYPE_CHECKING:
    import jsonschema_rs

PAYLOAD_MAX_BYTES = 256 * 1024
SCHEMA_MAX_BYTES = 64 * 1024
FAULTS_MAX = 50
DETAILED_MAX_BYTES = 16 * 1024
"""Of a larger payload that its schema refuses the first fault is told: all are found, 12 us each [M], or one."""
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$schema"})
_OWN_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def schema_faults(schema: Mapping[str, Any] | None) -> list[Fault]:
    """What is wrong with a JSON Schema; nothing is fetched from anywhere."""
    if schema is None:
        return []
    text = json.dumps(schema, sort_keys=True)
    if len(text.encode()) > SCHEMA_MAX_BYTES:
        return [_fault("payload_schema", "too large", f"at most {SCHEMA_MAX_BYTES} bytes")]
    foreign = [one for one in _references(schema) if not one.startswith("#") and one.rstrip("#") != _OWN_SCHEMA]
    if foreign:
        return [
            _fault("payload_schema", f"{one[:100]!r} lies elsewhere", "put it under $defs: #/$defs/NAME")
            for one in foreign
        ]
    # Where it is used: it holds 3.5 MB, and most hubs never see a schema.
    import jsonschema_rs

    try:
        _validator(text)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        first = str(error).partition("\n")[0]
        return [_fault("payload_schema", first[:200], "write JSON Schema, draft 2020-12")]
    return []


def check(
    fields: Sequence[Parameter], schema: Mapping[str, Any] | None, given: Mapping[str, Any], *, is_detailed: bool = True
) -> tuple[dict[str, Any], list[Fault]]:
    """The payload with the fields' defaults filled in, and its faults; it is only good without faults.

    Every fault, or fifty; against the schema only the first of a large payload, and of one that is not `is_detailed`.
    """
    payload, found = filled(fields, given)
    faults = [
        _fault(one.field.replace("parameters", "payload", 1), one.message, one.remedy.replace("parameter", "field"))
        for one in found
    ]
    size = len(json.dumps(payload).encode())
    if size > PAYLOAD_MAX_BYTES:
        return payload, [_fault("payload", f"{size} bytes as JSON", f"at most {PAYLOAD_MAX_BYTES}; attach a file")]
    if schema is not None:
        validator = _validator(json.dumps(schema, sort_keys=True))
        if is_detailed and size <= DETAILED_MAX_BYTES:
            faults += [_of_error(error) for error in islice(validator.iter_errors(payload), FAULTS_MAX)]
        else:
            faults += _first(validator, payload)
    return payload, faults[:FAULTS_MAX]


def _first(validator: "jsonschema_rs.Draft202012Validator", payload: Mapping[str, Any]) -> list[Fault]:
    import jsonschema_rs

    try:
        validator.validate(payload)
    except jsonschema_rs.ValidationError as error:
        return [_of_error(error)]
    return []


def _of_error(error: "jsonschema_rs.ValidationError") -> Fault:
    where = ".".join(["payload", *(str(step) for step in error.instance_path)])
    rule = "/".join(str(step) for step in error.schema_path)
    return _fault(where, error.message.partition("\n")[0][:200], f"see {rule} of the queue's schema")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name in _REFERENCES and isinstance(one, str):
                yield one
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


@functools.lru_cache(maxsize=256)
def _validator(text: str) -> "jsonschema_rs.Draft202012Validator":
    """Compiled once for each text; patterns run in time linear in the value, and nothing is fetched."""
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(
        json.loads(text), retriever=_fetch_nothing, pattern_options=jsonschema_rs.RegexOptions()
    )


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri[:100]} lies elsewhere")


def _fault(field: str, message: str, remedy: str) -> Fault:
    return Fault(field=field, message=message, remedy=remedy)
