"""What of an execution's limits the kernel keeps, the shim watches, and each process is told (S20)."""

import os
import sys

import pytest

from agent.cgroups.choice import CPU, MEMORY
from agent.daemon.limiting import bounds_of, cpus_of, rlimits_of
from agent.shim.bounds import Bounds
from agent.wire.task import Limits

NOTHING: frozenset[str] = frozenset()


def test_without_limits_there_is_nothing_to_do() -> None:
    """Defaults cost nothing."""
    assert not bounds_of(Limits(), NOTHING).is_set
    assert rlimits_of(Limits(), {}) == {}
    assert cpus_of(Limits(), NOTHING, "exe_1") == ()


def test_the_shim_knows_what_the_kernel_keeps() -> None:
    """What is kept is only looked at by the kernel's counters."""
    limits = Limits(memory_bytes=2**30, processes=9, cpu_seconds=3, disk_bytes=2**20, cpu_cores=1)
    expected = Bounds(memory_bytes=2**30, processes=9, cpu_seconds=3, disk_bytes=2**20, kept=(CPU, MEMORY))
    assert bounds_of(limits, frozenset({MEMORY, CPU})) == expected


def test_rlimits_join_those_of_the_kind() -> None:
    """Open files and file size, of each process."""
    limits = Limits(open_files=64, file_bytes=2**20)
    given = {"CORE": (0, 0), "NOFILE": (1024, -1)}
    assert rlimits_of(limits, given) == {"CORE": (0, 0), "NOFILE": (64, 64), "FSIZE": (2**20, 2**20)}


@pytest.mark.skipif(sys.platform != "linux", reason="affinity of Linux")
def test_cores_without_a_group_are_whole_ones() -> None:
    """Never none, never all of them said; the same execution always has the same ones."""
    ours = sorted(os.sched_getaffinity(0))
    if len(ours) > 1:
        assert len(cpus_of(Limits(cpu_cores=0.2), NOTHING, "exe_1")) == 1
        assert set(cpus_of(Limits(cpu_cores=0.2), NOTHING, "exe_1")) <= set(ours)
        assert cpus_of(Limits(cpu_cores=0.2), NOTHING, "exe_7") == cpus_of(Limits(cpu_cores=1), NOTHING, "exe_7")
    assert cpus_of(Limits(cpu_cores=len(ours)), NOTHING, "exe_1") == ()
    assert cpus_of(Limits(cpu_cores=0.2), frozenset({CPU}), "exe_1") == ()
