"""However a bot resists, it ends, its tree is empty, and what it printed is told (core.md §4 clocks, R32 to R34)."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from agent.process import find_by_execution_id
from agent.segments import Gap
from agent.shim.client import DoorbellKind
from agent.shim.order import LadderTimes, Stamp
from agent.wire.words import GapReason, OnDisconnect, StopCause
from tests.support.shims import CLOCK, Bot, ShimHome, is_whole, output_of, pieces_of
from tests.support.waiting import eventually, seconds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

SLEEPS = "import time; print('up'); time.sleep(600)"
STUBBORN = """
import os, signal, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
def daemonise():
    # Double fork and a session of its own; it keeps the pipes.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print("daemon", os.getpid(), flush=True)
            while True:
                time.sleep(1)
        os._exit(0)
daemonise()
daemonise()
os.wait()
print("up", flush=True)
while True:
    time.sleep(1)
"""
BOMB = """
import os, signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
# Each fork takes a byte of one supply that all of them share: it is finite, whatever else fails.
supply, filler = os.pipe()
os.write(filler, b"." * 150)
os.close(filler)
print("up", flush=True)
while True:
    if os.read(supply, 1) == b"":
        time.sleep(0.05)
    else:
        os.fork()
"""
TELLS_INTERRUPT = """
import signal, sys, time
def on_interrupt(*_):
    print("interrupted"); sys.exit(4)
signal.signal(signal.SIGINT, on_interrupt)
print("up")
time.sleep(600)
"""


def alive_of(bot: Bot) -> list[int]:
    """Processes of this execution by their environment: the proof that does not ask the shim."""
    return find_by_execution_id(bot.order.execution_id)


async def test_a_stubborn_tree_ends_with_no_survivor(home: ShimHome) -> None:
    """Ignored TERM, double fork, setsid, held pipes: cancelled, and nothing is left (R32, R33)."""
    # given a bot that does all of it
    bot = await home.start(STUBBORN)
    await bot.prints(b"up")
    await eventually(lambda: output_of(bot.folder).count(b"daemon") == 2)
    assert len(alive_of(bot)) == 3
    # when it is cancelled
    assert await bot.link.stop(StopCause.CANCEL, by="ana")
    record = await bot.ends()
    # then SIGKILL was needed, and /proc knows no process of it
    assert alive_of(bot) == []
    assert (record.cause, record.by, record.last_step) == (StopCause.CANCEL, "ana", "kill")
    assert (record.signal, record.signaled_by_stop) == (signal.SIGKILL, True)
    assert record.survivors == ()
    assert is_whole(record, output_of(bot.folder))
    assert bot.kinds()[0] is DoorbellKind.STOPPING


async def test_a_fork_bomb_ends(home: ShimHome) -> None:
    """The whole tree of a bot that forks while it is killed is gone within 10 s (R32)."""
    bot = await home.start(BOMB)
    await bot.prints(b"up")
    await eventually(lambda: len(alive_of(bot)) > 20)
    async with asyncio.timeout(seconds(40)):
        await bot.link.stop(StopCause.KILL, by="ana")
        await bot.ends()
    assert alive_of(bot) == []


async def test_a_bot_that_obeys_ends_at_the_interrupt(home: ShimHome) -> None:
    """A timeout sends SIGINT at once; a bot that cleans up keeps its own exit code (core.md §4)."""
    bot = await home.start(TELLS_INTERRUPT)
    await bot.prints(b"up")
    await bot.link.stop(StopCause.TIMEOUT, by="shim")
    record = await bot.ends()
    assert (record.code, record.last_step, record.signaled_by_stop) == (4, "interrupt", True)
    assert output_of(bot.folder) == b"up\ninterrupted\n"


async def test_a_cancel_leaves_time_before_the_interrupt(home: ShimHome) -> None:
    """Cancel: the flag at once, SIGINT only later; a bot that ends in between was not signaled (core.md §4)."""
    code = "import os, time; print('up')\nwhile not os.path.exists('../enough'): time.sleep(0.01)"
    bot = await home.start(code, ladder=LadderTimes(interrupt_after_s=30))
    await bot.prints(b"up")
    await bot.link.stop(StopCause.CANCEL, by="ana")
    (bot.folder / "enough").touch()
    record = await bot.ends()
    assert (record.code, record.cause, record.signaled_by_stop) == (0, StopCause.CANCEL, False)


async def test_a_kill_shortens_a_cancel_and_the_first_cause_counts(home: ShimHome) -> None:
    """Two stop causes: the first durable one counts, kill only shortens the ladder (core.md §4)."""
    # given a cancel that would wait a minute
    slow = LadderTimes(interrupt_after_s=60, terminate_after_s=0.2, kill_after_s=0.2)
    bot = await home.start(SLEEPS, ladder=slow)
    await bot.prints(b"up")
    await bot.link.stop(StopCause.CANCEL, by="ana")
    # when somebody kills it
    async with asyncio.timeout(seconds(40)):
        await bot.link.stop(StopCause.KILL, by="bob")
        record = await bot.ends()
    # then it ended at once, and the cancel stands
    assert (record.cause, record.by) == (StopCause.CANCEL, "ana")


async def test_a_stop_after_the_end_is_no_stop(home: ShimHome) -> None:
    """Stop asked, but the bot had ended: no stop happened (core.md §4)."""
    # given a bot that ended and left a process which holds the tree open
    code = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0)
time.sleep(600)
"""
    bot = await home.start(code, ladder=LadderTimes(kill_after_s=1.0))
    await eventually((bot.folder / "exit").exists)
    # when it is cancelled then
    begun = await bot.link.stop(StopCause.CANCEL, by="ana")
    record = await bot.ends()
    # then nothing was stopped, and the leftover ended all the same
    assert not begun
    assert (record.cause, record.code, record.signaled_by_stop) == (None, 0, False)
    assert alive_of(bot) == []


async def test_what_a_bot_leaves_behind_is_ended(home: ShimHome) -> None:
    """After the end of the main process its tree gets SIGTERM, then SIGKILL; its last words count (R33)."""
    code = """
import os, signal, sys, time
if os.fork():
    os._exit(7)
def on_term(*_):
    print("left over, ending"); os._exit(0)
signal.signal(signal.SIGTERM, on_term)
time.sleep(600)
"""
    record, output = await home.run(code)
    assert record.code == 7
    assert record.cause is None
    assert output in {b"left over, ending\n", b""}  # the signal may come before the handler
    assert is_whole(record, output)


async def test_a_writer_outside_the_tree_makes_a_gap(home: ShimHome, tmp_path: Path) -> None:
    """A pipe that somebody outside the tree holds is read 5 s and told as a gap {unknown, writer_left} (core.md §3)."""
    # given a bot that gives its stdout to this test
    address = str(tmp_path / "take")
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    server.setblocking(False)
    code = f"""
import array, socket
taker = socket.socket(socket.AF_UNIX); taker.connect({address!r})
taker.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))])
taker.recv(1)
print("bye")
"""
    bot = await home.start(code)
    accepted, _ = await asyncio.get_running_loop().sock_accept(server)
    accepted.setblocking(True)
    _, held, _, _ = socket.recv_fds(accepted, 1, 1)
    # when the bot ends and its stdout does not
    accepted.send(b"y")
    record = await bot.ends()
    os.close(held[0])
    accepted.close()
    server.close()
    # then the exit did not wait for it, and the output is known to be incomplete
    assert record.code == 0
    assert [(gap.missing_bytes, gap.reason) for gap in record.gaps] == [(None, GapReason.WRITER_LEFT)]
    assert {name: end.ended for name, end in record.streams.items()} == {"stdout": False, "stderr": True}
    assert output_of(bot.folder) == b"bye\n"


async def test_the_shim_keeps_the_run_limit_itself(home: ShimHome) -> None:
    """Run limit reached: stopped for `timeout`, without the daemon (core.md D10, R34)."""
    record, _ = await home.run(SLEEPS, run_limit_s=0.5)
    assert (record.cause, record.by) == (StopCause.TIMEOUT, "shim")
    assert record.signal == signal.SIGINT


async def test_the_run_limit_can_be_extended(home: ShimHome) -> None:
    """A later limit counts from the verdict on; none at all is possible."""
    bot = await home.start("import sys, time; time.sleep(2.5); sys.exit(5)", run_limit_s=2.0)
    await bot.link.extend_run_limit(None)
    assert (await bot.ends()).code == 5


async def test_the_dead_man_stops_a_bot_whose_link_is_gone(home: ShimHome) -> None:
    """`stop`: begun at min(lost_after - 60 s, 0.8 x lost_after) since the last heartbeat, by the shim (core.md D10)."""
    # given lost_after of 760 s: min(700, 608) = 608 s are allowed, and 601 of them are over
    bot = await home.start(
        SLEEPS, on_disconnect=OnDisconnect.STOP, lost_after_s=760.0, heartbeat=seconds_ago(601), run_limit_s=None
    )
    # when a later heartbeat is acknowledged, and an earlier one comes after it
    later = seconds_ago(600)
    await bot.link.extend(later)
    await bot.link.extend(seconds_ago(10_000))
    record = await bot.ends()
    # then it stops 608 s after the later one
    assert (record.cause, record.by) == (StopCause.DEAD_MAN, "shim")
    assert record.ended_wall_ns - later.wall_ns >= 608e9


def seconds_ago(seconds: int) -> Stamp:
    now = Stamp.of(CLOCK)
    return Stamp(boot_ns=now.boot_ns - seconds * 10**9, wall_ns=now.wall_ns - seconds * 10**9)


async def test_a_killed_shim_leaves_no_orphan(home: ShimHome) -> None:
    """After kill -9 the bot dies by the parent-death signal, the rest by the zygote, within 10 s (core.md §2)."""
    # given a bot with daemonised children
    bot = await home.start(STUBBORN)
    await eventually(lambda: output_of(bot.folder).count(b"daemon") == 2)
    # when its shim is killed
    os.kill(bot.shim.pid, signal.SIGKILL)
    # then nothing of it lives, and the output is there up to the last frame
    await eventually(lambda: not alive_of(bot), within=10)
    await bot.shim.wait_gone()
    assert b"up" in output_of(bot.folder)
    assert not (bot.folder / "exit").exists()
    bells = [bell.kind async for bell in bot.link.doorbells()]
    assert bells[-1] is DoorbellKind.GONE


async def test_zombies_are_reaped(home: ShimHome) -> None:
    """Orphans that end below the bot do not stay as zombies of the shim (R37)."""
    code = """
import os, time
for _ in range(50):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.05)
        os._exit(0)
    os.wait()
print("up"); time.sleep(600)
"""
    bot = await home.start(code)
    await bot.prints(b"up")
    shim = psutil.Process(bot.shim.pid)
    await eventually(lambda: [child.pid for child in shim.children()] == [bot.link.state.pid])
    await bot.link.kill()
    await bot.ends()


async def test_output_of_the_drain_is_kept(home: ShimHome) -> None:
    """What stood in the pipes when the main process ended is stored before the final record (core.md §3)."""
    record, output = await home.run("import os; os.write(1, b'x' * 200_000); os._exit(1)")
    assert record.code == 1
    assert is_whole(record, output)
    assert len(output) == 200_000


async def test_a_silent_cap_is_counted(home: ShimHome) -> None:
    """At its cap the shim drops and counts; the bot goes on (core.md §3, R27)."""
    bot = await home.start("import os\nfor _ in range(100): os.write(1, b'y' * 10_000)", output_cap_bytes=300_000)
    record = await bot.ends()
    stored = output_of(bot.folder)
    assert record.code == 0
    assert len(stored) <= 300_000
    assert record.streams["stdout"].read_bytes == 1_000_000
    assert sum(gap.missing_bytes or 0 for gap in record.gaps) == 1_000_000 - len(stored)
    assert {gap.reason for gap in record.gaps} == {GapReason.CAP}
    assert [piece.missing_bytes for piece in pieces_of(bot.folder) if isinstance(piece, Gap)] == [
        1_000_000 - len(stored)
    ]
