"""Trees that resist, by every way in which this machine can end one: cgroup v2, v1 and none (R32, R33, R70).

Proven empty: the shim has no child left, no process carries the execution's variable, and none of those that were seen
in the tree is alive.
"""

import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.cgroups.choice import Hierarchies, own_folders
from agent.cgroups.groups import Group, make_group, open_procs, remove_group
from agent.cgroups.killing import kill_cgroup, members
from agent.process import descendants, find_by_execution_id, kill_leftovers, kill_tree, start_of
from agent.shim.exit_file import ExitRecord
from agent.shim.order import Role
from agent.wire.words import StopCause
from tests.support.shims import Bot, ShimHome, is_whole, output_of, python
from tests.support.waiting import eventually, seconds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

HEAD = """
import os, signal, subprocess, sys, time
def deaf():
    for number in set(range(1, 65)) - {signal.SIGCHLD}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
def daemon(work):
    # Double fork, a session of its own; whatever it holds of ours it keeps.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            work()
        os._exit(0)
    os.wait()
def sleep():
    while True:
        time.sleep(1)
"""
BOTS = {
    "deaf": "deaf()\nprint('up', flush=True)\nsleep()",
    "forks": "deaf()\nfor _ in range(5):\n    if os.fork() == 0: sleep()\nprint('up', flush=True)\nsleep()",
    "daemonises": (
        "deaf()\nfor _ in range(4): daemon(lambda: (deaf(), os.environ.clear(), sleep()))\n"
        "subprocess.Popen(['setsid', 'sleep', '600'], env={})\nprint('up', flush=True)\nsleep()"
    ),
    "holds the pipes": "daemon(lambda: (deaf(), sleep()))\nprint('up', flush=True)\nos._exit(0)",
    "stops itself": "deaf()\nif os.fork() == 0: sleep()\nprint('up', flush=True)\nos.kill(0, signal.SIGSTOP)\nsleep()",
}
SUPPLY = 180
"""Processes of a fork bomb at most: each fork of any of them takes a byte of one pipe that was filled before the first.

So it ends growing even where every limit fails; nothing else of a bomb may bound it.
"""
BOMB = """
deaf()
supply, filler = os.pipe()
os.write(filler, b"." * {supply})
os.close(filler)
print("up", flush=True)
while True:
    try:
        if os.read(supply, 1) == b"":
            sleep()
        elif os.fork() == 0:
            os.setsid()
        time.sleep({pause_s})
    except OSError:
        time.sleep(0.02)
"""
BOTS["bombs slowly"] = BOMB.format(supply=SUPPLY, pause_s=0.3)
BOTS["bombs"] = BOMB.format(supply=SUPPLY, pause_s=0)


@dataclass(slots=True)
class Ways:
    """Starts bots whose trees are ended in one way."""

    home: ShimHome
    hierarchies: Hierarchies
    groups: list[Group]

    async def start(self, name: str, most: int | None = None) -> Bot:
        """One of the bots, printing already; `most` processes are allowed, which is kept by the shim's watch."""
        order = self.home.order(python(HEAD + BOTS[name]))
        group = make_group(order.execution_id, {}, self.hierarchies)
        self.groups.append(group)
        descriptors: tuple[int, ...] = ()
        if group.kill is not None:
            order = replace(order, cgroup=str(group.kill), descriptors=(Role.CGROUP,))
            descriptors = (open_procs(group.kill),)
        order = replace(order, bounds=replace(order.bounds, processes=most))
        bot = await (await self.home.hand_over(order, descriptors)).started()
        for descriptor in descriptors:
            os.close(descriptor)
        await bot.prints(b"up", within=20)
        return bot

    def tree(self, bot: Bot) -> dict[int, str]:
        """Who is alive of it now: pid and start."""
        kill = self.groups[-1].kill
        found = {*(members(kill) if kill else []), *find_by_execution_id(bot.order.execution_id)}
        found |= set(descendants(bot.shim.pid))
        return {pid: start for pid in found if (start := start_of(pid)) is not None}


@pytest.fixture(params=["v2", "v1", "none"])
async def ways(request: pytest.FixtureRequest, home: ShimHome) -> AsyncIterator[Ways]:
    """By the unified hierarchy, by one of version 1, by descent alone."""
    folders = own_folders(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    base = {"v2": folders.get(""), "v1": folders.get("pids"), "none": None}[request.param]
    made = Ways(home=home, hierarchies=Hierarchies(kill=base), groups=[])
    if request.param != "none" and (base is None or make_group("exe_probe", {}, made.hierarchies).kill is None):
        pytest.skip("no cgroup may be made here")
    remove_group(make_group("exe_probe", {}, made.hierarchies))
    yield made
    for group in made.groups:
        remove_group(group)
        assert group.kill is None or not group.kill.exists(), members(group.kill)


async def ended(ways: Ways, bot: Bot, seen: dict[int, str]) -> ExitRecord:
    """It has ended, and nothing of it is left."""
    record = await bot.ends()
    assert record.survivors == ()
    assert ways.tree(bot) == {}
    assert not [pid for pid, start in seen.items() if start_of(pid) == start]
    return record


@pytest.mark.parametrize("name", [name for name in BOTS if name not in {"holds the pipes", "bombs"}])
async def test_a_cancel_ends_whatever_resists(ways: Ways, name: str) -> None:
    """R70: "cancel always works"; R32: "whole tree gone <= 10 s after TERM + 10 s grace"."""
    bot = await ways.start(name)
    seen = ways.tree(bot)
    assert seen
    assert await bot.link.stop(StopCause.CANCEL, by="ana")
    record = await ended(ways, bot, seen)
    assert (record.cause, record.signaled_by_stop) == (StopCause.CANCEL, True)
    assert is_whole(record, output_of(bot.folder))


@pytest.mark.parametrize("name", ["bombs", "bombs slowly"])
async def test_a_fork_bomb_is_ended_by_its_limit(ways: Ways, name: str) -> None:
    """R32: "fork bomb … whole tree gone"; S20: what forks on while it is ended does not outrun its end."""
    bot = await ways.start(name, most=40)
    seen = ways.tree(bot)
    record = await ended(ways, bot, seen)
    assert (record.cause, record.signal) == (StopCause.LIMIT, signal.SIGKILL)
    assert record.error.endswith("processes and threads, 40 are allowed")


async def test_a_pipe_that_a_daemon_holds_keeps_nobody(ways: Ways) -> None:
    """R33: "exit decided by wait, log drained <= 5 s"; what is left behind is ended, and the end is true."""
    bot = await ways.start("holds the pipes")
    record = await ended(ways, bot, ways.tree(bot))
    assert (record.code, record.cause) == (0, None)
    assert is_whole(record, output_of(bot.folder))


async def test_a_shim_that_is_stopped_is_ended_with_its_tree_by_the_daemon(ways: Ways) -> None:
    """D10: "a shim that does not obey 10 s after the ladder's end is killed with the bot's cgroup or job"."""
    bot = await ways.start("daemonises")
    seen = ways.tree(bot)
    os.kill(bot.shim.pid, signal.SIGSTOP)
    # as the daemon does it (`agent/daemon/watch.py` end_shim, then `conclusion.py`)
    kill_tree(bot.shim.pid)
    if bot.order.cgroup is not None:
        kill_cgroup(Path(bot.order.cgroup))
    assert kill_leftovers(bot.order.execution_id, 0) == []
    await eventually(lambda: not [pid for pid, start in seen.items() if start_of(pid) == start], within=seconds(10))
