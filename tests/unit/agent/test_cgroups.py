"""Control groups: which may be used, what is written into them, what they tell; on fake trees (S16, S20, R30)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.cgroups.choice import CPU, MEMORY, PIDS, Hierarchies, LimitMode, find, own_folders
from agent.cgroups.groups import hold, make_group, remove_leftovers
from agent.cgroups.readings import cpu_seconds, oom_kills, peak_memory_bytes, refused_forks

HYBRID = """\
30 29 0:26 / {root} rw - tmpfs tmpfs rw
31 30 0:27 / {root}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / {root}/pids rw - cgroup cgroup rw,pids
33 30 0:29 / {root}/systemd rw - cgroup cgroup rw,name=systemd
34 30 0:30 / {root}/memory rw - cgroup cgroup rw,memory
35 30 0:31 / {root}/unified rw - cgroup2 cgroup2 rw
"""
HYBRID_OWN = "4:memory:/m\n3:pids:/user\n2:cpu,cpuacct:/x\n1:name=systemd:/y\n0::/\n"
UNIFIED = "30 29 0:26 / {root} rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_FILES = {
    "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    "pids": ("pids.max",),
    "cpu": ("cpu.cfs_period_us", "cpu.cfs_quota_us"),
}
V2_FILES = ("cgroup.controllers", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")


def folder_of(parent: Path, name: str, files: tuple[str, ...]) -> Path:
    """A group as the kernel would make it."""
    made = parent / name
    made.mkdir(parents=True)
    for file in ("cgroup.procs", *files):
        (made / file).write_text("")
    return made


def read(folder: Path) -> dict[str, str]:
    """What stands in the files of a group that are not empty."""
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file() and file.read_text()}


@pytest.mark.parametrize(
    ("mounts", "own", "name", "expected"),
    [
        (UNIFIED, "0::/system.slice/agent.service\n", "", "system.slice/agent.service"),
        (HYBRID, HYBRID_OWN, "pids", "pids/user"),
        (HYBRID, HYBRID_OWN, "cpu", "cpu,cpuacct/x"),
        (HYBRID, HYBRID_OWN, "", "unified"),
        ("9 8 0:1 /docker/ab {root} rw - cgroup cgroup rw,pids\n", "3:pids:/docker/ab/c\n", "pids", "c"),
    ],
    ids=["v2", "v1", "two controllers in one", "hybrid", "a container's part of the tree"],
)
def test_the_own_group_is_found(mounts: str, own: str, name: str, expected: str) -> None:
    """Version 2, version 1, both, or the part that a container sees."""
    assert own_folders(mounts.format(root="/c"), own)[name] == Path("/c") / expected


def test_without_groups_limits_are_watched(tmp_path: Path) -> None:
    """No hierarchy at all: told as `rlimit`."""
    assert find("", "0::/\n") == Hierarchies()
    assert make_group("exe_1", {MEMORY: 1e9}, Hierarchies()).kill is None
    # A tmpfs where v2 would be: writes there would make plain files (packaging.md, tree kill).
    assert find(UNIFIED.format(root=tmp_path), "0::/\n").kill is None


def test_a_hybrid_machine_is_killed_by_v2_and_limited_by_v1(tmp_path: Path) -> None:
    """The new hierarchy has no controllers there, and still ends a tree at once."""
    for name in ("memory/m", "pids/user", "cpu,cpuacct/x", "systemd/y"):
        (tmp_path / name).mkdir(parents=True)
    unified = tmp_path / "unified"
    unified.mkdir()
    (unified / "cgroup.controllers").write_text("\n")
    (unified / "cgroup.subtree_control").write_text("\n")
    found = find(HYBRID.format(root=tmp_path), HYBRID_OWN)
    assert (found.kill, found.mode) == (unified, LimitMode.CGROUP1)
    assert found.limits == {
        MEMORY: tmp_path / "memory/m",
        PIDS: tmp_path / "pids/user",
        CPU: tmp_path / "cpu,cpuacct/x",
    }


def test_v2_is_taken_over_by_moving_out_of_the_way(tmp_path: Path) -> None:
    """The daemon moves into a group of its own, then memory, pids and cpu are handed down (packaging.md §4)."""
    own = tmp_path / "agent.service"
    own.mkdir()
    (own / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (own / "cgroup.subtree_control").write_text("")
    found = find(UNIFIED.format(root=tmp_path), "0::/agent.service\n")
    assert (own / "daemon/cgroup.procs").read_text().isdigit()
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    # A real kernel shows them without the sign from here on; then a second daemon, started in the first one's place,
    # finds all as it was left.
    (own / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (own / "daemon/cgroup.controllers").write_text("cpu memory pids\n")
    again = find(UNIFIED.format(root=tmp_path), "0::/agent.service/daemon\n")
    assert found.kill == again.kill == own
    assert again.mode is LimitMode.CGROUP2
    assert again.limits == {MEMORY: own, PIDS: own, CPU: own}


def test_v2_limits(tmp_path: Path) -> None:
    """Memory without swap and killed as one; pids; a quota of 100 ms (core.md §2, S20)."""
    folder = folder_of(tmp_path, "botyard-exe_1", V2_FILES)
    found = Hierarchies(kill=tmp_path, limits=dict.fromkeys((MEMORY, PIDS, CPU), tmp_path), mode=LimitMode.CGROUP2)
    group = make_group("exe_1", {}, found)
    wanted = {MEMORY: 64 * 2**20, PIDS: 20, CPU: 1.5}
    assert hold(group, wanted, {}) == {MEMORY, PIDS, CPU}
    assert read(folder) == {
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "20",
        "cpu.max": "150000 100000",
    }
    # A limit that is taken away while the bot runs; what stays is not written again.
    (folder / "pids.max").write_text("untouched")
    assert hold(group, {PIDS: 20}, wanted) == {PIDS}
    assert (read(folder)["memory.max"], read(folder)["cpu.max"]) == ("max", "max 100000")
    assert read(folder)["pids.max"] == "untouched"


def test_v1_limits(tmp_path: Path) -> None:
    """One group in each hierarchy that is needed, and only there."""
    for controller, files in V1_FILES.items():
        folder_of(tmp_path / controller, "botyard-exe_1", files)
    found = Hierarchies(limits={name: tmp_path / name for name in (MEMORY, PIDS, CPU)}, mode=LimitMode.CGROUP1)
    group = make_group("exe_1", {MEMORY: 2**20, CPU: 0.5}, found)
    assert set(group.limits) == {MEMORY, CPU}
    assert set(group.to_enter) == set(group.limits.values())
    assert hold(group, {MEMORY: 2**20, CPU: 0.5}, {}) == {MEMORY, CPU}
    assert read(group.limits[MEMORY]) == {
        "memory.limit_in_bytes": "1048576",
        "memory.memsw.limit_in_bytes": "1048576",
    }
    assert read(group.limits[CPU]) == {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}


def test_what_cannot_be_written_is_not_kept_by_the_kernel(tmp_path: Path) -> None:
    """Then the shim watches it; a plain file is never made where the kernel has none."""
    folder = folder_of(tmp_path, "botyard-exe_1", ("cgroup.controllers", "pids.max"))
    found = Hierarchies(kill=tmp_path, limits={MEMORY: tmp_path, PIDS: tmp_path})
    group = make_group("exe_1", {}, found)
    assert hold(group, {MEMORY: 2**20, PIDS: 5}, {}) == {PIDS}
    assert not (folder / "memory.max").exists()


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    """Empty ones of executions that nobody knows, not fresh ones, nor those in use or of somebody else."""
    for name in ("botyard-exe_1", "botyard-exe_2", "botyard-exe_3", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "botyard-exe_3" / "member").touch()
    found = Hierarchies(kill=tmp_path, limits={PIDS: tmp_path})
    now = datetime.now(UTC)
    assert remove_leftovers(["exe_2"], now, found) == 0
    assert remove_leftovers(["exe_2"], now + timedelta(minutes=2), found) == 1
    assert {each.name for each in tmp_path.iterdir()} == {"botyard-exe_2", "botyard-exe_3", "other"}


def test_what_groups_tell(tmp_path: Path) -> None:
    """Both versions by the same question; what is not counted is nothing."""
    new, old, none = tmp_path / "new", tmp_path / "old", tmp_path / "none"
    for each in (new, old, none):
        each.mkdir()
    (new / "memory.events").write_text("low 0\nmax 7\noom 2\noom_kill 1\n")
    (new / "memory.peak").write_text("4096\n")
    (new / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    (new / "pids.events").write_text("max 3\n")
    (old / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (old / "memory.max_usage_in_bytes").write_text("8192\n")
    (old / "cpuacct.usage").write_text("2000000000\n")
    assert [oom_kills(each) for each in (new, old, none)] == [1, 2, 0]
    assert [peak_memory_bytes(each) for each in (new, old, none)] == [4096, 8192, 0]
    assert [cpu_seconds(each) for each in (new, old, none)] == [1.5, 2.0, None]
    assert [refused_forks(each) for each in (new, old, none)] == [3, 0, 0]
