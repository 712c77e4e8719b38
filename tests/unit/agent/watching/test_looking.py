"""What is seen of a folder: which names are meant, what is in the way."""

import os
from pathlib import Path

import pytest

from agent.watching.looking import is_wanted, look_at, look_through
from agent.wire.watching import WatchedFolder


def wanted(folder: Path, **members: object) -> WatchedFolder:
    """It is watched."""
    values = {"trigger_id": "trg_" + "0" * 32, "revision": "0" * 16, "folder": str(folder), "pattern": "*", **members}
    return WatchedFolder.model_validate(values)


@pytest.mark.parametrize(
    ("name", "pattern", "is_meant"),
    [
        ("a.csv", "*", True),
        ("a.csv", "*.csv", True),
        ("a.csv.bak", "*.csv", False),
        ("order-7.xml", "order-[0-9].xml", True),
        (".hidden", "*", False),
        (".hidden", ".*", True),
        ("~$book.xlsx", "*", False),
        ("film.mkv.part", "*", False),
        ("film.mkv.PART", "*", False),
        ("film.mkv.part", "*.part", True),
        ("x.crdownload", "x*", False),
        ("x.tmp", "*.tmp", True),
    ],
)
def test_hidden_and_unfinished_files_are_meant_only_where_the_pattern_says_so(
    name: str, pattern: str, is_meant: bool
) -> None:
    assert is_meant is is_wanted(name, pattern)


def test_only_files_are_seen_and_folders_below_only_where_they_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b").touch()
    (tmp_path / "a").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert [str(tmp_path / "a")] == list(look_through(wanted(tmp_path)).files)
    look = look_through(wanted(tmp_path, recursive=True))
    assert {str(tmp_path / "a"), str(tmp_path / "below" / "b")} == set(look.files)
    assert {str(tmp_path), str(tmp_path / "below")} == set(look.folders)
    assert (tmp_path.stat().st_dev, "") == (look.device, look.trouble)


def test_a_glance_sees_nothing_outside_of_the_folders_that_were_looked_through(tmp_path: Path) -> None:
    inbox, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inbox, outside):
        folder.mkdir()
        (folder / "a").touch()
    (inbox / "link").symlink_to(outside)
    look = look_through(wanted(inbox, recursive=True))
    paths = [str(inbox / "a"), str(inbox / "link" / "a"), str(outside / "a"), str(inbox / "link"), str(inbox / "gone")]
    seen = look_at(paths, wanted(inbox, recursive=True), look.folders)
    assert [True, False, False, False, False] == [one.identity is not None for one in seen]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_says_so(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert look_through(wanted(closed)).trouble == f"{closed} can't be looked through: Permission denied"
    assert "closed can't be looked through" in look_through(wanted(tmp_path, recursive=True)).trouble
    (tmp_path / "secret").touch(mode=0)
    (glance,) = look_at([str(tmp_path / "secret")], wanted(tmp_path), {str(tmp_path): ()})
    assert "Permission denied" == glance.unreadable
