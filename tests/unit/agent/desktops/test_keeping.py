"""Virtual desktops without an X server: programs of a test stand in for it, found as real ones are."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from agent.desktops import x11
from agent.desktops.own import OwnDesktops
from agent.desktops.port import Desktops
from agent.desktops.records import Made, Record, Records
from agent.desktops.virtual import VirtualDesktop, VirtualDesktops
from agent.desktops.window_manager import WindowManager
from agent.ports import SystemDisk
from agent.process import start_of
from tests.support.desktops import Bots, desktops_of, plan_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")
OTHERWISE = Made(program="", width=1, height=1, dpi=96, window_manager="")


@contextmanager
def servers(home: Path, *slots: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """What an earlier daemon left in these slots."""
    records = Records(home, SystemDisk())
    made = []
    try:
        for slot in slots:
            records.write_authority(slot, b"")
            auth = str(records.authority(slot))
            process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "-auth", auth])
            made.append(process)
            start = start_of(process.pid) or ""
            records.write(Record(slot=slot, pid=process.pid, start=start, number=59990 + slot, made=OTHERWISE))
        yield made
    finally:
        for process in made:
            process.kill()
            process.wait()


@pytest.mark.parametrize("is_own", [True, False])
async def test_what_no_slot_wants_ends_with_its_bot(tmp_path: Path, is_own: bool) -> None:
    """The settings give none of these slots a virtual desktop any more: at the start, after its bot, at the end."""
    bots = Bots()
    bots.slots = {1, 2}
    with servers(tmp_path, 0, 1, 2) as (nobodys, first, second):
        desktops: Desktops = desktops_of(tmp_path, plan_of(0), bots)
        desktops = OwnDesktops({"DISPLAY": ":0"}, desktops) if is_own else desktops
        await desktops.take_over()
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(desktops.keep(), name="desktops")
            await eventually(lambda: nobodys.poll() is not None)
            bots.slots.discard(1)
            desktops.wake()
            await eventually(lambda: first.poll() is not None)
            await desktops.end(at_once=False)
            assert second.poll() is None, "its bot lives on"
            await desktops.end(at_once=True)
            await eventually(lambda: second.poll() is not None)
            keeping.cancel()
    assert Records(tmp_path, SystemDisk()).read() == []


async def lives(*_: object) -> None:
    """An X server that answers."""


@contextmanager
def adopted(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualDesktops]:
    """Slot 0 has a server that was made by other settings, and a bot."""
    monkeypatch.setattr(x11, "ask", lives)
    with servers(home, 0):
        bots = Bots()
        bots.slots = {0}
        desktops = desktops_of(home, plan_of(1), bots)
        cast("Any", desktops).bots = bots
        yield desktops


async def test_a_server_that_is_being_replaced_is_given_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the moment on that it is asked to end, not that it has."""
    with adopted(tmp_path, monkeypatch) as desktops:
        await desktops.take_over()
        desktop = cast("VirtualDesktop", desktops.of_slot(0))
        server = desktop._server
        assert server is not None
        given: list[tuple[bool, dict[str, str], bool]] = []

        async def end(_: object) -> None:
            known = asyncio.get_running_loop().create_task(desktop.until_known())
            await asyncio.sleep(0)
            given.append((desktop.is_there, dict(desktop.environment), known.done()))
            known.cancel()

        monkeypatch.setattr(type(server), "end", end)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(desktops.keep(), name="desktops")
            assert desktop.is_there
            cast("Any", desktops).bots.slots.clear()
            await eventually_after(desktops.wake, lambda: bool(given))
            keeping.cancel()
        assert given == [(False, {}, False)]


async def eventually_after(do: Callable[[], None], is_so: Callable[[], bool]) -> None:
    """Do it until it is so."""

    def tried() -> bool:
        do()
        return is_so()

    await eventually(tried)


async def test_desktops_that_end_with_their_daemon_are_told_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told last is what the next daemon will have; and the first start is no fault."""
    with adopted(tmp_path, monkeypatch) as desktops:
        told: list[int] = []
        beginning = cast("Desktops", desktops).all()[0]
        cast("Any", desktops).bots.slots.clear()
        assert beginning.is_beginning
        cast("Any", desktops).bots.slots.add(0)
        assert not beginning.is_beginning, "it is gone: no start is tried before its bot has ended"
        await desktops.take_over()
        desktops.hear(lambda: told.append(1))
        await desktops.end(at_once=True)
        assert (told, beginning.is_there) == ([], False)


@pytest.mark.parametrize("ends_by_itself", [True, False])
async def test_a_window_manager_leaves_no_zombie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends_by_itself: bool
) -> None:
    """It hears of its server's end a moment later, or never."""
    monkeypatch.setattr("agent.desktops.programs.END_S", 30.0 if ends_by_itself else 0.05)
    program = tmp_path / "manager"
    program.write_text(f"#!/bin/sh\nwhile [ ! -e {tmp_path}/over ]; do sleep 0.05; done\n")
    program.chmod(0o700)
    records = Records(tmp_path, SystemDisk())
    records.write_authority(0, b"")
    made = Made(program="", width=1, height=1, dpi=96, window_manager=str(program))
    server = SimpleNamespace(record=Record(slot=0, pid=1, start="", number=59990, made=made))
    manager = WindowManager(cast("Any", server), records)
    keeping = asyncio.get_running_loop().create_task(manager.keep())
    await eventually(lambda: server.record.manager_pid)
    pid = server.record.manager_pid
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    reaping = asyncio.get_running_loop().create_task(manager.reap())
    await asyncio.sleep(0)
    if ends_by_itself:
        (tmp_path / "over").touch()
    await reaping
    assert [child for child in psutil.Process().children() if child.pid == pid] == []
