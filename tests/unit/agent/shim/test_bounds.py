"""When a bot is looked at, and what is said of a bound that it exceeds (S20)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.shim.bounds import Bounds, Seen, excess_of, next_look_s, size_text
from agent.shim.measure import SLICE_ENTRIES, disk_used, walk

MIB = 2**20
ALL = Bounds(memory_bytes=64 * MIB, processes=20, cpu_seconds=2.5, disk_bytes=10 * MIB)


@pytest.mark.parametrize(
    ("seen", "text", "is_urgent"),
    [
        (Seen(memory_bytes=65 * MIB), "it used 65.0 MiB of memory, 64.0 MiB are allowed", True),
        (Seen(oom_kills=1), "the memory limit of 64.0 MiB was reached and the system killed part of it", True),
        (Seen(processes=21), "it had 21 processes and threads, 20 are allowed", True),
        (Seen(refused_forks=4), "it wanted more processes and threads, 20 are allowed", True),
        (Seen(cpu_seconds=2.61), "it used 2.6 s of CPU time, 2.5 s are allowed", False),
        (Seen(disk_bytes=11 * MIB), "it wrote 11.0 MiB to its folder, 10.0 MiB are allowed", False),
        (Seen(disk_bytes=21 * MIB), "it wrote 21.0 MiB to its folder, 10.0 MiB are allowed", True),
        # What endangers the machine is told first.
        (Seen(disk_bytes=11 * MIB, processes=99), "it had 99 processes and threads, 20 are allowed", True),
    ],
)
def test_what_is_exceeded_is_said(seen: Seen, text: str, *, is_urgent: bool) -> None:
    """Which limit, how much was allowed, what was seen; memory and processes end it at once."""
    found = excess_of(ALL, seen)
    assert found is not None
    assert (found.text, found.is_urgent) == (text, is_urgent)


def test_exactly_what_is_allowed_is_allowed() -> None:
    """A bound is the most that may be."""
    assert excess_of(ALL, Seen(memory_bytes=64 * MIB, processes=20, cpu_seconds=2.5, disk_bytes=10 * MIB)) is None


@given(st.integers(0, 2**50), st.integers(0, 2**20), st.floats(0, 1e9), st.integers(0, 2**50))
def test_nothing_bounded_is_never_exceeded(memory: int, processes: int, cpu_s: float, disk: int) -> None:
    """None is no bound, whatever is seen."""
    seen = Seen(memory_bytes=memory, processes=processes, cpu_seconds=cpu_s, disk_bytes=disk, oom_kills=1)
    assert excess_of(Bounds(), seen) is None
    assert not Bounds().is_set


@given(st.floats(0, 2), st.integers(0, 50), st.floats(0, 0.5))
def test_looks_are_neither_rare_nor_busy(share: float, looks: int, took_s: float) -> None:
    """At most a second apart unless looking is costly; never more than a twentieth of the time; near a bound often."""
    pause_s = next_look_s(ALL, Seen(memory_bytes=int(share * 64 * MIB)), looks, took_s)
    assert pause_s >= took_s * 20
    assert pause_s <= max(1.0, took_s * 20)
    if share > 0.8 and took_s == 0:
        assert pause_s == pytest.approx(0.1)
    if looks == 0 and took_s == 0:
        assert pause_s <= 0.1


def test_sizes_as_people_read_them() -> None:
    """Binary units, one digit."""
    assert [size_text(size) for size in (0, 1023, 1024, 1536 * 1024, 3 * 2**40)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "1.5 MiB",
        "3072.0 GiB",
    ]


def test_a_folder_is_measured_as_it_takes_up_disk(tmp_path: Path) -> None:
    """Sparse files by their blocks, hard links once, links not followed, our own output not at all."""
    work = tmp_path / "work"
    (work / "below").mkdir(parents=True)
    (tmp_path / "output").mkdir()
    before = disk_used(tmp_path)
    (work / "data").write_bytes(b"x" * 300_000)
    (work / "below" / "same").hardlink_to(work / "data")
    (work / "link").symlink_to("/usr")
    with (work / "sparse").open("wb") as file:
        file.truncate(10**9)
    (tmp_path / "output" / "0.seg").write_bytes(b"x" * 500_000)
    assert 300_000 <= disk_used(tmp_path) - before < 330_000


def test_a_large_folder_is_walked_in_slices(tmp_path: Path) -> None:
    """The bot's output never waits for a walk."""
    (tmp_path / "work").mkdir()
    for number in range(2 * SLICE_ENTRIES + 10):
        (tmp_path / "work" / str(number)).touch()
    steps = list(walk(tmp_path))
    assert [is_whole for _, is_whole in steps] == [False, False, True]
    assert steps == sorted(steps)


def test_a_folder_that_is_gone_uses_nothing(tmp_path: Path) -> None:
    """A bot can remove its own folder."""
    assert disk_used(tmp_path / "gone") == 0
