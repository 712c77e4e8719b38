"""Expressions: what compiles, what is refused and why, and that none takes long."""

import time
from typing import Any

import pytest

from hub.services import expr

P = frozenset({"parameters"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("parameters.customer", "acme"),
        ("string(parameters.year) + '-' + parameters.customer.upperAscii()", "2026-ACME"),
        ("parameters.customer.substring(1, 3)", "cm"),
        ("parameters.lines.filter(line, line.sum > 5).size() > 1", False),
        ("has(parameters.nothing) ? 'yes' : 'no'", "no"),
        ("'a,b'.split(',').join('+')", "a+b"),
        ("' x '.trim() + 'abc'.replace('b', 'c')", None),
        ("parameters.customer.contains('cm') && parameters.customer.matches('^a')", True),
        ("'.map(' + 'x'", ".map(x"),
    ],
)
def test_an_expression_has_the_value_that_cel_gives_it(text: str, value: Any) -> None:
    found = expr.faults(text, "concurrency_key", P)
    if value is None:
        assert ["calls 'replace', which is unknown"] == [fault.message for fault in found]
        return
    assert [] == found
    given = {"customer": "acme", "year": 2026, "lines": [{"sum": 4}, {"sum": 7}]}
    assert value == expr.evaluate(text, {"parameters": given})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "is empty"),
        ("parameters.a +", "does not compile: at 15"),
        ("'" + "a" * 1001 + "'", "more than 1000"),
        ("task.number", "names 'task', which it is not given"),
        ("parameters.a.sleep(1)", "calls 'sleep', which is unknown"),
        ("parameters.a.map(x, x.map(y, y.map(z, z)))", "3 deep"),
        ("parameters.a.map(x,x).map(x,x).map(x,x).map(x,x).map(x,x)", "5 macros"),
        ("(" * 60 + "1" + ")" * 60, "brackets 60 deep"),
    ],
)
def test_what_cannot_stand_is_named_when_it_is_defined(text: str, message: str) -> None:
    found = expr.faults(text, "concurrency_key", P)
    assert message in found[0].message
    assert "concurrency_key" == found[0].field
    assert found[0].remedy


def test_all_unknown_names_are_told_at_once() -> None:
    found = expr.faults("one + two.nope()", "mapping", P)
    assert ["one", "two", "nope"] == [fault.message.split("'")[1] for fault in found]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("parameters.a", {"b": 1}),
        ("1 / parameters.a", {"a": 0}),
        ("parameters.a + 1", {"a": "x"}),
        ("parameters.a.substring(5)", {"a": "x"}),
        ("parameters.a.lowerAscii()", {"a": 3}),
        ("parameters.a", {"a": list(range(65))}),
        ("parameters.a", {"a": "x" * 70_000}),
        ("parameters.a", {str(one): [[0] * 60] * 60 for one in range(3)}),
        ("parameters.a[3] == 1", {"a": [1]}),
        ("parameters.a[-1]", {"a": [1]}),
        ("timestamp(parameters.a)", {"a": "2030-01-01T00:00:00Z"}),
        ("duration('1h')", {}),
        ("duration('99999999999999h')", {}),
        ("[b'abc']", {}),
        ("{'a': 1.0 / 0.0}", {}),
        ("0.0 / 0.0", {}),
    ],
)
def test_what_comes_to_no_value_says_so(text: str, given: dict[str, Any]) -> None:
    with pytest.raises(expr.ExpressionFailed):
        expr.evaluate(text, {"parameters": given})


def test_what_is_kept_compiled_has_the_same_value() -> None:
    kept = expr.Expression("parameters.a + 1")
    assert [2, 3] == [expr.Given({"parameters": {"a": one}}).value(kept) for one in (1, 2)]


def test_the_most_that_the_bounds_allow_takes_less_than_a_second() -> None:
    text = (
        "parameters.a.map(x, parameters.a.map(y, x == y)).size() + parameters.a.map(x, parameters.a.map(y, x)).size()"
    )
    assert [] == expr.faults(text, "key", P)
    began = time.process_time()
    expr.evaluate(text, {"parameters": {"a": ["x" * 100] * expr.LIST_MAX}})
    assert time.process_time() - began < 1
