"""Requests for a Python (bot-packages.md §3)."""

import pytest

from agent.wire.python_versions import admits, clauses, exact_version, floor_of


@pytest.mark.parametrize(
    ("request_", "yes", "no"),
    [
        ("3.11", ["3.11.0", "3.11.7"], ["3.1.1", "3.12.0", "3.110.0"]),
        ("3.11.7", ["3.11.7"], ["3.11.6", "3.11.70"]),
        ("cpython-3.12", ["3.12.4"], ["3.11.7"]),
        (">=3.10,<3.13", ["3.10.0", "3.12.9"], ["3.9.9", "3.13.0"]),
        ("~=3.10", ["3.10.1", "3.14.0"], ["3.9.1", "4.0.0"]),
        ("!=3.12, >3.10", ["3.11.0", "3.13.0"], ["3.12.1", "3.10.9"]),
        ("==3.11.*", ["3.11.3"], ["3.12.0"]),
        ("<=3.11", ["3.11.9", "3.8.0"], ["3.12.0"]),
        ("nonsense", [], ["3.11.7"]),
        ("", [], ["3.11.7"]),
    ],
)
def test_a_request_admits_what_it_says(request_: str, yes: list[str], no: list[str]) -> None:
    assert [] == [version for version in yes if not admits(request_, version)]
    assert [] == [version for version in no if admits(request_, version)]


def test_the_floor_is_where_resolving_begins() -> None:
    assert ["3.11", "3.11.7", "3.8", "3.12", None] == [
        floor_of(said) for said in ("3.11", "3.11.7", ">=3.8,<3.11", ">3.11", ">=4")
    ]


def test_what_cannot_be_read_is_nothing() -> None:
    assert (None, None) == (clauses("latest"), exact_version(">=3.11"))
