"""One verdict per order, whoever dies or is late: `started` or `void`, never both (core.md D1, D3)."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

import psutil
import pytest

from agent.process import find_by_execution_id
from agent.shim.client import ShimClient, ShimGone
from agent.shim.order import Stamp
from agent.shim.verdict import VerdictKind
from agent.wire.words import VoidReason
from agent.zygote import ZygoteGone
from tests.support.shims import CLOCK, DESK, DISK, ShimHome, output_of, python, verdict_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(
    ("boot_s", "wall_s"), [(-31, -31), (-31, 0), (0, -31), (600, 0), (0, 600)], ids=["old", "slept", "jumped", "b", "w"]
)
async def test_a_permit_that_is_not_fresh_is_void(home: ShimHome, boot_s: int, wall_s: int) -> None:
    """Older than 30 s by either clock, or negative by either: the shim links `void`, and nothing runs (core.md D3)."""
    # given a permit of the past, or of the future
    now = Stamp.of(CLOCK)
    permit = Stamp(boot_ns=now.boot_ns + boot_s * SECOND_NS, wall_ns=now.wall_ns + wall_s * SECOND_NS)
    order = home.order(python("open('ran', 'w')"), permit=permit)
    # when it is ordered
    bot = await home.hand_over(order)
    verdict = await bot.shim.verdict(DESK)
    await bot.shim.wait_gone()
    # then it is void, durable, and the bot never ran
    assert (verdict.kind, verdict.reason) == (VerdictKind.VOID, VoidReason.STALE)
    assert verdict_of(bot.folder) == verdict
    assert os.listdir(order.cwd) == []  # noqa: PTH208 - names are enough
    assert sorted(path.name for path in bot.folder.iterdir()) == ["output", "verdict", "work"]


@pytest.mark.slow
async def test_started_against_void_has_one_winner(home: ShimHome) -> None:
    """200 races of the shim's link against the daemon's: one verdict, and the bot ran exactly if it says so (D1)."""
    home.zygote.slots = 4
    kinds = []
    for number in range(200):
        order = home.order(python("open('ran', 'w')"))
        bot = await home.hand_over(order)
        # The daemon's link comes a little later each time, so that both win often.
        await asyncio.sleep((number % 20) * 0.0005)
        mine = DESK.link_void(bot.folder, VoidReason.CANCELED)
        told = await bot.shim.verdict(DESK)
        await bot.shim.wait_gone()
        assert verdict_of(bot.folder) == told == mine
        has_run = (bot.folder / "work" / "ran").exists()
        assert has_run == (told.kind is VerdictKind.STARTED)
        assert told.nonce == order.nonce or not has_run
        kinds.append(told.kind)
    print(f"started {kinds.count(VerdictKind.STARTED)}, void {kinds.count(VerdictKind.VOID)}")
    assert len(set(kinds)) == 2, "the race was no race"


async def test_a_shim_that_dies_without_a_verdict_is_voided(home: ShimHome) -> None:
    """The daemon links `void` when a shim ends without a verdict (core.md D1)."""
    # given an idle shim that is stopped, so that it cannot read its order
    order = home.order(python("open('ran', 'w')"))
    shim = await home.zygote.take()
    os.kill(shim.pid, signal.SIGSTOP)
    running = shim.hand_over(order)
    # when it is killed
    os.kill(shim.pid, signal.SIGKILL)
    verdict = await running.verdict(DESK)
    running.close()
    # then the order is void
    assert (verdict.kind, verdict.reason) == (VerdictKind.VOID, VoidReason.SHIM_GONE)


async def test_a_shim_that_hangs_is_voided_in_time_and_starts_nothing_later(home: ShimHome) -> None:
    """In any case the daemon links `void` after its time; the shim that wakes later obeys it (core.md D1)."""
    order = home.order(python("open('ran', 'w')"))
    shim = await home.zygote.take()
    os.kill(shim.pid, signal.SIGSTOP)
    running = shim.hand_over(order)
    verdict = await running.verdict(DESK, within_s=0.2)
    os.kill(shim.pid, signal.SIGCONT)
    await running.wait_gone()
    running.close()
    assert (verdict.kind, verdict.reason) == (VerdictKind.VOID, VoidReason.SHIM_GONE)
    assert not (home.root / order.execution_id / "work" / "ran").exists()


async def test_an_order_without_room_is_void(home: ShimHome) -> None:
    """What fails before the verdict voids the order with the reason (core.md D7)."""
    order = home.order(python("pass"))
    # The output's name is taken by a file.
    (home.root / order.execution_id / "output").write_text("in the way")
    bot = await home.hand_over(order)
    verdict = await bot.shim.verdict(DESK)
    assert (verdict.kind, verdict.reason) == (VerdictKind.VOID, VoidReason.UNFIT)
    assert "output" in verdict.message


async def test_idle_shims_end_with_their_daemon(home: ShimHome) -> None:
    """An idle shim ends at end of file before a complete order; so does the zygote (core.md §2)."""
    await eventually(lambda: home.zygote.ready == 1)
    family = psutil.Process(home.zygote.pid).children()
    home.zygote.close()
    await home.zygote.reap()
    await eventually(lambda: not any(process.is_running() and process.status() != "zombie" for process in family))


async def test_a_dead_idle_shim_is_replaced(home: ShimHome) -> None:
    """A dead idle shim is never handed out: there is no credit without one (core.md D2)."""
    await eventually(lambda: home.zygote.ready == 1)
    (first,) = psutil.Process(home.zygote.pid).children()
    first.kill()
    await eventually(lambda: home.zygote.ready == 0)
    shim = await home.zygote.take()
    assert shim.pid != first.pid
    shim.close()


async def test_a_dead_zygote_is_noticed(home: ShimHome) -> None:
    """The daemon learns at once that its zygote is gone; taking says so."""
    await eventually(lambda: home.zygote.ready == 1)
    os.kill(home.zygote.pid, signal.SIGKILL)
    await asyncio.wait_for(home.zygote.wait_gone(), 30)
    assert home.zygote.ready == 0
    with pytest.raises(ZygoteGone):
        await home.zygote.take()


async def test_nothing_is_given_to_a_shim_that_is_gone(home: ShimHome) -> None:
    """A hand-over to a dead shim raises, and the folder has no verdict: nothing was given."""
    shim = await home.zygote.take()
    os.kill(shim.pid, signal.SIGKILL)
    await eventually(lambda: not shim.is_alive)
    order = home.order(python("pass"))
    with pytest.raises(ShimGone):
        shim.hand_over(order)
    assert verdict_of(home.root / order.execution_id) is None


async def test_a_second_order_for_a_folder_gets_the_first_answer(home: ShimHome) -> None:
    """A verdict never changes: the second shim reads it and starts nothing (core.md D1, D5)."""
    bot = await home.start("import sys, time; print('up'); time.sleep(600)")
    await bot.prints(b"up")
    again = await home.hand_over(replace(bot.order, nonce="f" * 32))
    verdict = await again.shim.verdict(DESK)
    await again.shim.wait_gone()
    assert (verdict.kind, verdict.nonce) == (VerdictKind.STARTED, bot.order.nonce)
    assert len(find_by_execution_id(bot.order.execution_id)) == 1
    # and the first goes on: its socket and its output are untouched
    again_connected = await ShimClient.connect(bot.folder, bot.order.nonce)
    again_connected.close()
    await bot.link.kill()
    await bot.ends()
    assert output_of(bot.folder) == b"up\n"


async def test_a_broken_order_starts_nothing(home: ShimHome) -> None:
    """Decoding is strict: what is not exactly an order ends the shim, and the daemon voids it."""
    folder = home.root / "exe_broken"
    DISK.make_folder(folder)
    shim = await home.zygote.take()
    running = shim.hand_over(replace(home.order(python("pass")), nonce="short", folder=str(folder)))
    verdict = await running.verdict(DESK)
    running.close()
    assert (verdict.kind, verdict.reason) == (VerdictKind.VOID, VoidReason.SHIM_GONE)
