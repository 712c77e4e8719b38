"""What tasks want of shared things, and when that is too much: the whole table."""

from typing import Any

import pytest

from hub.domain.demand import (
    LimitKind,
    Rate,
    Sharing,
    Stock,
    exceeded,
    faults_of,
    key_of,
    read,
    resource_key,
    stored,
    value_of,
    wants,
)

AUT = "aut_1"
KEY = f'key:{AUT}:"acme"'


@pytest.mark.parametrize(
    ("sharing", "limit_key", "wanted"),
    [
        (Sharing(), None, []),
        (Sharing(concurrency=2), None, [("automation:aut_1", 1, 2)]),
        (Sharing(concurrency_key="x"), KEY, [(KEY, 1, 1)]),
        (Sharing(concurrency_key="x", concurrency=3), KEY, [(KEY, 1, 3)]),
        (Sharing(concurrency_key="x", concurrency=3), None, []),
        (Sharing(rate=Rate(count=5, per_s=60)), None, [("rate:aut_1", 1, 5)]),
        (Sharing(uses={"b": 2, "a": 1}), None, [("resource:a", 1, None), ("resource:b", 2, None)]),
    ],
)
def test_what_a_task_wants_follows_from_its_automation(
    sharing: Sharing, limit_key: str | None, wanted: list[tuple[str, int, int | None]]
) -> None:
    assert wanted == [(one.limit_key, one.units, one.total) for one in wants(AUT, sharing, limit_key)]
    assert sharing.is_free == (sharing == Sharing())


@pytest.mark.parametrize(
    ("total", "used", "units", "missing"),
    [
        (3, 0, 1, None),
        (3, 2, 1, None),
        (3, 3, 1, 1),
        (3, 2, 2, 1),
        (3, 5, 1, 3),
        (0, 0, 1, 1),
        (2, 0, 3, 1),
        (None, 0, 1, 1),
    ],
)
def test_a_limit_is_exceeded_when_less_is_free_than_wanted(
    total: int | None, used: int, units: int, missing: int | None
) -> None:
    wanted = wants(AUT, Sharing(uses={"sap": units}), None)
    found = exceeded(wanted, {resource_key("sap"): Stock(total=total, used=used)})
    assert ([] if missing is None else [missing]) == [one.missing for one in found]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("acme", KEY),
        (7, "key:aut_1:7"),
        (7.0, "key:aut_1:7"),
        (True, "key:aut_1:true"),
        (1.5, None),
        (None, None),
        (["a"], None),
        ({"a": 1}, None),
        ("x" * 300, None),
    ],
)
def test_only_a_short_scalar_is_a_key(value: Any, key: str | None) -> None:
    assert key == key_of(AUT, value)


def test_people_are_told_the_value_of_a_limit() -> None:
    assert ["sap", '"acme"', "", ""] == [
        value_of(one) for one in ("resource:sap", KEY, "automation:aut_1", "rate:aut_1")
    ]
    assert {LimitKind(one) for one in ("automation", "key", "resource", "rate")} == set(LimitKind)


def test_figures_out_of_range_are_named_all_at_once() -> None:
    sharing = Sharing(concurrency=0, uses={"a": -1, "b": 1}, rate=Rate(count=0, per_s=90_000))
    assert ["concurrency", "uses.a", "rate.count", "rate.per_s"] == [one.field for one in faults_of(sharing)]


def test_what_is_stored_is_read_again() -> None:
    sharing = Sharing(concurrency=2, concurrency_key="parameters.a", uses={"sap": 2}, rate=Rate(count=1, per_s=2))
    for one in (sharing, Sharing()):
        assert one == read(*(stored(one)[name] for name in ("concurrency", "concurrency_key", "uses", "rate")))
