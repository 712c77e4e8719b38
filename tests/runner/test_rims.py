"""What is odd about one execution's files is its own: the daemon and the other bots live (`agent/daemon/rim.py`)."""

import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from agent.checked import seal
from agent.wire.messages import Start
from agent.wire.words import ExitKind, StopCause
from tests.runner.conftest import Ready, hub_and_runner
from tests.support.heard import Heard
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

SPOILER = """
folder = os.path.dirname(os.environ['BOTYARD_ARTIFACTS'])
path = os.path.join(folder, {name!r})
if os.path.lexists(path):
    os.rename(path, path + '.old')
if {how!r} == 'folder':
    os.mkdir(path)
elif {how!r} == 'pipe':
    os.mkfifo(path)
else:
    open(path, 'wb').write(b'\\x00{{"version": 1, "kind": "sta' * 9)
print('spoiled', flush=True)
open({go!r} + '.ready', 'w').close()
while not os.path.exists({go!r}):
    time.sleep(0.02)
sys.exit(7)
"""


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[ScriptedHub, RunnerProcess]]:
    """A pair of its own for each test."""
    async with hub_and_runner(tmp_path) as pair:
        yield pair


def shim_of(order: Start) -> psutil.Process:
    """The shim of an execution: the parent of its main process."""
    for child in psutil.Process().children(recursive=True):
        with_bot = child.environ().get("BOTYARD_EXECUTION_ID") == order.execution_id
        parent = child.parent()
        if with_bot and parent is not None and parent.name().startswith("botyard-"):
            return parent
    raise AssertionError("no shim")


async def ends(heard: Heard, within: float = 60) -> None:
    """Its last fact arrives."""
    await eventually(lambda: "final" in heard.kinds(), within=within, saying=f"never final: {heard.kinds()}")


async def another_runs(hub: ScriptedHub, ready: Ready) -> None:
    """The next order is started and ends truly: neither daemon nor slot is lost."""
    order = await hub.start(await ready("sys.exit(3)"))
    await ends(hub.heard[order.execution_id])
    assert hub.heard[order.execution_id].body("exit").code == 3


@pytest.mark.parametrize("how", ["folder", "junk", "pipe"])
@pytest.mark.parametrize("name", ["order.json", "verdict", "exit", "stop", "masks", "output"])
async def test_a_new_daemon_meets_a_spoiled_folder(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready, tmp_path: Path, name: str, how: str
) -> None:
    """R21, G9 for the daemon's own disk only: it starts, tells the spoiled one's end, and goes on working."""
    # given a bot that put something else in the place of one of its execution's files
    go = tmp_path / "go"
    order = await hub.start(await ready(SPOILER.format(name=name, how=how, go=str(go))))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: (tmp_path / "go.ready").exists() and "started" in heard.kinds(), within=20)
    # when the daemon is killed, and another comes
    runner.kill()
    runner.start()
    await eventually(lambda: len(hub.resumes) > 1, within=40, saying="the new daemon never linked")
    go.touch()
    # then
    await ends(heard)
    assert runner.process is not None
    assert runner.process.poll() is None
    assert [kind for kind in heard.kinds() if kind in {"started", "void", "exit", "final"}] == [
        "started",
        "exit",
        "final",
    ]
    if name in {"order.json", "masks", "stop", "output"}:
        # The verdict leads to the shim, whose word is true.
        assert (heard.body("exit").how, heard.body("exit").code) == (ExitKind.NORMAL, 7)
    await hub.forget(order)
    await another_runs(hub, ready)


@pytest.mark.parametrize("verdict", [b"", b"\0" * 64, b'{"version": 1, "kind": "started", "nonce"', b'{"version": 99}'])
async def test_a_verdict_that_cannot_be_read_is_never_called_void(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready, verdict: bytes
) -> None:
    """D1: "never started" is said only after one's own void is durable; what may have started is not run again."""
    # given an order whose shim decided, and the disk or a bot has damaged what it said
    order = hub.order(await ready("print('x')"), hub.credits[0])
    runner.kill()
    folder = runner.home / "executions" / order.execution_id
    folder.mkdir(parents=True)
    stored = {"execution_id": order.execution_id, "task_id": order.task_id, "fence": 1, "boot_id": "x", "slot": 0}
    stored |= {"work": order.work.model_dump(mode="json")}
    (folder / "order.json").write_bytes(seal(json.dumps(stored).encode()))
    (folder / "verdict").write_bytes(verdict)
    # when
    runner.start()
    # then
    heard = hub.heard[order.execution_id]
    await ends(heard)
    assert heard.kinds() == ["started", "exit", "final"]
    assert heard.body("exit").how in {ExitKind.SUPERVISOR_LOST, ExitKind.HOST_RESTARTED}
    await hub.forget(order)
    await another_runs(hub, ready)


async def test_an_order_that_rotted_after_its_verdict_is_still_held(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """D8: what started is named in every resume; were its folder dropped, the hub would let it run a second time."""
    # given a bot that runs, whose order the disk has damaged, and a spool that has no word of it yet
    order = await hub.start(await ready("print('x', flush=True)\ntime.sleep(4)\nsys.exit(5)"))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"x" in heard.output, within=20)
    runner.kill()
    path = runner.home / "executions" / order.execution_id / "order.json"
    path.write_bytes(path.read_bytes().replace(b'"fence":1', b'"fence":7'))
    with closing(sqlite3.connect(runner.home / "spool.db")) as spool, spool:
        spool.execute("DELETE FROM facts")
    # when
    runner.start()
    await eventually(lambda: len(hub.resumes) > 1, within=40)
    # then
    assert [(one.execution_id, one.fence, one.verdict) for one in hub.resumes[-1]] == [
        (order.execution_id, 1, "started")
    ]


async def test_a_stop_that_was_a_fact_and_never_reached_the_shim_is_told_by_the_next_daemon(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """`core.md` §3: a stop is a fact before its first signal; so between the two a daemon may die."""
    # given a stop that is durable, and a shim that could not hear it
    order = await hub.start(await ready("print('x', flush=True)\ntime.sleep(600)"))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: b"x" in heard.output, within=20)
    shim = shim_of(order)
    shim.send_signal(signal.SIGSTOP)
    await hub.stop(order, StopCause.SUPERSEDED)
    await eventually(lambda: "stop" in heard.kinds(), within=20)
    # when the daemon dies, and the hub, which has the fact, only says "continue" to the next
    runner.kill()
    os.kill(shim.pid, signal.SIGCONT)
    stop_file = runner.home / "executions" / order.execution_id / "stop"
    stop_file.unlink(missing_ok=True)
    runner.start()
    # then
    await ends(heard)
    assert heard.kinds() == ["started", "stop", "exit", "final"]
    assert heard.body("exit").signaled_by_stop
