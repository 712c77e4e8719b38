"""A shim whose bot has left nothing behind takes another order; nothing of the last one reaches the next."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agent.process_watch import wait_gone
from agent.shim.handover import IDLE, open_pair, send_order
from agent.shim.verdict import VerdictKind
from agent.shims_port import ZygoteGone
from tests.support.shims import DESK, Bot, ShimHome, output_of, python, shim_home
from tests.support.waiting import eventually, seconds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

SAYS_SECRET = "print('the word is sesame-4711')"
HOLDS_A_PIPE = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
"""


async def _run(home: ShimHome, code: str, **changes: object) -> Bot:
    """A bot whose shim may come back, to the end of its order."""
    bot = await home.hand_over(home.order(python(code), comes_back=True, **changes))
    verdict = await bot.shim.verdict(DESK)
    assert verdict.kind is VerdictKind.STARTED
    home.zygote.expect(bot.shim)
    home.bots.remove(bot)
    return bot


def _descriptors(pid: int) -> list[str]:
    held = Path(f"/proc/{pid}/fd")
    return sorted(str(fd.readlink()).partition(":")[0] for fd in held.iterdir())


async def test_a_shim_serves_one_bot_after_the_other(tmp_path: Path) -> None:
    """Its memory is its own by then: what a fork costs is paid once (core.md §2)."""
    async with shim_home(tmp_path, slots=0) as home:
        pids, outputs = [], []
        for number in range(5):
            bot = await _run(home, f"print({number})")
            pids.append(bot.shim.pid)
            await eventually(lambda: home.zygote.ready == 1, saying="the shim comes back")
            outputs.append(output_of(bot.folder))
        assert len(set(pids)) == 1
        assert outputs == [b"0\n", b"1\n", b"2\n", b"3\n", b"4\n"]


async def test_a_shim_that_comes_back_as_the_patience_for_it_ends_is_taken(tmp_path: Path) -> None:
    """D2, §2: on a loop that stood still both come in one turn; a slot that then waited on gave no credit any more."""
    async with shim_home(tmp_path, slots=0) as home:
        bot = await _run(home, "import time; time.sleep(0.2)")
        taking = asyncio.create_task(home.zygote.take())
        await asyncio.sleep(0)  # it waits for the shim now, for 30 ms of the loop's time
        select.select([bot.shim.fileno()], [], [], 20)  # the loop stands still
        taken = await asyncio.wait_for(taking, seconds(10))
        assert taken.pid == bot.shim.pid
        taken.close()


async def test_a_zygote_that_is_found_dead_by_who_asks_it_is_told(tmp_path: Path) -> None:
    """D2, §2: the end is seen by the request first on a loop that was busy; nobody waits for its answer for ever."""
    async with shim_home(tmp_path, slots=0) as home:
        os.kill(home.zygote.pid, signal.SIGKILL)
        os.waitid(os.P_PID, home.zygote.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop is to stand still
        with pytest.raises(ZygoteGone):
            await asyncio.wait_for(home.zygote.take(), seconds(10))


async def test_nothing_of_an_order_reaches_the_next(tmp_path: Path) -> None:
    """No mask, no descriptor: the second bot's own words stay, and the shim holds what it held before."""
    async with shim_home(tmp_path, slots=0) as home:
        first = await _run(home, SAYS_SECRET, masks=(b"sesame-4711",))
        await eventually(lambda: home.zygote.ready == 1, saying="the shim comes back")
        held = _descriptors(first.shim.pid)
        second = await _run(home, SAYS_SECRET)
        await eventually(lambda: home.zygote.ready == 1, saying="the shim comes back again")
        assert b"sesame-4711" not in output_of(first.folder)
        assert output_of(second.folder) == b"the word is sesame-4711\n"
        assert second.shim.pid == first.shim.pid
        assert _descriptors(first.shim.pid) == held


async def test_a_shim_that_was_killed_does_not_come_back(tmp_path: Path) -> None:
    """A fresh one takes its place."""
    async with shim_home(tmp_path, slots=0) as home:
        bot = await _run(home, "import time; time.sleep(600)")
        os.kill(bot.shim.pid, signal.SIGKILL)
        await asyncio.wait_for(wait_gone(bot.shim.pid, bot.shim.start), 10)
        again = await _run(home, "print('fresh')")
        assert again.shim.pid != bot.shim.pid
        await eventually(lambda: output_of(again.folder) == b"fresh\n", saying="the fresh one serves")


async def test_a_shim_ends_after_its_bot_where_its_daemon_is_gone(tmp_path: Path) -> None:
    """Nobody would give it another order."""
    async with shim_home(tmp_path, slots=0) as home:
        bot = await _run(home, "import time; time.sleep(1)")
        pid, start = bot.shim.pid, bot.shim.start
        home.zygote.close()
        await asyncio.wait_for(wait_gone(pid, start), 20)


async def test_a_shim_whose_bot_left_a_daemon_ends_it_before_it_comes_back(tmp_path: Path) -> None:
    """Idle is only who has no child (core.md §2: the tree is empty)."""
    async with shim_home(tmp_path, slots=0) as home:
        bot = await _run(home, HOLDS_A_PIPE)
        await eventually(lambda: home.zygote.ready == 1, within=20, saying="the shim comes back")
        children = Path(f"/proc/{bot.shim.pid}/task/{bot.shim.pid}/children").read_text()
        assert children == ""


_TWO_ORDERS = """
import os, socket, sys
from agent.shim import idle
idle.ORDERS_MAX = 2
idle.main(socket.socket(fileno=int(sys.argv[1])), os.getppid())
"""


def _shim_of_two_orders() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    ours, theirs = open_pair()
    with theirs:
        command = [sys.executable, "-c", _TWO_ORDERS, str(theirs.fileno())]
        return ours, subprocess.Popen(command, pass_fds=[theirs.fileno()])


async def test_a_shim_is_not_offered_after_its_last_order(tmp_path: Path) -> None:
    """Who ends in a moment must get no order that it would drop."""
    ours, shim = _shim_of_two_orders()
    with ours:
        said: list[bytes] = []
        async with shim_home(tmp_path, slots=0) as home:
            for number in range(2):
                send_order(ours, home.order(python(f"print({number})"), comes_back=True), ())
                # Its verdict, then that it is idle, or its end.
                said += [await asyncio.to_thread(ours.recv, 65536) for _ in range(2)]
        assert [each if each in {IDLE, b""} else b"verdict" for each in said] == [b"verdict", IDLE, b"verdict", b""]
        assert await asyncio.to_thread(shim.wait, 10) == 0
