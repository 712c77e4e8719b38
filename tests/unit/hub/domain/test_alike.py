"""Things by their labels: who fits is what the rule of placement says of each, however they are grouped."""

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.alike import Alike
from hub.domain.placement import fits

labels = st.dictionaries(st.sampled_from(["os", "site"]), st.sampled_from(["a", "b"]))
needs = st.dictionaries(st.sampled_from(["os", "site", "sap"]), st.sampled_from(["", "a", "b"]), max_size=2)


@given(st.lists(labels, max_size=8), needs, st.sets(st.integers(0, 7)))
def test_those_that_are_kept_and_fit_are_found(
    given_labels: list[dict[str, str]], wanted: dict[str, str], gone: set[int]
) -> None:
    kept = Alike[int]()
    for number, one in enumerate(given_labels):
        kept.put(str(number), one, number)
    for number in gone & set(range(len(given_labels))):
        kept.drop(str(number), given_labels[number])
        kept.drop(str(number), given_labels[number])
    expected = {number for number, one in enumerate(given_labels) if fits(one, wanted) and number not in gone}
    assert sorted(kept.fitting(wanted)) == sorted(expected)


def test_what_is_found_may_be_dropped_on_the_way() -> None:
    kept = Alike[str]()
    for name in "abc":
        kept.put(name, {"os": "linux"}, name)
    for name in kept.fitting({}):
        kept.drop(name, {"os": "linux"})
    assert list(kept.fitting({})) == []
