"""Real X servers: side by side, each behind its cookie, killed, adopted, gone at the end (packaging §9.4, issue 6)."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.desktops import x11
from agent.desktops.port import Desktop, ScreenUnreachedError
from agent.desktops.records import Records
from agent.desktops.virtual import VirtualDesktops
from agent.ports import SystemDisk
from tests.support.desktops import (
    SIZE,
    Bots,
    desktops_of,
    need_programs,
    nothing_left,
    plan_of,
    processes_of,
    records_of,
)
from tests.support.waiting import eventually


@asynccontextmanager
async def kept(desktops: VirtualDesktops) -> AsyncIterator[None]:
    """As the daemon keeps them; what lives at the end lives on, as after a kill."""
    await desktops.take_over()
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(desktops.keep(), name="desktops")
        try:
            yield
        finally:
            keeping.cancel()


def one(desktops: VirtualDesktops, slot: int) -> Desktop:
    """The desktop of a slot."""
    found = desktops.of_slot(slot)
    assert found is not None
    return found


@pytest.mark.parametrize("program", ["Xvnc", "Xvfb"])
async def test_two_stand_side_by_side_and_neither_takes_the_others_cookie(tmp_path: Path, program: str) -> None:
    """Each has its size, its picture, its own number and file; no port, no secret in a command line."""
    need_programs(program)
    desktops = desktops_of(tmp_path, plan_of(2, program))
    with nothing_left(tmp_path):
        async with kept(desktops):
            await one(desktops, 0).until_known()
            await one(desktops, 1).until_known()
            first, second = one(desktops, 0), one(desktops, 1)
            assert first.environment["DISPLAY"] != second.environment["DISPLAY"]
            for desktop in (first, second):
                facts = await desktop.look()
                assert (facts.problem, facts.width, facts.height, facts.dpi, facts.is_locked) == ("", *SIZE, 96, False)
                frame = await desktop.grab()
                assert (frame.width, frame.height, len(frame.pixels)) == (*SIZE, SIZE[0] * SIZE[1] * 4)
                file = Path(desktop.environment["XAUTHORITY"])
                assert stat.S_IMODE(file.stat().st_mode) == 0o600

            foreign = await refused_with_the_others_cookie(first, second)
            for process in processes_of(tmp_path):
                assert os.getsid(process.pid) == process.pid
                assert foreign.hex() not in " ".join(process.cmdline())
                assert not [each for each in process.net_connections("inet") if each.status == "LISTEN"]
            if program == "Xvnc":
                assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "desktops").glob("*.rfb")} == {0o600}
            await desktops.end(at_once=False)
    assert processes_of(tmp_path) == []
    assert not [path for path in (tmp_path / "desktops").iterdir() if path.name[0].isdigit()]


async def refused_with_the_others_cookie(desktop: Desktop, other: Desktop) -> bytes:
    """Neither with it nor with none; return it. The file itself says for which display it is."""
    display, theirs = (x11.parse_display(each.environment["DISPLAY"]) for each in (desktop, other))
    data = Path(other.environment["XAUTHORITY"]).read_bytes()
    foreign = x11.find_cookie(data, theirs, "")
    assert (x11.find_cookie(data, display, ""), len(foreign)) == (b"", 16)
    for wrong in (foreign, b""):
        with pytest.raises(x11.XUnreached, match="does not let us in"):
            await x11.ask(display, wrong)
    return foreign


async def test_one_that_is_killed_is_told_at_once_and_stays_gone_until_its_bot_has_ended(tmp_path: Path) -> None:
    """The bot could not use another; the other slot's desktop does not notice; the next start is clean."""
    need_programs("Xvfb", "openbox")
    bots, told = Bots(), []
    desktops = desktops_of(tmp_path, plan_of(2, "Xvfb", manager=True), bots)
    desktops.hear(lambda: told.append([desktop.is_there for desktop in desktops.all()]))
    with nothing_left(tmp_path):
        async with kept(desktops):
            await one(desktops, 0).until_known()
            await one(desktops, 1).until_known()
            await eventually(lambda: all(record.manager_pid for record in records_of(tmp_path)))
            bots.slots.add(1)
            before = records_of(tmp_path)
            os.kill(before[1].pid, signal.SIGKILL)
            await eventually(lambda: told[-1] == [True, False])
            facts = await one(desktops, 1).look()
            assert "has ended" in facts.problem
            assert "started again by itself" in facts.remedy
            assert one(desktops, 1).environment == {}
            with pytest.raises(ScreenUnreachedError, match="has ended"):
                await one(desktops, 1).grab()
            desktops.wake()  # some other slot became free
            assert (await one(desktops, 0).look()).problem == ""

            bots.slots.clear()
            desktops.wake()
            await eventually(lambda: one(desktops, 1).is_there)
            assert (await one(desktops, 1).look()).problem == ""
            after = records_of(tmp_path)
            assert (after[0].pid, after[1].pid != before[1].pid) == (before[0].pid, True)
            assert told == [[True, False], [True, True], [True, False], [True, True]], "nothing under the bot"
            await desktops.end(at_once=True)


async def test_the_next_daemon_adopts_them_and_ends_what_nobody_wants(tmp_path: Path) -> None:
    """By pid, start and cookie. Fewer slots, another size: replaced or ended, but never under a bot."""
    need_programs("Xvfb", "openbox")
    with nothing_left(tmp_path):
        async with kept(desktops_of(tmp_path, plan_of(3, "Xvfb", manager=True))):
            await eventually(lambda: len([1 for record in records_of(tmp_path) if record.manager_pid]) == 3)
        before = {record.slot: record for record in records_of(tmp_path)}
        # A daemon that died between start and note: its server is known by its command line alone.
        Records(tmp_path, SystemDisk()).forget(1)

        bots = Bots()
        bots.slots.add(2)
        desktops = desktops_of(tmp_path, plan_of(2, "Xvfb", manager=True), bots)
        async with kept(desktops):
            assert one(desktops, 0).is_there, "adopted at once"
            await one(desktops, 1).until_known()
            now = {record.slot: record for record in records_of(tmp_path)}
            assert (now[0], now[2]) == (before[0], before[2]), "slot 2 is wanted no more, but has a bot"
            assert now[1].pid != before[1].pid
            living = {process.pid for process in processes_of(tmp_path)}
            assert before[1].pid not in living
            assert {now[0].pid, now[0].manager_pid, now[2].pid} <= living

        bots.slots = {0}
        desktops = desktops_of(tmp_path, plan_of(2, "Xvfb"), bots)
        async with kept(desktops):
            await eventually(lambda: {record.slot for record in records_of(tmp_path)} == {0, 1})
            await eventually(lambda: [record.made.window_manager for record in records_of(tmp_path)][1:] == [""])
            assert records_of(tmp_path)[0].pid == now[0].pid, "made otherwise, but a bot has it"
            await desktops.end(at_once=False)
            assert [record.slot for record in records_of(tmp_path)] == [0], "a polite end leaves the bot its desktop"
            await desktops.end(at_once=True)
    assert processes_of(tmp_path) == []


async def test_a_server_that_does_not_start_says_why_and_is_tried_again(tmp_path: Path) -> None:
    need_programs("Xvfb")
    broken = tmp_path / "Xvfb"
    broken.write_text("#!/bin/sh\necho 'Fatal server error: no room here' >&2\nexit 1\n")
    broken.chmod(0o700)
    plan = plan_of(1, "Xvfb")
    desktops = desktops_of(tmp_path, replace(plan, program=str(broken)))
    with nothing_left(tmp_path):
        async with kept(desktops):
            await one(desktops, 0).until_known()
            assert "no room here" in (await one(desktops, 0).look()).problem
            broken.unlink()
            broken.symlink_to(plan.program)
            await eventually(lambda: one(desktops, 0).is_there)
            await desktops.end(at_once=True)
