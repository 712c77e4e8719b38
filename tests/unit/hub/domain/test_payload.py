"""Payloads against fields and JSON Schema: all faults at once, nothing fetched, no pattern that runs for ever."""

import time

from hub.domain.parameters import Parameter, ParameterType
from hub.domain.payload import FAULTS_MAX, PAYLOAD_MAX_BYTES, check, schema_faults

FIELDS = (Parameter(name="number", required=True), Parameter(name="amount", type=ParameterType.NUMBER))


def test_all_faults_come_at_once() -> None:
    """Missing, unknown, of the wrong type, and against the schema: each with its field."""
    schema = {"properties": {"amount": {"minimum": 5}, "number": {"type": "string"}}}
    _, faults = check(FIELDS, schema, {"amount": "x", "colour": 1})
    assert [fault.field for fault in faults] == ["payload.colour", "payload.number", "payload.amount"]
    _, faults = check((), {"properties": {"lines": {"items": {"type": "integer"}}}}, {"lines": [1, "two"]})
    assert [(fault.field, fault.message) for fault in faults] == [("payload.lines.1", '"two" is not of type "integer"')]


def test_so_many_faults_are_told_and_no_more_are_made() -> None:
    """A list with a fault an entry, an object of unknown names: fifty are told."""
    schema = {"properties": {"lines": {"items": {"type": "integer"}}}}
    _, faults = check((), schema, {"lines": ["x"] * 2000})
    assert len(faults) == FAULTS_MAX
    for _, faults in (
        check((), schema, {"lines": ["x"] * 20_000}),
        check((), schema, {"lines": ["x"] * 2000}, is_detailed=False),
    ):
        assert [fault.field for fault in faults] == ["payload.lines.0"]
    _, faults = check(FIELDS, None, {f"n{number}": 1 for number in range(10_000)})
    assert len(faults) == FAULTS_MAX


def test_defaults_are_filled_in() -> None:
    """As with parameters."""
    payload, faults = check((Parameter(name="kind", default="a"),), None, {})
    assert (payload, faults) == ({"kind": "a"}, [])


def test_a_schema_that_is_none_is_told() -> None:
    """So is one that lies elsewhere: the hub asks nobody."""
    assert "anyOf" in schema_faults({"type": "objec"})[0].message
    for word in ("$ref", "$dynamicRef"):
        (fault,) = schema_faults({"properties": {"a": {word: "http://169.254.169.254/latest"}}})
        assert "elsewhere" in fault.message
    assert schema_faults({"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}) == []
    assert schema_faults({"$schema": "https://json-schema.org/draft/2020-12/schema"}) == []


def test_a_pattern_that_would_backtrack_is_fast() -> None:
    """Linear in the value, whatever the pattern."""
    began = time.process_time()
    _, faults = check((), {"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 5000 + "!"})
    assert len(faults) == 1
    assert time.process_time() - began < 2


def test_a_payload_has_a_size() -> None:
    """Larger things are files."""
    _, faults = check((), None, {"a": "x" * PAYLOAD_MAX_BYTES})
    assert "attach a file" in faults[0].remedy
