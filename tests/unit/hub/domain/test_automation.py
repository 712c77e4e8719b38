"""Definitions of automations (`design.md` §1)."""

import dataclasses
from typing import Any

import pytest

from agent.wire.words import Outcome
from hub.domain.automation import Definition, faults_of
from hub.domain.parameters import Parameter
from hub.domain.retry import RetryPolicy

GOOD = Definition(label="invoices", bot="invoices")


def test_a_label_and_a_bot_are_enough() -> None:
    assert [] == faults_of(GOOD)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "a/b"}, "label"),
        ({"label": "../x"}, "label"),
        ({"label": "pagination"}, "label"),
        ({"label": "x" * 129}, "label"),
        ({"priority": 11}, "priority"),
        ({"priority": -1}, "priority"),
        ({"lost_after_s": 119}, "lost_after_s"),
        ({"run_limit_s": 0}, "run_limit_s"),
        ({"retry": RetryPolicy(attempts=0)}, "retry.attempts"),
        ({"retry": RetryPolicy(attempts=2, on=frozenset({Outcome.CANCELED}))}, "retry.on"),
        ({"needs": {"os": ""}}, "needs.os"),
        ({"needs": {f"n{n}": "1" for n in range(33)}}, "needs"),
        ({"parameters": (Parameter(name=""),)}, "parameters.0.name"),
    ],
)
def test_what_can_not_stand_is_named(change: dict[str, Any], field: str) -> None:
    assert [field] == [fault.field for fault in faults_of(dataclasses.replace(GOOD, **change))]


def test_all_faults_of_a_definition_are_told_at_once() -> None:
    bad = dataclasses.replace(GOOD, label="", priority=99, run_limit_s=0)

    assert ["label", "priority", "run_limit_s"] == [fault.field for fault in faults_of(bad)]
