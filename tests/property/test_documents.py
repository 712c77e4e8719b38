"""What is written as YAML is read as the same, whatever it holds."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.documents.yaml_reading import read
from hub.domain.documents.yaml_writing import written

NAMES = st.text(max_size=60)
TEXTS = st.text(max_size=60) | st.text("ab \n#:-'\"\t|>", max_size=30)
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), max_size=2))
def test_what_is_written_is_read_as_it_was(documents: list[dict[str, Any]]) -> None:
    found = read(written(documents))
    assert [] == found.faults
    assert repr(documents) == repr([one.value for one in found.documents])


@given(st.text(min_size=900, max_size=1300), VALUES)
def test_a_long_name_is_read_as_it_was(name: str, value: Any) -> None:
    """YAML ends names at 1,024 characters unless they are marked."""
    assert [{name: value}] == [one.value for one in read(written([{name: value}])).documents]
