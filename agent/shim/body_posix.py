# ruff: noqa: E402 - the platform is asserted first, so that a type checker for another one stops there
"""A bot's processes on Linux and macOS: the child by fork and exec, its tree by descent."""

import os
import signal
import sys
from pathlib import Path

assert sys.platform != "win32"  # for the type checker; Windows has `body_windows`

from agent.cgroups.readings import machine_oom_kills
from agent.shim import child as forking
from agent.shim.body import Child, PipeSource
from agent.shim.bounds import MEMORY
from agent.shim.child import read_failure
from agent.shim.order import ShimOrder
from agent.shim.tree import DescentTree

__all__ = ["let_go", "read_failure", "start_bot"]

OOM_FILE: list[int] = []
"""The descriptor of this shim's own OOM score, opened by `idle` while that was allowed."""
MACHINE_KILLS: list[int] = []
"""How many processes the kernel had killed for want of memory, counted by `idle` while there was time."""


def start_bot(order: ShimOrder, cgroup_procs: int) -> tuple[Child, DescentTree]:
    """Fork the bot; its tree is what descends from this process."""
    wake = _wake_on_children()
    child = forking.start_child(order, cgroup_procs, OOM_FILE[0] if OOM_FILE else -1, wake)
    memory = order.groups.get(MEMORY)
    tree = DescentTree(
        main=child.pid,
        cgroup=Path(order.cgroup) if order.cgroup else None,
        execution_id=order.execution_id,
        memory_group=Path(memory) if memory else None,
        machine_kills=MACHINE_KILLS[0] if MACHINE_KILLS else machine_oom_kills(),
    )
    return child, tree


def let_go() -> None:
    """Let go of the daemon's standard streams: a pipe that a shim holds hides the daemon's end."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd, inheritable=False)
    os.close(nothing)


def _wake_on_children() -> PipeSource:
    """Make each end of a child readable."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return PipeSource(reader)
