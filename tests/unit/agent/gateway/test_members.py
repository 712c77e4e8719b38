"""Bodies of our own calls: whatever comes, it is understood or refused with a sentence (`reliability.md` P13, G8)."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.gateway.members import FORM, FieldError, masked, outputs_of, progress_of, read_members, result_of, row_of
from agent.wire.codec import decode_to_hub, encode
from agent.wire.facts import Fact, RowFact, make_fact
from tests.support.session import AT

TYPES = st.sampled_from(["application/json", FORM, "text/plain", "application/octet-stream"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
MEANINGS = (progress_of, row_of, outputs_of, result_of)


def understood(kind: str, data: bytes) -> None:
    """Read it as each of the calls."""
    for meaning in MEANINGS:
        with suppress(FieldError):
            meaning(read_members(kind, data))


@given(TYPES, st.binary(max_size=200))
def test_garbage_is_refused_in_words(kind: str, data: bytes) -> None:
    """Nothing but a FieldError comes out."""
    understood(kind, data)


@given(TYPES, JSON | st.dictionaries(st.sampled_from(["percent", "text", "log", "columns", "status"]), JSON))
def test_any_json_is_understood_or_refused(kind: str, body: Any) -> None:
    """Also where members are known and their values are not."""
    understood(kind, json.dumps(body).encode())


@given(st.dictionaries(st.text(min_size=1, max_size=20), SCALARS, min_size=1, max_size=10))
def test_a_row_reaches_the_hub_as_it_was_written(columns: dict[str, Any]) -> None:
    """P3: types, order and checksum hold from the body over the spool to the hub."""
    _, read = row_of(read_members("application/json", json.dumps({"log": "l", "columns": columns}).encode()))
    row = RowFact(at=AT, log="l", columns={name: masked(value, str) for name, value in read.items()})

    fact = decode_to_hub(encode(make_fact("exe_" + "1" * 32, 1, 1, row)))

    assert isinstance(fact, Fact)
    assert fact.is_intact()
    assert isinstance(fact.body, RowFact)
    clean = {_clean(name): _clean(value) for name, value in columns.items()}
    assert clean == fact.body.columns
    assert [type(value) for value in clean.values()] == [type(value) for value in fact.body.columns.values()]


def _clean(value: Any) -> Any:
    """NUL, which PostgreSQL refuses, is a mark from the spool on."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
