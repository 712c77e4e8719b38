"""Who is adopted: by pid, start time and nonce, and what is said of those that are not (`core.md` §2, D10; R21-R23)."""

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from agent.checked import seal, unseal
from agent.process import find_by_execution_id, start_of
from agent.shim.verdict import Verdict, decode_verdict, encode_verdict
from agent.wire.messages import Start, StopOrder
from agent.wire.task import Ladder, Limits
from agent.wire.words import ExitKind, StopCause
from tests.runner.conftest import Ready, hub_and_runner
from tests.support.bots import STUBBORN
from tests.support.heard import Heard
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

QUICK = Limits(ladder=Ladder(interrupt_after_s=0.2, terminate_after_s=0.2, kill_after_s=0.2, survivors_after_s=0.2))


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[ScriptedHub, RunnerProcess]]:
    """A pair of its own for each test."""
    async with hub_and_runner(tmp_path) as pair:
        yield pair


async def runs(hub: ScriptedHub, order: Start, text: bytes) -> Heard:
    """Wait until the bot prints."""
    heard = hub.heard[order.execution_id]
    await eventually(lambda: text in heard.output and "started" in heard.kinds(), within=20)
    return heard


def verdict_of(runner: RunnerProcess, order: Start) -> Verdict:
    return decode_verdict(unseal((runner.home / "executions" / order.execution_id / "verdict").read_bytes()))


def write_verdict(runner: RunnerProcess, order: Start, verdict: Verdict) -> None:
    (runner.home / "executions" / order.execution_id / "verdict").write_bytes(seal(encode_verdict(verdict)))


def kill(*pids: int) -> None:
    """As a crash of each would."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has nothing to do with us."""
    one = subprocess.Popen(["sleep", "600"])
    try:
        yield one
    finally:
        one.kill()
        one.wait()


async def is_final(heard: Heard) -> None:
    """Its last fact arrives."""
    await eventually(lambda: "final" in heard.kinds(), within=60, saying=f"never final: {heard.kinds()}")


async def test_a_stranger_with_the_pid_of_a_shim_is_not_taken_for_it(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """R21: adopted "by pid + start time + nonce"; who only has the pid is left alone, also by a cancel."""
    # given a shim that died with its daemon, and a process that came by its number
    order = await hub.start(await ready("print('on')\ntime.sleep(600)"), limits=QUICK)
    heard = await runs(hub, order, b"on")
    runner.kill()
    verdict = verdict_of(runner, order)
    kill(verdict.pid)
    with stranger() as other:
        write_verdict(runner, order, replace(verdict, pid=other.pid))
        # when the next daemon comes, and the hub wants the bot to stop
        hub.stops[order.execution_id] = StopOrder(cause=StopCause.CANCEL, by="a test")
        runner.start()
        await is_final(heard)
        # then
        assert heard.body("exit").how is ExitKind.SUPERVISOR_LOST
        assert other.poll() is None
        assert find_by_execution_id(order.execution_id) == []


async def test_a_shim_that_is_stopped_cannot_keep_its_bot(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """D10, R70: a shim that does not obey 10 s after the ladder's end is killed with its tree, by an adopter, too."""
    # given a bot that ignores everything, under a shim that stands still, and another daemon than at its start
    order = await hub.start(await ready(STUBBORN), limits=QUICK)
    heard = await runs(hub, order, b"ready")
    runner.kill()
    os.kill(verdict_of(runner, order).pid, signal.SIGSTOP)
    runner.start()
    await eventually(lambda: len(hub.resumes) > 1, within=40)
    # when
    await hub.stop(order)
    # then
    await is_final(heard)
    assert heard.kinds() == ["started", "stop", "exit", "final"]
    assert heard.body("exit").how is ExitKind.SUPERVISOR_LOST
    assert heard.body("exit").survivors == ()
    assert find_by_execution_id(order.execution_id) == []


async def test_everything_that_is_ours_is_killed_and_the_next_daemon_tells_it(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """R22: kill -9 of daemon, zygote and shim: "no orphan <= 10 s", also one that left its session and parent."""
    # given a bot with a child of its own session
    leaves = "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\n"
    order = await hub.start(await ready(f"{leaves}print('on')\ntime.sleep(600)"))
    heard = await runs(hub, order, b"on")
    await eventually(lambda: len(find_by_execution_id(order.execution_id)) == 2, within=20)
    # when
    mine = [one.pid for one in psutil.Process().children(recursive=True) if one.name().startswith("botyard-")]
    runner.kill()
    kill(*mine, verdict_of(runner, order).pid)
    runner.start()
    # then
    await eventually(lambda: find_by_execution_id(order.execution_id) == [], within=20, saying="an orphan lives")
    await is_final(heard)
    assert heard.body("exit").how is ExitKind.SUPERVISOR_LOST


async def test_after_a_reboot_a_bot_is_told_as_such(hub: ScriptedHub, runner: RunnerProcess, ready: Ready) -> None:
    """R23: "reboot: failed: host_restarted", with what it had printed; nobody of this boot is searched or killed."""
    # given all of it gone as by a reboot: the boot of its order was another one
    order = await hub.start(await ready("print('before')\ntime.sleep(600)"))
    heard = await runs(hub, order, b"before\n")
    runner.kill()
    verdict = verdict_of(runner, order)
    kill(verdict.pid, *find_by_execution_id(order.execution_id))
    path = runner.home / "executions" / order.execution_id / "order.json"
    stored = json.loads(unseal(path.read_bytes()))
    path.write_bytes(seal(json.dumps({**stored, "boot_id": "00000000-another-boot"}).encode()))
    with stranger() as other:
        start = start_of(other.pid)
        assert start is not None
        write_verdict(runner, order, replace(verdict, pid=other.pid, start="00000000:" + start.partition(":")[2]))
        # when
        runner.start()
        await is_final(heard)
        # then
        assert heard.kinds() == ["started", "exit", "final"]
        assert heard.body("exit").how is ExitKind.HOST_RESTARTED
        assert (bytes(heard.output), heard.body("final").output_bytes) == (b"before\n", len(b"before\n"))
        assert other.poll() is None
