"""Declared parameters and the check of given ones: every fault at once (issue 2 part 7)."""

from typing import Any

import pytest

from hub.domain.parameters import Parameter, ParameterType, check, definition_faults, secret_names

MONTH = Parameter(name="month", required=True)
COUNT = Parameter(name="count", type=ParameterType.INTEGER, default=10)
RATE = Parameter(name="rate", type=ParameterType.NUMBER)
DRY = Parameter(name="dry", type=ParameterType.BOOLEAN)
EXTRA = Parameter(name="extra", type=ParameterType.JSON)
PIN = Parameter(name="pin", secret=True)
ALL = (MONTH, COUNT, RATE, DRY, EXTRA, PIN)


def test_defaults_are_filled_in_and_absent_names_stay_absent() -> None:
    result, faults = check(ALL, {"month": "2026-03"})

    assert not faults
    assert {"month": "2026-03", "count": 10} == result


def test_all_faults_are_told_at_once_each_with_its_remedy() -> None:
    _, faults = check(ALL, {"count": "7", "rate": True, "dry": 1, "pin": 1234, "mont": "x"})

    told = {fault.field: fault.message for fault in faults}
    assert {
        "parameters.mont": "unknown parameter",
        "parameters.month": "missing",
        "parameters.count": "is not an integer",
        "parameters.rate": "is not a number",
        "parameters.dry": "is not true or false",
        "parameters.pin": "is not a text",
    } == told
    assert all(fault.remedy for fault in faults)
    assert "1234" not in str(faults)


def test_an_automation_that_declares_nothing_takes_anything() -> None:
    given = {"anything": [1, {"x": None}]}

    assert (given, []) == check((), given)


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        (ParameterType.TEXT, ["", "x"], [1, None, True, ["x"]]),
        (ParameterType.INTEGER, [0, -5, 2**63 - 1], [1.0, "1", True, None, 2**63]),
        (ParameterType.NUMBER, [0, 1.5], ["1", False, None, float("inf")]),
        (ParameterType.BOOLEAN, [True, False], [0, "true", None]),
        (ParameterType.JSON, [None, 1, "x", [], {}], []),
    ],
)
def test_nothing_is_converted(wanted: ParameterType, good: list[Any], bad: list[Any]) -> None:
    declared = (Parameter(name="p", type=wanted),)

    assert [] == [value for value in good if check(declared, {"p": value})[1]]
    assert [] == [value for value in bad if not check(declared, {"p": value})[1]]


def test_parameters_fit_a_start_message() -> None:
    """`agent.wire.limits.PARAMETERS_MAX_BYTES`: a `Start` carries them in one frame."""
    assert not check((), {"p": "x" * 200_000})[1]
    assert ["parameters"] == [fault.field for fault in check((), {"p": "x" * 300_000})[1]]


@pytest.mark.parametrize(
    ("one", "field"),
    [
        (Parameter(name=""), "name"),
        (Parameter(name="1st"), "name"),
        (Parameter(name="a b"), "name"),
        (Parameter(name="x" * 65), "name"),
        (Parameter(name="p", type=ParameterType.INTEGER, default="7"), "default"),
        (Parameter(name="p", required=True, default="x"), "default"),
        (Parameter(name="p", secret=True, default="hunter2"), "default"),
    ],
)
def test_a_declaration_that_can_not_stand_is_refused(one: Parameter, field: str) -> None:
    faults = definition_faults((MONTH, one))

    assert [f"parameters.1.{field}"] == [fault.field for fault in faults]
    assert "hunter2" not in str(faults)


def test_names_differ_by_more_than_case() -> None:
    """Each becomes ``BOTYARD_PARAM_<NAME>``, in capitals."""
    faults = definition_faults((Parameter(name="Month"), Parameter(name="month")))

    assert ["parameters.1.name"] == [fault.field for fault in faults]


def test_secret_parameters_are_known_by_name() -> None:
    assert ("pin",) == secret_names(ALL)


def test_a_declaration_has_an_end() -> None:
    assert "parameters" in [fault.field for fault in definition_faults([Parameter(name=f"p{n}") for n in range(201)])]
