"""A Robocorp robot's output among its artifacts, as its author expects (bot-packages.md §4)."""

from pathlib import Path

import pytest

from agent.output import Follower
from agent.output_copies import copies_folder, copy_output
from agent.ports.files import SystemDisk
from agent.segment_writer import SegmentWriter
from agent.segments import Stream
from agent.wire.task import BuildReference, Launch, TaskSnapshot, Work
from agent.wire.words import Kind
from tests.support.clock import START


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An execution whose robot has printed two lines and one error, in segments of 200 bytes."""
    folder = tmp_path / "exe"
    (folder / "output").mkdir(parents=True)
    (folder / "work" / "output").mkdir(parents=True)
    writer = SegmentWriter(folder=folder / "output", disk=SystemDisk(), cap_bytes=1024 * 1024, segment_bytes=200)
    writer.open()
    for stream, text in ((Stream.STDOUT, b"one\n" * 40), (Stream.STDERR, b"oh\n"), (Stream.STDOUT, b"two\n")):
        writer.append(stream, text, 7_000_000, 0)
    writer.close(0)
    return folder


def test_each_stream_has_its_file_and_doing_it_again_changes_nothing(folder: Path) -> None:
    target = folder / "work" / "output"
    for _ in range(2):
        copy_output(folder, target)

    assert (b"one\n" * 40 + b"two\n", b"oh\n") == tuple(
        (target / name).read_bytes() for name in ("stdout.log", "stderr.log")
    )
    assert {"output", "work"} == {path.name for path in folder.iterdir()}


def test_what_the_hub_has_already_is_named(folder: Path) -> None:
    """Segments that were acknowledged are gone; nothing is left out in silence (G5)."""
    follower = Follower(folder / "output")
    follower.delete_before(160)
    follower.close()

    copy_output(folder, folder / "work" / "output")

    said = (folder / "work" / "output" / "stdout.log").read_bytes()
    assert said.startswith(b"[160 bytes are not here: see the task's output]\n")
    assert said.endswith(b"two\n")


def test_no_link_is_followed_and_no_file_of_the_robots_replaced(folder: Path, tmp_path: Path) -> None:
    """S38: a robot may leave anything where its output is copied to."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    target = folder / "work" / "output"
    (target / "stdout.log").symlink_to(outside)
    (target / "stderr.log").write_text("the robot's own")

    copy_output(folder, target)
    target.rename(folder / "work" / "moved")
    target.symlink_to(tmp_path)
    copy_output(folder, target)

    assert ("mine", "the robot's own") == (outside.read_text(), (folder / "work/moved/stderr.log").read_text())
    assert not (tmp_path / "stderr.log").exists()


@pytest.mark.parametrize(("kind", "artifacts", "kept"), [
    (Kind.ROBOCORP, "output", True), (Kind.ROBOCORP, "", False), (Kind.PYTHON, "output", False),
])  # fmt: skip
def test_only_robocorps_robots_have_them(tmp_path: Path, kind: Kind, artifacts: str, *, kept: bool) -> None:
    launch = Launch(kind=kind, entry="x", artifacts=artifacts)
    build = BuildReference(build_id="bld_" + "1" * 32, digest="0" * 64, bot="b", version="1", launch=launch)
    task = TaskSnapshot(
        number=1, round=1, workspace="w", automation="a", automation_name="a", bot="b", parameters={},
        priority=0, state="running", created_at=START,
    )  # fmt: skip

    assert (tmp_path / "work" / artifacts if kept else None) == copies_folder(tmp_path, Work(build=build, task=task))
    assert copies_folder(tmp_path, None) is None
