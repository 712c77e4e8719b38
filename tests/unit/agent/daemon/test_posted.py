"""Outputs that came by the gateway, on disk until the end (`bot-packages.md` §7)."""

from pathlib import Path

import pytest

from agent.daemon.posted import POSTED_MAX_BYTES, POSTED_NAME, keep_posted, read_posted
from agent.gateway_port import TooMuchSaidError
from agent.ports.files import SystemDisk


def kept(folder: Path) -> dict[str, str]:
    """What the file says."""
    return read_posted((folder / POSTED_NAME).read_bytes())


def test_the_later_of_a_name_counts(tmp_path: Path) -> None:
    """Appended, each post in one write."""
    keep_posted(tmp_path, SystemDisk(), {"a": "1", "b": "two\nlines ä"})
    keep_posted(tmp_path, SystemDisk(), {"a": "3"})
    assert {"a": "3", "b": "two\nlines ä"} == kept(tmp_path)
    assert 0o600 == (tmp_path / POSTED_NAME).stat().st_mode & 0o777


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_that_a_crash_tore_takes_no_other_along(tmp_path: Path, cut: int) -> None:
    """It was never answered; what stood before it and what comes behind it counts."""
    keep_posted(tmp_path, SystemDisk(), {"a": "1"})
    keep_posted(tmp_path, SystemDisk(), {"b": "2"})
    file = tmp_path / POSTED_NAME
    file.write_bytes(file.read_bytes()[:-cut])

    keep_posted(tmp_path, SystemDisk(), {"c": "3"})

    assert {"a": "1", "c": "3"} == {name: value for name, value in kept(tmp_path).items() if name != "b"}
    assert read_posted(b"") == {}
    assert read_posted(b'["a"]\n7\n{}\n["a", "1"]\n["torn') == {"a": "1"}


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    """G8: refused whole; what was kept stays."""
    keep_posted(tmp_path, SystemDisk(), {"a": "1"})
    with pytest.raises(TooMuchSaidError, match="has posted"):
        keep_posted(tmp_path, SystemDisk(), {"b": "x" * POSTED_MAX_BYTES})
    assert {"a": "1"} == kept(tmp_path)
