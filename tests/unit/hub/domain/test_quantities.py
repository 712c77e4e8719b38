"""Times and sizes as people write them: what is read, what is refused by a sentence, what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.quantities import duration_text, read_count, read_duration, read_size, size_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("0", 0),
        (" 2H ", 7200),
        ("none", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    """`30m`, `2h`, `90s`, `none`; a bare number means nothing but for 0."""
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "2 weeks", "h2", "1h30", "-5s", "1m-2s", "1e3", "٣s2", "9s!", "null", "5", "1.5"]
)
def test_what_is_no_duration_is_named(text: str) -> None:
    """One sentence with what was written and what may be."""
    with pytest.raises(ValueError, match="is no duration") as fault:
        read_duration(text)
    assert repr(text) in str(fault.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 * 2**20), ("1.5G", 3 * 2**29), ("64MiB", 2**26), ("64mb", 2**26), ("4096", 4096), ("none", None)],
)
def test_sizes(text: str, size: int | None) -> None:
    """Binary units, as the kernel counts."""
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "12X", "-1M", "1 M M", "0x10"])
def test_what_is_no_size_is_named(text: str) -> None:
    """One sentence."""
    with pytest.raises(ValueError, match="is no size"):
        read_size(text)


@pytest.mark.parametrize("text", ["", "two", "1,5"])
def test_what_is_no_number_is_named(text: str) -> None:
    """One sentence."""
    with pytest.raises(ValueError, match="is no number"):
        read_count(text)


@given(st.integers(1, 10**8))
def test_a_shown_duration_reads_back(seconds: int) -> None:
    """What is shown can be written."""
    assert read_duration(duration_text(seconds)) == seconds


def test_what_is_shown() -> None:
    """Short, with units."""
    assert [duration_text(one) for one in (None, 0.5, 90, 5400, 90061)] == [
        "none",
        "0.5s",
        "1m 30s",
        "1h 30m",
        "1d 1h 1m 1s",
    ]
    assert [size_text(one) for one in (None, 12, 2**26, 3 * 2**39)] == ["none", "12 bytes", "64.0 MiB", "1536.0 GiB"]
