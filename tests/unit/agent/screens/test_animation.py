"""A recording grows frame by frame, plays at each moment, is gone on with after a crash, and is bounded."""

import os
import random
from pathlib import Path

import pytest

from agent.desktops.port import Frame
from agent.screens.animation import STILL_MAX_S, Animation, AnimationFullError, TornError
from agent.screens.png import END, header
from tests.support.pictures import BLUE, dotted, plain, read_pictures

FIRST = plain()
SECOND = dotted(FIRST, (3, 4))
THIRD = dotted(SECOND, (20, 20), (25, 22), colour=BLUE)


def recorded(path: Path) -> Animation:
    """Three frames, half a second and two seconds apart."""
    made = Animation.begin(path, FIRST, 10.0)
    made.add(SECOND, 10.5)
    made.add(THIRD, 12.5)
    return made


def test_it_plays_what_was_seen_for_as_long_as_it_was(tmp_path: Path) -> None:
    """Each frame whole, with its time; one that stays for an hour is shown for some seconds."""
    path = tmp_path / "recording.png"
    made = recorded(path)
    assert not made.add(THIRD, 13.0)
    made.add(FIRST, 3612.5)
    made.close(3613.5)
    shown = read_pictures(path.read_bytes())
    assert [one.frame for one in shown] == [FIRST, SECOND, THIRD, FIRST]
    assert [one.shown_s for one in shown] == [0.5, 2.0, STILL_MAX_S, 1.0]
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_plays_at_each_moment(tmp_path: Path) -> None:
    """Whoever copies the file while it grows has a whole one."""
    path = tmp_path / "recording.png"
    made = Animation.begin(path, FIRST, 0.0)
    assert [one.frame for one in read_pictures(path.read_bytes())] == [FIRST]
    made.add(SECOND, 1.0)
    assert [one.frame for one in read_pictures(path.read_bytes())] == [FIRST, SECOND]
    made.close()


def test_only_what_changed_is_stored(tmp_path: Path) -> None:
    """A pixel more in a picture of a million costs some hundred bytes."""
    path = tmp_path / "recording.png"
    large = plain(1280, 720)
    made = Animation.begin(path, large, 0.0)
    before = path.stat().st_size
    made.add(dotted(large, (700, 300)), 0.5)
    made.close()
    assert path.stat().st_size - before < 200


@pytest.mark.parametrize("lost", [1, 11, 12, 13, 40, 70])
def test_a_torn_file_is_gone_on_with(tmp_path: Path, lost: int) -> None:
    """What was whole stays, what was torn goes, new frames follow; the first of them is a whole picture."""
    path = tmp_path / "recording.png"
    recorded(path).close()
    data = path.read_bytes()
    path.write_bytes(data[:-lost])
    again = Animation.go_on(path)
    kept = again.frames
    assert kept == (3 if lost <= len(END) else 2)
    assert [one.frame for one in read_pictures(path.read_bytes())] == [FIRST, SECOND, THIRD][:kept]
    again.add(SECOND, 100.0)
    again.close(101.0)
    assert [one.frame for one in read_pictures(path.read_bytes())] == [*[FIRST, SECOND, THIRD][:kept], SECOND]


def test_a_count_that_a_crash_left_behind_is_mended(tmp_path: Path) -> None:
    """The frame was written, the head was not told of it."""
    path = tmp_path / "recording.png"
    recorded(path).close()
    with path.open("r+b") as file:
        head = Animation.begin(tmp_path / "other.png", FIRST, 0.0)
        head.close()
        file.seek(33)
        file.write((tmp_path / "other.png").read_bytes()[33:53])
    Animation.go_on(path).close()
    assert len(read_pictures(path.read_bytes())) == 3


@pytest.mark.parametrize("content", [b"", b"text", bytes(100), b"\x89PNG\r\n\x1a\n" + bytes(60)])
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    """A bot of our own user may write anything there."""
    path = tmp_path / "recording.png"
    path.write_bytes(content)
    with pytest.raises(TornError):
        Animation.go_on(path)


@pytest.mark.parametrize("size", [(2**31, 2**31), (2**31, 1), (0, 30), (40, 0)])
def test_a_head_with_a_size_of_no_desktop_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    """Pictures are made as large as it says: that many pixels have no room in memory."""
    path = tmp_path / "recording.png"
    recorded(path).close()
    with path.open("r+b") as file:
        file.seek(8)
        file.write(header(*size))
    with pytest.raises(TornError):
        Animation.go_on(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Its reader would wait for ever."""
    path = tmp_path / "recording.png"
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        Animation.go_on(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nothing is written where a link points to."""
    other, path = tmp_path / "other", tmp_path / "recording.png"
    other.write_bytes(b"mine")
    path.symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        Animation.begin(path, FIRST, 0.0)
    assert other.read_bytes() == b"mine"


def test_it_is_bounded(tmp_path: Path) -> None:
    """The frame that would be too much is refused, and what is there plays."""
    path = tmp_path / "recording.png"
    made = Animation.begin(path, FIRST, 0.0, max_bytes=500)
    made.add(SECOND, 1.0)
    made.add(FIRST, 2.0)
    noise = Frame(width=40, height=30, pixels=random.Random(0).randbytes(4800))
    with pytest.raises(AnimationFullError):
        made.add(noise, 3.0)
    made.close()
    assert path.stat().st_size <= 500
    assert len(read_pictures(path.read_bytes())) == 3


def test_another_size_is_shown_in_the_first_ones_frame(tmp_path: Path) -> None:
    """A desktop may change its size; the file can't: a larger picture is cut, around a smaller one it is black."""
    path = tmp_path / "recording.png"
    made = Animation.begin(path, plain(40, 30, BLUE), 0.0)
    made.add(plain(50, 60), 1.0)
    made.add(plain(10, 5), 2.0)
    made.close()
    _, large, small = read_pictures(path.read_bytes())
    assert large.frame == plain(40, 30)
    black = plain(40, 30, bytes(4))
    assert small.frame == dotted(black, *((x, y) for x in range(10) for y in range(5)), colour=plain().pixels[:4])
