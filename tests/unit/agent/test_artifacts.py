"""Which files of a bot are collected (`bot-packages.md` §6, S38)."""

import os
from pathlib import Path

import pytest

from agent import artifacts
from agent.artifacts import find_files


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
    found, left_out = find_files([inside, tmp_path / "not there"])

    # then
    assert [(file.name, file.size_bytes) for file in found] == [("a", 1), ("b/c.txt", 2)]
    assert left_out == []


def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G5: nothing is dropped in silence, and nothing is without bound (G8)."""
    monkeypatch.setattr(artifacts, "ARTIFACT_MAX_BYTES", 3)
    monkeypatch.setattr(artifacts, "ARTIFACTS_MAX", 2)
    for name in "abcd":
        (tmp_path / name).write_text("1234" if name == "a" else "1")
    found, left_out = find_files([tmp_path])
    assert [file.name for file in found] == ["b", "c"]
    assert left_out == ["a: larger than 3 bytes", "d: more than 2 files"]
