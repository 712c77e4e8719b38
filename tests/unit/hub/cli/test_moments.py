"""Moments as people type them."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from hub.cli.moments import coming, past

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ahead"), [("+90s", timedelta(seconds=90)), ("+2h", timedelta(hours=2)), ("+3d", timedelta(days=3))]
)
def test_a_length_counts_from_now(text: str, ahead: timedelta) -> None:
    assert NOW + ahead == coming(text, "--not-before", NOW)
    assert NOW - ahead == past(text[1:], "--since", NOW)


def test_a_moment_without_an_offset_is_local_time() -> None:
    local = datetime(2031, 2, 3, 4, 5).astimezone()
    assert local == coming("2031-02-03T04:05", "--not-before", NOW)
    assert datetime(2031, 2, 3, 4, 5, tzinfo=UTC) == coming("2031-02-03T04:05Z", "--not-before", NOW)
    today = NOW.astimezone().replace(hour=8, minute=30, second=0, microsecond=0)
    assert today == coming("8:30", "--not-before", NOW)


@pytest.mark.parametrize("text", ["tomorrow", "", "25:00", "2031-13-01", "+2", "9" * 400, "2h"])
def test_anything_else_is_refused_with_the_forms_that_can_be_read(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"say 2026-03-31, .* or \+2h"):
        coming(text, "--not-before", NOW)
