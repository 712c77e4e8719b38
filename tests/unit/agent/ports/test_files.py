"""The disk port keeps its table of promises (agent/ports/files.py); core.md D1 rests on `link_exclusive`."""

import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.ports.files import SystemDisk

DISK = SystemDisk()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files and folders that were synced, in order; the real calls happen too."""
    seen: list[str] = []
    real_sync, real_data = os.fsync, os.fdatasync

    def name_of(fd: int) -> str:
        return Path(f"/proc/self/fd/{fd}").readlink().name

    def fsync(fd: int) -> None:
        seen.append(name_of(fd))
        real_sync(fd)

    def fdatasync(fd: int) -> None:
        seen.append(f"{name_of(fd)} (data)")
        real_data(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "fdatasync", fdatasync)
    return seen


def names(folder: Path) -> list[str]:
    """What stands in the folder, hidden drafts included."""
    return sorted(entry.name for entry in folder.iterdir())


def test_a_folder_is_made_with_its_parents_and_each_parent_is_synced(tmp_path: Path, synced: list[str]) -> None:
    """Core.md D1: the daemon makes the execution's folder (0700) and fsyncs its parent before the hand-over."""
    DISK.make_folder(tmp_path / "executions" / "exe_1")

    assert 0o700 == stat.S_IMODE((tmp_path / "executions" / "exe_1").stat().st_mode)
    assert [tmp_path.name, "executions"] == synced


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path, synced: list[str]) -> None:
    tmp_path.chmod(0o755)

    DISK.make_folder(tmp_path)

    assert 0o755 == stat.S_IMODE(tmp_path.stat().st_mode)
    assert [] == synced


def test_a_durable_write_syncs_the_draft_then_the_folder(tmp_path: Path, synced: list[str]) -> None:
    """Nobody sees a half-written file, and the new name is durable when the call returns."""
    DISK.write_durable(tmp_path / "epoch", b"1")
    DISK.write_durable(tmp_path / "epoch", b"2")

    assert b"2" == DISK.read(tmp_path / "epoch")
    assert ["epoch"] == names(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / "epoch").stat().st_mode)
    first, second = synced[0], synced[1]
    assert first.startswith(".epoch.")
    assert second == tmp_path.name


def test_a_durable_write_that_fails_leaves_the_old_content_and_no_draft(tmp_path: Path) -> None:
    """A folder in the way makes the rename fail after the draft was finished."""
    target = tmp_path / "epoch"
    target.mkdir()

    with pytest.raises(OSError, match="epoch"):
        DISK.write_durable(target, b"2")

    assert ["epoch"] == names(tmp_path)


def test_the_first_link_wins_and_the_second_is_told_by_content(tmp_path: Path) -> None:
    """Core.md D1: the winner is told by reading `verdict` back, never by link's return code."""
    verdict = tmp_path / "verdict"

    first = DISK.link_exclusive(verdict, b"started nonce-1")
    second = DISK.link_exclusive(verdict, b"void nonce-2")

    assert b"started nonce-1" == first == second == verdict.read_bytes()
    assert ["verdict"] == names(tmp_path)


def test_the_loser_of_a_link_syncs_the_folder_too(tmp_path: Path, synced: list[str]) -> None:
    """Core.md D1: who reads a verdict that another wrote fsyncs the folder before acting on it."""
    (tmp_path / "verdict").write_bytes(b"started")

    DISK.link_exclusive(tmp_path / "verdict", b"void")

    assert tmp_path.name == synced[-1]


def test_of_many_that_link_at_once_exactly_one_wins(tmp_path: Path) -> None:
    """Core.md D1: shim and daemon may link at the same moment; all of them read the same winner."""
    verdict = tmp_path / "verdict"
    count = 16
    gate = threading.Barrier(count)
    answers: list[bytes] = []

    def contend(nonce: int) -> None:
        gate.wait()
        answers.append(DISK.link_exclusive(verdict, b"%d" % nonce))

    threads = [threading.Thread(target=contend, args=(nonce,)) for nonce in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert count == len(answers)
    assert {verdict.read_bytes()} == set(answers)
    assert ["verdict"] == names(tmp_path)


def test_whoever_was_there_at_the_last_moment_keeps_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Core.md D1: the call itself excludes; a look before it would miss who comes between the two."""
    verdict = tmp_path / "verdict"

    def after_another(real: Callable[..., None]) -> Callable[..., None]:
        def act(source: Path, target: Path, **more: Any) -> None:
            verdict.write_bytes(b"theirs")
            real(source, target, **more)

        return act

    for name in ("link", "rename", "replace"):
        monkeypatch.setattr(os, name, after_another(getattr(os, name)))

    assert b"theirs" == DISK.link_exclusive(verdict, b"mine")
    assert b"theirs" == verdict.read_bytes()
    assert ["verdict"] == names(tmp_path)


def test_a_link_into_a_missing_folder_is_an_error_not_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DISK.link_exclusive(tmp_path / "gone" / "verdict", b"started")


def test_reading_a_missing_file_is_none(tmp_path: Path) -> None:
    assert DISK.read(tmp_path / "nothing") is None


def test_an_append_file_grows_and_is_seen_at_once_by_others(tmp_path: Path, synced: list[str]) -> None:
    """Segments are followed by another process while they grow; a new one's name is durable from the start."""
    path = tmp_path / "1.seg"
    file = DISK.open_append(path)

    file.write(b"abc")
    seen_before_sync = path.read_bytes()
    file.sync()
    file.close()
    file.close()

    assert b"abc" == seen_before_sync
    assert [tmp_path.name, "1.seg (data)"] == synced
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_an_append_file_goes_on_at_its_end_and_can_be_cut(tmp_path: Path) -> None:
    """After a crash the torn end is cut, and writing goes on there."""
    path = tmp_path / "1.seg"
    path.write_bytes(b"whole|torn")
    file = DISK.open_append(path)
    assert 10 == file.size

    file.truncate(6)
    file.write(b"next")

    assert 10 == file.size
    file.close()
    assert b"whole|next" == path.read_bytes()


def test_a_read_only_tree_is_removed(tmp_path: Path) -> None:
    """A build's tree is read-only; links out of it are removed, what they point to stays."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_bytes(b"x")
    (tree / "link").symlink_to(outside)
    (tree / "sub" / "file").chmod(0o400)
    (tree / "sub").chmod(0o500)
    tree.chmod(0o500)

    DISK.remove_tree(tree)
    DISK.remove_tree(tree)

    assert ["outside"] == names(tmp_path)
    assert 0o755 == stat.S_IMODE(outside.stat().st_mode)


def test_a_tree_that_vanishes_meanwhile_is_removed_all_the_same(tmp_path: Path) -> None:
    """A shim takes its socket away while the daemon removes the folder: both wanted it gone."""
    for _ in range(5):
        tree = tmp_path / "tree"
        tree.mkdir()
        names = [tree / str(number) for number in range(1500)]
        for name in names:
            name.touch()
        other = threading.Thread(target=_unlink, args=(names[::-1],))
        other.start()
        DISK.remove_tree(tree)
        other.join()
        assert not tree.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="made by descriptor")
def test_a_tree_that_is_deeper_than_any_path_may_be_is_removed(tmp_path: Path) -> None:
    """A bot may nest folders for ever; that must cost no recursion, and no descriptor for each of them."""
    tree = tmp_path / "tree"
    tree.mkdir()
    folder = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    DISK.remove_tree(tree)
    assert not tree.exists()


def _unlink(names: list[Path]) -> None:
    for name in names:
        name.unlink(missing_ok=True)
