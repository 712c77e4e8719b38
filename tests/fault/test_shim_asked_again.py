"""A stop that is asked for again, by whomever and however late, never gives a bot more time (R70, core.md §4)."""

import signal
import sys

import pytest

from agent.shim.order import LadderTimes
from agent.wire.words import StopCause
from tests.support.shims import ShimHome

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the shim of Linux")

IGNORES_INTERRUPT = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


async def test_a_second_stop_does_not_begin_the_ladder_anew(home: ShimHome) -> None:
    """core.md §4, D9: the first durable cause counts, a later one only shortens: the hub may send a stop again."""
    # given a bot that was killed, and would be terminated a moment later
    bot = await home.start(
        IGNORES_INTERRUPT, ladder=LadderTimes(interrupt_after_s=600, terminate_after_s=1.5, kill_after_s=0.5)
    )
    await bot.prints(b"up")
    await bot.link.stop(StopCause.KILL, by="ana")
    # when somebody cancels it too, which alone would wait ten minutes
    await bot.link.stop(StopCause.CANCEL, by="bob")
    # then it is terminated as soon as it would have been, long before it ends by itself
    record = await bot.ends()
    assert (record.cause, record.by, record.signal) == (StopCause.KILL, "ana", signal.SIGTERM)
