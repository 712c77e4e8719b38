"""Plans: who comes first, what differs, and a name that changes with them."""

from collections.abc import Collection
from typing import Any

import pytest

from hub.domain.documents.plan import (
    HIDDEN,
    Action,
    DocumentKind,
    Plan,
    State,
    Step,
    Thing,
    brief,
    differences,
    in_order,
    plan_of,
)

QUEUE, TRIGGER, CALENDAR = DocumentKind.QUEUE, DocumentKind.TRIGGER, DocumentKind.CALENDAR


def told(old: dict[str, Any], new: dict[str, Any], hidden: Collection[str] = ()) -> dict[str, tuple[Any, Any]]:
    """(old, new) by member."""
    changes = differences(State(members=old, hidden=hidden), State(members=new))
    return {one.member: (one.old, one.new) for one in changes}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": (1, 2)}),
        ({"a": 1}, {"a": True}, {"a": (1, True)}),
        ({"a": 1}, {"a": 1.0}, {"a": (1, 1.0)}),
        ({"a": None}, {}, {}),
        ({"a": 1}, {}, {"a": (1, None)}),
        ({}, {"a": 1}, {"a": (None, 1)}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a.c": (2, 3)}),
        ({"a": {"b": 1}}, {"a": {}}, {"a.b": (1, None)}),
        ({"a": {"b": 1}}, {"a": None}, {"a": ({"b": 1}, None)}),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, {"a": ([1, {"b": 2}], [1, {"b": 3}])}),
    ],
)
def test_what_differs_is_told_member_by_member(
    old: dict[str, Any], new: dict[str, Any], changes: dict[str, tuple[Any, Any]]
) -> None:
    assert repr(changes) == repr(told(old, new))


def test_a_hidden_value_is_compared_and_not_shown() -> None:
    old = {"parameters": {"pin": "1", "month": "3"}}
    assert {} == told(old, old, hidden=["parameters.pin"])
    changed = told(old, {"parameters": {"pin": "2", "month": "3"}}, hidden=["parameters.pin"])
    assert {"parameters.pin": (HIDDEN, HIDDEN)} == changed
    assert {"parameters.pin": (HIDDEN, None)} == told(old, {"parameters": {"month": "3"}}, hidden=["parameters.pin"])


def test_what_is_usual_is_left_out() -> None:
    usual = {"a": 1, "b": {"c": 2, "d": 3}, "e": None, "f": {}}
    assert {} == brief(usual, usual)
    assert {"b": {"d": 4}, "f": {"x": 1}} == brief({"a": 1, "b": {"c": 2, "d": 4}, "e": None, "f": {"x": 1}}, usual)
    assert {"e": {"c": 2}, "g": None} == brief({"e": {"c": 2}, "g": None}, usual)


def test_what_is_needed_comes_first_whatever_the_order() -> None:
    needs: dict[Thing, list[Thing]] = {
        (TRIGGER, "t"): [(QUEUE, "a"), (CALENDAR, "c"), (QUEUE, "elsewhere")],
        (QUEUE, "a"): [(QUEUE, "b")],
        (QUEUE, "b"): [(QUEUE, "c")],
        (QUEUE, "c"): [],
        (CALENDAR, "c"): [],
    }
    for turned in (needs, dict(reversed(needs.items()))):
        order, circle = in_order(turned)
        assert ((), set(needs)) == (circle, set(order))
        for thing, needed in needs.items():
            assert all(order.index(one) < order.index(thing) for one in needed if one in needs)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_circle_is_found(size: int) -> None:
    needs: dict[Thing, list[Thing]] = {(QUEUE, str(one)): [(QUEUE, str((one + 1) % size))] for one in range(size)}
    order, circle = in_order({**needs, (CALENDAR, "c"): []})
    assert set(needs) == set(circle)
    assert (CALENDAR, "c") == order[0]


def test_a_plans_name_is_that_of_what_it_does() -> None:
    def step(label: str, action: Action = Action.CREATE) -> Step:
        return Step(index=0, kind=QUEUE, label=label, action=action)

    one = plan_of([step("a"), step("b")])
    assert one == plan_of([step("b"), step("a")])
    names = {one.digest, plan_of([step("a")]).digest, plan_of([step("a"), step("b", Action.UNCHANGED)]).digest}
    names.add(Plan(steps=()).digest)
    assert 4 == len(names)


@pytest.mark.parametrize("new", [{"cred": {}}, {"cred": {"user": "u"}}, {}, None])
def test_nothing_of_a_hidden_object_is_shown(new: Any) -> None:
    changed = told({"parameters": {"cred": {"user": "u", "pin": "hunter2"}}}, {"parameters": new}, ["parameters.cred"])
    assert changed
    assert "hunter2" not in repr(changed)


def test_plans_of_other_documents_have_other_names() -> None:
    step = Step(index=0, kind=QUEUE, label="orders", action=Action.CREATE)
    assert plan_of([step], "one").digest != plan_of([step], "two").digest
