"""Processes by pid and start; groups by what /proc says."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.cgroups.groups import make_group, open_procs, remove_cgroup
from agent.cgroups.killing import kill_cgroup, members
from agent.process import command_of, descendants, kill_tree, open_process, same_process, start_of
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


@pytest.fixture
def parent() -> Iterator["subprocess.Popen[bytes]"]:
    """A shell with two children."""
    process = subprocess.Popen(["sh", "-c", "sleep 600 & sleep 600; true"])
    eventually_sync(lambda: len(descendants(process.pid)) == 2)
    yield process
    kill_tree(process.pid)
    process.wait()


def test_a_process_is_known_by_its_start(parent: "subprocess.Popen[bytes]") -> None:
    """Another start is another process, whatever the pid."""
    start = start_of(parent.pid)
    assert start is not None
    assert same_process(parent.pid, start)
    assert not same_process(parent.pid, start + "0")
    assert not same_process(parent.pid, "")
    assert open_process(parent.pid, "another") is None
    pidfd = open_process(parent.pid, start)
    assert pidfd is not None
    os.close(pidfd)
    assert command_of(parent.pid).startswith("sh -c")


def test_a_zombie_is_no_process() -> None:
    """What has ended and waits to be reaped does nothing any more."""
    process = subprocess.Popen(["true"])
    eventually_sync(lambda: start_of(process.pid) is None)
    process.wait()
    assert start_of(process.pid) is None
    assert command_of(process.pid) == ""


def test_a_tree_ends_whole(parent: "subprocess.Popen[bytes]") -> None:
    """The process and all below it."""
    below = descendants(parent.pid)
    kill_tree(parent.pid)
    parent.wait()
    eventually_sync(lambda: all(start_of(pid) is None for pid in below))


def test_a_group_is_killed_whole() -> None:
    """Enter by `cgroup.procs`, kill, remove; where this user may make groups."""
    group = make_group("exe_test_process", {}).kill
    if group is None:
        pytest.skip("no cgroup may be made here")
    procs = open_procs(group)
    enter = f"import os; os.write({procs}, b'0'); os.execvp('sleep', ['sleep', '600'])"
    process = subprocess.Popen([sys.executable, "-c", enter], pass_fds=(procs,))
    os.close(procs)
    eventually_sync(lambda: members(group) == [process.pid])
    assert not remove_cgroup(group)
    kill_cgroup(group)
    process.wait()
    eventually_sync(lambda: remove_cgroup(group))
    assert not group.exists()
