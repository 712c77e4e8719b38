"""Which files of a bot are collected (`bot-packages.md` §6, S38)."""

import os
from pathlib import Path

import pytest

from agent.artifacts.walking import LEFT_OUT_MAX, NOT_A_FOLDER, Bounds, LeftOut, find_files
from agent.bot_files import NOT_REGULAR


def test_regular_files_by_relative_name_without_following_links(tmp_path: Path) -> None:
    """S38: no symlink following."""
    # given
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    inside = tmp_path / "artifacts"
    (inside / "b").mkdir(parents=True)
    (inside / "b" / "c.txt").write_text("12")
    (inside / "a").write_text("1")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "folder").symlink_to(outside)
    os.mkfifo(inside / "pipe")

    # when
    found = find_files(tmp_path, [inside, tmp_path / "not there"])

    # then
    assert [(file.name, file.size_bytes) for file in found.files] == [("a", 1), ("b/c.txt", 2)]
    assert found.left_out.lines() == tuple(f"{name}: {NOT_REGULAR}" for name in ("folder", "link", "pipe"))


def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path) -> None:
    """G5: nothing is dropped in silence, and nothing is without bound (G8)."""
    # given
    for name in "abcde":
        (tmp_path / name).write_text({"a": "1234", "c": "123"}.get(name, "1"))

    # when
    found = find_files(tmp_path, [tmp_path], bounds=Bounds(file_bytes=3, files=2, total_bytes=3))

    # then
    assert [file.name for file in found.files] == ["b", "d"]
    assert found.left_out.lines() == (
        "a: larger than 3 bytes",
        "c: all files together have more than 3 bytes",
        "e: more than 2 files",
    )


def test_a_flood_of_names_is_not_looked_at_for_ever(tmp_path: Path) -> None:
    """G8: bounded in time too, and it says so."""
    for number in range(6):
        (tmp_path / f"{number}.txt").touch()
    found = find_files(tmp_path, [tmp_path], bounds=Bounds(entries=4))
    assert len(found.files) == 4
    assert found.left_out.lines() == (f"{tmp_path.name}: more than 4 entries; the rest was not looked at",)


def test_many_left_out_files_are_counted() -> None:
    """G5, G8: they travel in one fact."""
    left_out = LeftOut()
    for number in range(LEFT_OUT_MAX + 50):
        left_out.add(f"{number}: too large")
    assert len(left_out.lines()) == LEFT_OUT_MAX
    assert left_out.lines()[-1] == "and 51 more"


def test_two_files_of_one_name_both_come(tmp_path: Path) -> None:
    """bot-packages.md §6: the kind's own folder beside `BOTYARD_ARTIFACTS`; masking must not merge two files either."""
    # given
    for folder in ("artifacts", "output"):
        (tmp_path / folder).mkdir()
        for name in ("log.html", "hunter2.txt", "hunter3.txt"):
            (tmp_path / folder / name).write_text(folder)

    # when
    folders = [tmp_path / "artifacts", tmp_path / "output", tmp_path / "artifacts"]
    found = find_files(tmp_path, folders, lambda text: text.replace("hunter2", "***").replace("hunter3", "***"))

    # then
    assert [file.name for file in found.files] == [
        *("***.txt", "artifacts/***.txt", "log.html"),
        *("output/***.txt", "output/*** (2).txt", "output/log.html"),
    ]


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    """S38: neither the folder itself nor one on the way to it may lead out."""
    # given
    root, outside = tmp_path / "exe", tmp_path / "outside"
    (outside / "out").mkdir(parents=True)
    (outside / "out" / "secret").write_text("x")
    root.mkdir()
    (root / "artifacts").symlink_to(outside)

    # when
    found = find_files(root, [root / "artifacts", root / "artifacts" / "out"])

    # then
    assert found.files == []
    assert found.left_out.lines() == (f"artifacts: {NOT_A_FOLDER}", f"out: {NOT_A_FOLDER}")


def test_a_file_that_becomes_a_link_before_it_is_sent_is_not_followed(tmp_path: Path) -> None:
    """S38: what is opened is what was found, or nothing."""
    # given
    (tmp_path / "a").write_text("x")
    (file,) = find_files(tmp_path, [tmp_path]).files

    # when
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to("/etc/hostname")

    # then
    with pytest.raises(OSError, match=r"ymbolic|regular"):
        file.open()
