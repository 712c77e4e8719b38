"""A temporary folder whose name leaves room for a unix socket below it (Chromium's SingletonSocket)."""

import sys
from pathlib import Path

import pytest

from agent.builds.short_tmp import drop_short, make_short, sweep

EXECUTION = "exe_01a2003cf08c74f89c281ce054b70fc0"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "executions" / EXECUTION
    (made / "tmp").mkdir(parents=True)
    return made


def test_what_is_written_there_lies_in_the_executions_folder(folder: Path) -> None:
    """S19: fresh and wiped with the execution, whatever it is called."""
    short = make_short(folder)
    (short / "x").write_text("kept below")
    assert (folder / "tmp" / "x").read_text() == "kept below"
    assert len(str(short)) + 30 < len(str(folder / "tmp"))
    assert short == make_short(folder)


def test_links_of_forgotten_executions_do_not_stay(folder: Path, tmp_path: Path) -> None:
    """A link goes with its execution, or at the next start of the daemon."""
    short = make_short(folder)
    drop_short(folder)
    assert not short.is_symlink()
    short = make_short(folder)
    sweep(tmp_path)
    assert short.is_symlink()
    (folder / "tmp").rmdir()
    sweep(tmp_path)
    assert not short.is_symlink()


def test_where_no_link_can_be_the_long_name_does(folder: Path, tmp_path: Path) -> None:
    """A bot without a browser needs no short name: it starts all the same."""
    (tmp_path / "t").write_text("in the way")
    assert make_short(folder) == folder / "tmp"
