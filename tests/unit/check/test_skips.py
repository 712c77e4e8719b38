"""CI fails on a skip that no list names, and with the PostgreSQL wheel on every PostgreSQL skip (issue 2, part 1)."""

import pytest

from tests.check.skips import LIST, Result, forbidden, parse

ALLOWED = parse(
    "# comment\n\nno browser* | not-ci | people may lack one\nno PostgreSQL* | anywhere | no wheel for it\n"
)


def skipped(reason: str, engine: str | None = None) -> Result:
    return Result(test="tests/test_x.py::test_x", engine=engine, outcome="skipped", reason=reason)


@pytest.mark.parametrize(
    ("result", "has_postgres", "in_ci", "is_forbidden"),
    [
        (skipped("too lazy"), False, False, True),
        (skipped("no browser found"), False, False, False),
        (skipped("no browser found"), False, True, True),
        (skipped("no PostgreSQL here", "postgres"), False, True, False),
        (skipped("no PostgreSQL here", "postgres"), True, False, True),
        (Result(test="t", engine="postgres", outcome="passed", reason=""), True, True, False),
        (Result(test="t", engine=None, outcome="failed", reason="too lazy"), True, True, False),
    ],
)
def test_only_listed_reasons_excuse_a_test(result: Result, has_postgres: bool, in_ci: bool, is_forbidden: bool) -> None:
    found = forbidden([result], ALLOWED, has_postgres=has_postgres, in_ci=in_ci)

    assert is_forbidden == (found == [result])


def test_a_line_without_a_reason_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="not an allowed skip"):
        parse("no browser* | not-ci | ")


def test_the_list_itself_can_be_read() -> None:
    assert parse(LIST.read_text())
