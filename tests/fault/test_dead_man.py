"""Dead-man (`on_disconnect: stop`): whoever is away, a shim ends its bot in time; `keep` bots live on (G3, D10, R39).

One world for all: four runners with a bot of each kind, and at each something else stands still at the same time.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from agent.ports import SystemClock
from agent.process import find_by_execution_id
from agent.shim.order import wall_ns
from agent.wire.messages import Start
from agent.wire.task import Limits
from agent.wire.words import ExitKind, OnDisconnect, StopCause
from tests.runner.conftest import have_ready
from tests.support.heard import Heard
from tests.support.leaks import no_leaks
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually, seconds

SILENCE_S = seconds(6)
"""What is left of `lost_after` for the shim: it begins to stop so long after the last acknowledged heartbeat."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CLOCK = SystemClock()
LIMITS = Limits(lost_after_s=60 + SILENCE_S)
COUNTS = """
try:
    for number in range(100000):
        print("still", number)
        time.sleep(0.2)
except KeyboardInterrupt:
    print("told to stop")
    sys.exit(3)
"""


@dataclass
class Pair:
    """A hub, its runner, and the two bots that run there."""

    hub: ScriptedHub
    runner: RunnerProcess
    stop: Start = field(init=False)
    keep: Start = field(init=False)

    async def begin(self) -> None:
        """Have both bots print."""
        build = await have_ready(self.hub, self.runner, COUNTS)
        await eventually(lambda: len(self.hub.credits) == 2, within=20)
        self.stop = await self.hub.start(build, 0, limits=LIMITS, on_disconnect=OnDisconnect.STOP)
        self.keep = await self.hub.start(build, 1, limits=LIMITS, on_disconnect=OnDisconnect.KEEP)
        for order in (self.stop, self.keep):
            await self._prints(order)

    async def _prints(self, order: Start) -> None:
        await eventually(lambda: b"still" in self.of(order).output, within=20)

    def of(self, order: Start) -> Heard:
        """What this pair's hub knows of one of them."""
        return self.hub.heard[order.execution_id]

    def everything(self) -> list[psutil.Process]:
        """Daemon, zygote, shims and bots."""
        assert self.runner.process is not None
        daemon = psutil.Process(self.runner.process.pid)
        return [daemon, *daemon.children(recursive=True)]


@pytest.fixture
async def pairs(tmp_path: Path) -> AsyncIterator[dict[str, Pair]]:
    """Four of them, with heartbeats at every tick; nothing of them is left."""
    async with AsyncExitStack() as stack:
        stack.enter_context(no_leaks())
        made = {}
        for name in ("hub away", "daemon killed", "daemon stopped", "machine asleep"):
            hub = ScriptedHub(heartbeat_s=0.1)
            runner = RunnerProcess(tmp_path / name.replace(" ", "-"), slots=2)
            runner.enrol_by_hand(hub, await hub.serve())
            stack.push_async_callback(hub.close)
            stack.callback(runner.close)
            made[name] = Pair(hub, runner)
        yield made
    assert [problem for pair in made.values() for problem in pair.hub.problems] == []


def awake(pairs: dict[str, Pair]) -> list[Pair]:
    """Those whose shims go on."""
    return [pair for name, pair in pairs.items() if name != "machine asleep"]


def is_silent(pair: Pair) -> bool:
    """More than the deadline has passed since its last heartbeat."""
    return CLOCK.boot_ns() - pair.hub.heartbeats[-1].stamp.boot_ns > SILENCE_S * 1e9


async def has_ended(pair: Pair) -> None:
    """Nothing of the bot is left, and its neighbour lives."""
    await eventually(lambda: not find_by_execution_id(pair.stop.execution_id), within=30, saying="it was not stopped")
    assert find_by_execution_id(pair.keep.execution_id) != []


async def tells_the_truth(pair: Pair) -> None:
    """The hub hears of a stop by dead-man with the bot's own exit code, and all output."""
    heard = pair.of(pair.stop)
    await eventually(lambda: "final" in heard.kinds(), within=40, saying=f"never final: {heard.kinds()}")
    assert heard.kinds() == ["started", "stop", "exit", "final"]
    assert (heard.body("stop").cause, heard.body("stop").by) == (StopCause.DEAD_MAN, "shim")
    exit_, final = heard.body("exit"), heard.body("final")
    assert (exit_.how, exit_.code, exit_.signaled_by_stop, exit_.survivors) == (ExitKind.NORMAL, 3, True, ())
    await eventually(lambda: len(heard.output) == final.output_bytes, within=20, saying="output is missing")
    assert (heard.sha256(), heard.gaps) == (final.output_sha256, [])
    assert heard.output.endswith(b"told to stop\n")


async def lives_on(pair: Pair) -> None:
    """Its output goes on from where it was, and it ends as any other."""
    heard = pair.of(pair.keep)
    known = len(heard.output)
    await eventually(lambda: len(heard.output) > known, within=30, saying="it does not print on")
    await pair.hub.stop(pair.keep, StopCause.KILL)
    await eventually(lambda: "final" in heard.kinds(), within=40, saying=f"never final: {heard.kinds()}")
    assert (heard.kinds(), heard.body("stop").cause) == (["started", "stop", "exit", "final"], StopCause.KILL)
    numbers = [line.split()[1] for line in bytes(heard.output).splitlines() if line.startswith(b"still")]
    assert (numbers, heard.gaps) == ([b"%d" % number for number in range(len(numbers))], [])


async def test_a_shim_ends_its_bot_when_nobody_answers(pairs: dict[str, Pair]) -> None:
    """G3: "the shim begins to stop at min(`lost_after` - 60 s, 0.8 x `lost_after`) even if the runner is dead"; D10:
    since the send time of the last acknowledged heartbeat; G3: "`keep`: the bot runs on"; R39: "`stop` ends the bot on
    waking, `keep` resumes"; what comes back tells a stop by dead-man and the true exit code.
    """
    # given two bots at each of four runners, which live by their heartbeats
    await asyncio.gather(*(pair.begin() for pair in pairs.values()))
    # when one hub is away, one daemon is killed, one stands still, and one machine does with all that is on it
    asleep = pairs["machine asleep"]
    stopped = asleep.everything()
    for process in stopped:
        process.suspend()
    await pairs["hub away"].hub.close()
    pairs["daemon killed"].runner.kill()
    pairs["daemon stopped"].runner.signal(signal.SIGSTOP)
    beats = [pair.hub.heartbeats[-2:] for pair in awake(pairs)]
    # then each shim ends its bot by itself, and only that; who sleeps does nothing
    await asyncio.gather(*(has_ended(pair) for pair in awake(pairs)))
    await eventually(lambda: is_silent(asleep), within=30)
    assert find_by_execution_id(asleep.stop.execution_id) != []
    # when all are there again
    await pairs["hub away"].hub.serve()
    pairs["daemon killed"].runner.start()
    pairs["daemon stopped"].runner.signal(signal.SIGCONT)
    for process in stopped:
        process.resume()
    # then
    await asyncio.gather(*(tells_the_truth(pair) for pair in pairs.values()))
    await asyncio.gather(*(lives_on(pair) for pair in pairs.values()))
    for pair, (before, last) in zip(awake(pairs), beats, strict=True):
        ended_ns = wall_ns(pair.of(pair.stop).body("exit").at)
        # The answer to the last may not have come; one before it has.
        assert ended_ns - before.stamp.wall_ns > SILENCE_S * 1e9
        assert ended_ns - last.stamp.wall_ns < (SILENCE_S + seconds(25)) * 1e9
