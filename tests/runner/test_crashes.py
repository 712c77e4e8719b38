"""The daemon killed, stopped, cut off: bots live on, nothing acknowledged is lost (`core.md` §2, R21, R25, R26)."""

import json
import resource
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from agent.checked import seal
from agent.daemon.control import ask
from agent.shim.verdict import VerdictKind
from agent.wire.messages import StopOrder
from agent.wire.words import ExitKind, GapReason, StopCause, VoidReason
from tests.runner.conftest import Ready, credit, hub_and_runner
from tests.support.bots import LINES, REPORT, STUBBORN, lines
from tests.support.heard import Heard
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.shims import verdict_of
from tests.support.waiting import eventually

COUNT = 400


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[ScriptedHub, RunnerProcess]]:
    """A pair of its own for each test."""
    async with hub_and_runner(tmp_path) as pair:
        yield pair


def longer(heard: Heard, length: int) -> bool:
    """Whether more than this has arrived."""
    return len(heard.output) > length


async def whole(hub: ScriptedHub, execution_id: str, expected: bytes) -> None:
    """The output arrives to the byte, and the final fact proves it."""
    heard = hub.heard[execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=40)
    await eventually(lambda: len(heard.output) == heard.body("final").output_bytes, within=20)
    assert bytes(heard.output) == expected
    assert heard.body("final").output_sha256 == heard.sha256()
    assert not heard.body("final").gaps


async def test_killed_while_a_bot_prints_nothing_is_lost(hub: ScriptedHub, runner: RunnerProcess, ready: Ready) -> None:
    """R21: the bot lives under its shim, the new daemon adopts it; 7 arrives as 7, output whole by sha256."""
    # given a bot in the middle of its output
    build = await ready(LINES)
    order = await hub.start(build, parameters={"count": COUNT, "pause": 0.01})
    heard = hub.heard[order.execution_id]
    await eventually(lambda: len(heard.output) > 1000, within=20)

    # when
    runner.kill()
    runner.start()

    # then
    await whole(hub, order.execution_id, lines(COUNT))
    assert heard.kinds() == ["started", "exit", "final"]
    assert (heard.body("exit").how, heard.body("exit").code) == (ExitKind.NORMAL, 7)
    assert [one.execution_id for one in hub.resumes[-1]] == [order.execution_id]


async def test_the_end_of_a_bot_while_no_daemon_runs_is_told_later(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """P5: the exit file is durable without a daemon; the next one makes its facts of it."""
    # given
    build = await ready(LINES)
    order = await hub.start(build, parameters={"count": 50, "pause": 0.02})
    await eventually(lambda: hub.heard[order.execution_id].output, within=20)

    # when
    runner.kill()
    exit_file = runner.home / "executions" / order.execution_id / "exit"
    await eventually(lambda: exit_file.exists() and b'"final": true' in exit_file.read_bytes(), within=20)
    runner.start()

    # then
    await whole(hub, order.execution_id, lines(50))
    assert hub.heard[order.execution_id].body("exit").code == 7


async def test_a_report_made_while_no_daemon_runs_waits_for_the_next(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """`core.md` §6: shims keep the gateway's socket open; the call waits in its backlog and succeeds."""
    # given
    build = await ready("print('waiting')\ntime.sleep(2)\n" + REPORT)
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"waiting" in heard.output, within=20)

    # when
    runner.kill()
    runner.start()

    # then
    await eventually(lambda: "final" in heard.kinds(), within=40)
    assert heard.kinds() == ["started", "report", "exit", "final"]
    assert b"200" in heard.output or b"202" in heard.output
    assert b"byr_" not in heard.output


async def test_a_shim_killed_with_its_daemon_is_supervisor_lost(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """R22: no orphan, `supervisor_lost`, output up to the last frame, tail unknown."""
    # given
    build = await ready("print('one')\ntime.sleep(600)")
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"one" in heard.output, within=20)
    bots = [child for child in psutil.Process().children(recursive=True) if "work/bot" in " ".join(child.cmdline())]
    shims = [bot.parent() for bot in bots]
    assert len(shims) == 1

    # when
    runner.kill()
    for shim in shims:
        assert shim is not None
        shim.kill()
    runner.start()

    # then
    await eventually(lambda: "final" in heard.kinds(), within=40)
    assert heard.body("exit").how is ExitKind.SUPERVISOR_LOST
    final = heard.body("final")
    assert [gap.reason for gap in final.gaps] == [GapReason.TAIL_UNKNOWN]
    assert final.output_bytes == len(b"one\n")
    assert not any(bot.is_running() and bot.status() != psutil.STATUS_ZOMBIE for bot in bots)


async def test_a_secret_is_masked_when_nobody_is_left_to_say_what_is_secret(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """`core.md` §3: texts of reports are masked before the spool; with the shim gone the order still names them."""
    # given a bot that wrote its secret parameter into its result
    secret = "correct-horse-battery"
    build = await ready(
        "told = open(os.environ['BOTYARD_PARAMETERS']).read()\n"
        "result = {'status': 'partial', 'message': 'with ' + told}\n"
        "open(os.environ['BOTYARD_RESULT'], 'w').write(json.dumps(result))\n"
        "print('written')\ntime.sleep(600)"
    )
    order = await hub.start(build, parameters={"password": secret}, secret_parameters=("password",))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"written" in heard.output, within=20)
    bots = [child for child in psutil.Process().children(recursive=True) if "work/bot" in " ".join(child.cmdline())]

    # when daemon and shim die together
    runner.kill()
    for bot in bots:
        shim = bot.parent()
        assert shim is not None
        shim.kill()
    runner.start()

    # then the report is told, the secret is not
    await eventually(lambda: "final" in heard.kinds(), within=40)
    assert heard.kinds() == ["started", "report", "exit", "final"]
    assert "password" in heard.body("report").message
    assert secret not in heard.body("report").message


async def test_an_order_without_verdict_is_void_after_a_restart(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """D1, R24: a new daemon voids every order without a verdict, before it is linked."""
    # given an order whose shim never decided
    build = await ready("print('x')")
    order = hub.order(build, hub.credits[0])
    runner.kill()
    folder = runner.home / "executions" / order.execution_id
    folder.mkdir(parents=True)
    stored = {
        "execution_id": order.execution_id,
        "task_id": order.task_id,
        "fence": 1,
        "boot_id": "x",
        "slot": 0,
        "work": order.work.model_dump(mode="json"),
    }
    (folder / "order.json").write_bytes(seal(json.dumps(stored).encode()))
    half = folder.with_name("exe_" + "f" * 32)
    half.mkdir()

    # when
    runner.start()

    # then
    heard = hub.heard[order.execution_id]
    await eventually(lambda: heard.kinds() == ["void"], within=20)
    assert heard.body("void").reason is VoidReason.DAEMON_RESTARTED
    # and its shim, if it lived after all, could not link `started` any more
    assert (verdict := verdict_of(folder)) is not None
    assert verdict.kind is VerdictKind.VOID
    assert [(one.execution_id, one.verdict) for one in hub.resumes[-1]] == [(order.execution_id, "void")]
    # and what never had an order is gone
    assert not half.exists()


async def test_a_link_that_is_cut_again_and_again_loses_nothing(hub: ScriptedHub, ready: Ready) -> None:
    """P2, R47: each connection goes on where the hub is; facts come once, output is whole."""
    # given
    build = await ready(LINES)
    order = await hub.start(build, parameters={"count": COUNT, "pause": 0.01})
    heard = hub.heard[order.execution_id]

    # when
    for cut in range(3):
        await eventually(partial(longer, heard, (cut + 1) * 2000), within=30)
        await hub.drop()

    # then
    await whole(hub, order.execution_id, lines(COUNT))
    assert heard.kinds() == ["started", "exit", "final"]
    assert len(hub.resumes) >= 3


async def test_a_disk_that_takes_nothing_costs_the_link_only(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """R27, `core.md` D8 (the runner fsyncs n+1 before sending): no write, no hello; the daemon and its bots live on."""
    # given a bot that runs, and a disk that takes no byte of the daemon any more
    build = await ready("print('on')\ntime.sleep(3)\nsys.exit(7)")
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"on" in heard.output and "started" in heard.kinds(), within=20)
    assert runner.process is not None
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(runner.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    # when the link is cut
    hellos = len(hub.hellos)
    await hub.drop()

    async def is_refused() -> bool:
        return "takes no writes" in (await ask(runner.home / "control", "status"))["problem"]

    await eventually(is_refused, within=20)
    assert len(hub.hellos) == hellos

    # then it is there again as soon as the disk is
    resource.prlimit(runner.process.pid, resource.RLIMIT_FSIZE, unlimited)
    await eventually(lambda: "final" in heard.kinds(), within=30)
    assert heard.body("exit").code == 7
    assert runner.process.poll() is None


async def test_a_stop_leaves_bots_alone(hub: ScriptedHub, runner: RunnerProcess, ready: Ready) -> None:
    """R26, design §5: SIGTERM ends the daemon within 10 s with 0; its bot lives, and is adopted by the next."""
    # given
    build = await ready(LINES)
    order = await hub.start(build, parameters={"count": COUNT, "pause": 0.02})
    await eventually(lambda: hub.heard[order.execution_id].output, within=20)

    # when
    runner.signal(signal.SIGTERM)
    assert await runner.ended(within=10) == 0
    runner.start()

    # then
    await whole(hub, order.execution_id, lines(COUNT))


async def test_stop_now_ends_the_bots_first(hub: ScriptedHub, runner: RunnerProcess, ready: Ready) -> None:
    """`packaging.md` §2: the kill ladder for all bots, their facts, then the end."""
    # given
    build = await ready(STUBBORN)
    order = await hub.start(build, limits={"ladder": {"terminate_after_s": 0.2, "kill_after_s": 0.2}})
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"ready" in heard.output, within=20)

    # when
    runner.signal(signal.SIGUSR1)

    # then
    assert await runner.ended(within=20) == 0
    assert heard.kinds() == ["started", "stop", "exit", "final"]
    assert heard.body("stop").cause == "up_ended"


async def test_a_resume_may_answer_stop(hub: ScriptedHub, runner: RunnerProcess, ready: Ready) -> None:
    """`core.md` §4: what became stale while the link was gone is stopped, and its facts are kept."""
    # given
    build = await ready("print('x')\ntime.sleep(600)")
    order = await hub.start(build)
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"x" in heard.output, within=20)

    # when
    hub.stops[order.execution_id] = StopOrder(cause=StopCause.SUPERSEDED, by="hub")
    await hub.drop()

    # then
    await eventually(lambda: "final" in heard.kinds(), within=30)
    assert heard.kinds() == ["started", "stop", "exit", "final"]
    assert heard.body("stop").cause is StopCause.SUPERSEDED
    assert (await credit(hub)).generation == 2
