"""Bots and virtual desktops under the real daemon: what they get, who outlives whom, what is left (issue 6.6)."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.desktops.records import Record
from agent.wire.condition import FaultCode
from agent.wire.facts import VoidFact
from agent.wire.words import DesktopNeed, VoidReason
from tests.runner.conftest import Ready, credit, hub_and_runner
from tests.support.desktops import need_programs, nothing_left, processes_of, records_of
from tests.support.heard import Heard
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

SETTINGS = 'desktops = "virtual"\ndesktop_count = 1\ndesktop_server = "xvfb"\ndesktop_size = "1024x768"\n'
DRAWS = """
import socket, struct
def connect():
    data = open(os.environ["XAUTHORITY"], "rb").read()
    ask = struct.pack("<BxHHHHxx", ord("l"), 11, 0, 18, 16) + b"MIT-MAGIC-COOKIE-1\\0\\0" + data[-16:]
    server = socket.socket(socket.AF_UNIX)
    server.connect("/tmp/.X11-unix/X" + os.environ["DISPLAY"][1:])
    server.sendall(ask)
    return server.recv(1)[0] == 1
held = os.environ["BOTYARD_ARTIFACTS"]
number = 0
while not os.path.exists(held + "/end"):
    try:
        print("let in" if connect() else "refused", number, os.getpid())
    except OSError as error:
        print("no server", number, os.getpid())
    number += 1
    time.sleep(0.1)
"""
TELLS = """
for name in ("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY"):
    print(name, os.environ.get(name))
run = os.environ["XDG_RUNTIME_DIR"]
print("own", os.stat(run).st_mode & 0o777 == 0o700, run != os.environ["HOME"] and os.path.isdir(os.environ["HOME"]))
"""


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[ScriptedHub, RunnerProcess]]:
    """A pair of its own for each test: two slots, a desktop for the first."""
    need_programs("Xvfb", "openbox")
    async with hub_and_runner(tmp_path) as (hub, runner):
        (runner.home / "agent.toml").write_text("slots = 2\n" + SETTINGS)
        with nothing_left(runner.home):
            yield hub, runner


def only(runner: RunnerProcess) -> Record:
    """The one X server."""
    (record,) = records_of(runner.home)
    return record


async def says(heard: Heard, text: str, times: int = 1) -> None:
    """Wait until the bot prints it so many times more."""
    known = heard.output.count(text.encode())
    await eventually(lambda: heard.output.count(text.encode()) >= known + times, within=30)


def gone(hub: ScriptedHub) -> bool:
    """Whether the desktop is told as gone now."""
    (desktop,) = hub.conditions[-1].desktops
    return [fault.code for fault in desktop.faults] == [FaultCode.GONE]


async def test_bot_and_x_server_outlive_the_daemon_and_a_dead_server_waits_for_its_bot(
    hub: ScriptedHub, runner: RunnerProcess, ready: Ready
) -> None:
    """The next daemon adopts both; a server that dies is told as gone and started again when its bot has ended."""
    order = await hub.start(await ready(DRAWS))
    heard = hub.heard[order.execution_id]
    await says(heard, "let in")
    await eventually(lambda: only(runner).manager_pid)
    before = only(runner)

    runner.kill()
    runner.start()
    await eventually(lambda: "adopted 1 virtual desktops" in runner.text(), within=30)
    await says(heard, "let in", 2)
    assert only(runner) == before
    assert "refused" not in heard.output.decode()

    os.kill(before.pid, signal.SIGKILL)
    await eventually(lambda: gone(hub), within=20)
    await says(heard, "no server", 2)
    assert records_of(runner.home) == [], "nothing is started under the bot"

    (runner.home / "executions" / order.execution_id / "artifacts" / "end").touch()
    await eventually(lambda: "final" in heard.kinds(), within=30)
    await eventually(lambda: records_of(runner.home) and not gone(hub), within=20)
    assert heard.output.count(b"let in 0 ") == 1, "one bot, from its start to its end"

    runner.signal(signal.SIGTERM)
    assert await runner.ended() == 0
    await eventually(lambda: processes_of(runner.home) == [], within=20)
    assert {path.name for path in (runner.home / "desktops").iterdir()} <= {".cache", ".config", ".local"}


async def test_what_a_bot_gets_by_its_need_and_its_slot(hub: ScriptedHub, runner: RunnerProcess, ready: Ready) -> None:
    """Nothing said: what the slot has. None: nothing. Required, where none is: void unfit, no attempt."""
    build = await ready(TELLS)
    await eventually(lambda: hub.conditions and hub.conditions[-1].desktops and not gone(hub), within=20)

    async def told(slot: int, need: DesktopNeed) -> list[str]:
        await credit(hub, slot)
        order = await hub.start(build, slot, desktop=need)
        heard = hub.heard[order.execution_id]
        await eventually(lambda: heard.kinds()[-1:] in (["final"], ["void"]), within=30)
        void: VoidFact | None = heard.body("void")
        if void is not None:
            return [void.reason, void.message]
        await eventually(lambda: heard.output.count(b"\n") == 4, within=20)
        return heard.output.decode().splitlines()

    display = only(runner).display
    authority = str(runner.home / "desktops" / "0.auth")
    with_one = [f"DISPLAY {display}", f"XAUTHORITY {authority}", "WAYLAND_DISPLAY None", "own True True"]
    without = ["DISPLAY None", "XAUTHORITY None", "WAYLAND_DISPLAY None", "own True True"]
    assert await told(0, DesktopNeed.ANY) == with_one
    assert await told(0, DesktopNeed.REQUIRED) == with_one
    assert await told(0, DesktopNeed.NONE) == without
    assert await told(1, DesktopNeed.ANY) == without
    assert await told(1, DesktopNeed.REQUIRED) == [VoidReason.UNFIT, "it needs a desktop, and slot 1 has none"]
