"""Which files of a bot are collected (`bot-packages.md` §6, S38)."""

import os
from pathlib import Path

import pytest

from agent import artifacts
from agent.artifacts import NOT_A_FOLDER, find_files
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
    found, left_out = find_files(tmp_path, [inside, tmp_path / "not there"])

    # then
    assert [(file.name, file.size_bytes) for file in found] == [("a", 1), ("b/c.txt", 2)]
    assert left_out == [f"{name}: {NOT_REGULAR}" for name in ("folder", "link", "pipe")]


def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G5: nothing is dropped in silence, and nothing is without bound (G8)."""
    monkeypatch.setattr(artifacts, "ARTIFACT_MAX_BYTES", 3)
    monkeypatch.setattr(artifacts, "ARTIFACTS_MAX", 2)
    for name in "abcd":
        (tmp_path / name).write_text("1234" if name == "a" else "1")
    found, left_out = find_files(tmp_path, [tmp_path])
    assert [file.name for file in found] == ["b", "c"]
    assert left_out == ["a: larger than 3 bytes", "d: more than 2 files"]


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    """S38: neither the folder itself nor one on the way to it may lead out."""
    # given
    root, outside = tmp_path / "exe", tmp_path / "outside"
    (outside / "out").mkdir(parents=True)
    (outside / "out" / "secret").write_text("x")
    root.mkdir()
    (root / "artifacts").symlink_to(outside)

    # when
    found, left_out = find_files(root, [root / "artifacts", root / "artifacts" / "out"])

    # then
    assert found == []
    assert left_out == [f"artifacts: {NOT_A_FOLDER}", f"out: {NOT_A_FOLDER}"]


def test_a_file_that_becomes_a_link_before_it_is_sent_is_not_followed(tmp_path: Path) -> None:
    """S38: what is opened is what was found, or nothing."""
    # given
    (tmp_path / "a").write_text("x")
    (file,), _ = find_files(tmp_path, [tmp_path])

    # when
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to("/etc/hostname")

    # then
    with pytest.raises(OSError, match=r"ymbolic|regular"):
        file.open()
