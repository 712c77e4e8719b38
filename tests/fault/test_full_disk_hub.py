"""A hub whose disk is full: read-only, told, and back by itself; nothing that was acknowledged is lost (R14)."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.ports.room import free_bytes
from hub.storage.room import ReadOnly, Room
from tests.support.rig import Rig
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# Prints the lines of a range for each file `<first>-<last>` that it is given, until it finds `end`.
SPEAKER = """
import json, os, pathlib, time
parameters = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder = pathlib.Path(parameters["folder"])
said = 0
while True:
    is_last = (folder / "end").exists()
    wanted = int((folder / "upto").read_text() or 0) if (folder / "upto").exists() else 0
    while said < wanted:
        os.write(1, b"%07d %s\\n" % (said, b"x" * 91))
        said += 1
    if is_last:
        break
    time.sleep(0.02)
"""
# Ends without a word: what it printed is durable before the disk is full, so its task can be settled.
SLEEPER = """
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: os._exit(3))
print("asleep", flush=True)
time.sleep(3600)
"""
LINE_BYTES = 100
MEGABYTE = 10_000
"""Lines of the speaker."""


def spoken(lines: int) -> bytes:
    """What the speaker printed by then."""
    return b"".join(b"%07d %s\n" % (number, b"x" * 91) for number in range(lines))


class Speaker:
    """A bot that prints as many lines as it is told."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self._rig = rig
        self._folder = folder
        self.lines = 0
        self.task_id = ""

    async def start(self) -> None:
        """Deploy and start it."""
        self._folder.mkdir()
        await self._rig.deploy("speaker", {"main.py": SPEAKER})
        self.task_id = await self._rig.submit("speaker", folder=str(self._folder))

    def say(self, lines: int, *, end: bool = False) -> None:
        """Print so many more lines; returns at once."""
        self.lines += lines
        draft = self._folder / "draft"
        draft.write_text(str(self.lines))
        draft.replace(self._folder / "upto")
        if end:
            (self._folder / "end").touch()

    async def shown(self) -> None:
        """Wait until the hub shows the last line."""
        await self._rig.printed(self.task_id, b"%07d " % (self.lines - 1), within=60)

    async def is_whole(self) -> None:
        """It succeeded, and the hub has every byte of it."""
        task = await self._rig.finished(self.task_id, within=90)
        assert (task["outcome"], task["output"]["state"]) == ("succeeded", "complete")
        stored = await self._rig.output(self.task_id)
        assert hashlib.sha256(spoken(self.lines)).hexdigest() == hashlib.sha256(stored).hexdigest()


@asynccontextmanager
async def hub_on_small_disk(tmp_path: Path, size: str) -> AsyncIterator[tuple[Rig, Path, Speaker]]:
    """A rig whose hub keeps its data on a disk of its own, a runner with two slots, and a speaker that has begun."""
    with small_disk(tmp_path / "small", size) as disk:
        (disk / "data").mkdir(mode=0o700)
        (tmp_path / "data").symlink_to(disk / "data")
        async with Rig(tmp_path) as rig:
            await rig.add_runner("desk-1", "--slots", "2")
            speaker = Speaker(rig, tmp_path / "speech")
            await speaker.start()
            speaker.say(100)
            await speaker.shown()
            yield rig, disk, speaker


async def health(rig: Rig) -> str:
    """What ``/readyz`` says."""
    async with rig.client() as session, session.get(f"{rig.url}/readyz") as answer:
        assert answer.status == 200
        return await answer.text()


async def is_read_only(rig: Rig) -> bool:
    """Whether the hub says so."""
    return "read-only: disk" in await health(rig)


async def events(rig: Rig) -> list[str]:
    """Kinds of the hub's own events."""
    page = await rig.get("/api/v1/events?limit=200")
    return [event["kind"] for event in page["items"] if event["kind"].startswith("hub.")]


async def test_a_full_disk_stops_nothing_but_what_is_new(tmp_path: Path) -> None:
    """R14, G1: no ack without room, reads and cancels work, bots go on; recovers by itself, in the same process."""
    async with hub_on_small_disk(tmp_path, "48m") as (rig, disk, speaker):
        await rig.deploy("sleeper", {"main.py": SLEEPER})
        sleeper = await rig.submit("sleeper")
        await rig.printed(sleeper, b"asleep")
        pids = rig.hub.pid, rig.runners["desk-1"].pid
        # when the disk fills while a bot prints more than a window holds
        filler = fill(disk)
        speaker.say(12 * MEGABYTE, end=True)
        await eventually(lambda: is_read_only(rig), within=30)
        # then it is told wherever one looks
        metrics = (await rig.get("/metrics")).decode()
        assert "botyard_read_only 1.0" in metrics
        assert ["hub.read_only"] == await eventually(lambda: events(rig), within=20)
        refused = await rig.botyard("run", "sleeper", code=None)
        assert refused.code == 1
        assert b"read-only: its disk is full. Free some space" in refused.err
        # what was shown is shown, and what ends things works: the reserve is for that
        assert b"0000099 " in await rig.output(speaker.task_id)
        await rig.botyard("task", "cancel", sleeper)
        assert "canceled" == (await rig.finished(sleeper, within=60))["outcome"]
        # and it stays so: nobody ate the reserve
        assert await is_read_only(rig)
        # and with room it goes on by itself
        filler.unlink()

        async def is_back() -> bool:
            return not await is_read_only(rig)

        await eventually(is_back, within=30)
        await speaker.is_whole()
        assert ["hub.read_only", "hub.writable"] == sorted(await events(rig))
        assert pids == (rig.hub.pid, rig.runners["desk-1"].pid)
        assert rig.hub.alive
        assert (await rig.botyard("run", "sleeper", code=None)).code == 0


async def test_a_hub_killed_on_a_full_disk_has_acknowledged_nothing_that_it_lost(tmp_path: Path) -> None:
    """R14, R1, G1: killed while it was read-only, started when there is room: every byte is there."""
    async with hub_on_small_disk(tmp_path, "48m") as (rig, disk, speaker):
        filler = fill(disk)
        speaker.say(6 * MEGABYTE)
        await eventually(lambda: is_read_only(rig), within=30)
        await rig.hub.kill()
        filler.unlink()
        await rig.start_hub()
        speaker.say(100, end=True)
        await speaker.is_whole()
        assert (disk / "data" / "reserve").exists()


async def test_a_hub_starts_on_a_full_disk_and_serves_what_it_has(tmp_path: Path) -> None:
    """R14: a machine that starts with a full disk has its hub, read-only; the reserve of its last life lets it."""
    async with hub_on_small_disk(tmp_path, "48m") as (rig, disk, speaker):
        await rig.hub.end()
        filler = fill(disk)
        await rig.start_hub()
        speaker.say(100, end=True)
        assert b"0000099 " in await rig.output(speaker.task_id)
        await eventually(lambda: is_read_only(rig), within=30)
        filler.unlink()
        await speaker.is_whole()


async def test_an_upload_that_does_not_fit_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """R14, R53: a package larger than the disk leaves nothing behind, and the hub writable."""
    async with hub_on_small_disk(tmp_path, "24m") as (rig, disk, speaker):
        before = free_bytes(disk)
        folder = rig.bot("large", {"main.py": "print()"})
        with (folder / "ballast").open("wb") as file:
            for _ in range(30):
                file.write(await asyncio.to_thread(_noise))
        refused = await rig.botyard("deploy", str(folder), "--bot", "large", code=None, within=120)
        assert refused.code == 1
        assert b"room for this on the hub's disk" in refused.err or b"read-only" in refused.err

        async def is_clean() -> bool:
            return not await is_read_only(rig) and free_bytes(disk) > before - 3 * 2**20

        await eventually(is_clean, within=30)
        speaker.say(100, end=True)
        await speaker.is_whole()


def _noise() -> bytes:
    """A megabyte that no archive makes smaller."""
    return random.randbytes(2**20)


def test_the_reserve_is_given_up_once_and_taken_where_it_fits_twice(tmp_path: Path) -> None:
    """R14: released by the first who finds no room; taken again with hysteresis."""
    told: list[str] = []
    with small_disk(tmp_path / "small", "4m") as disk:
        room = Room([disk], 256 * 1024)
        room.begin()
        room.watch(lambda: told.append("full"))
        assert (disk / "reserve").stat().st_size == 256 * 1024
        filler = fill(disk)
        assert not free_bytes(disk)
        # given up once
        assert [True, False] == [room.note_full(), room.note_full()]
        assert free_bytes(disk) == 256 * 1024
        assert ["full"] == told
        with pytest.raises(ReadOnly):
            room.check()
        # room for one of it is not enough
        assert not room.recover()
        assert free_bytes(disk) == 256 * 1024
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - 256 * 1024)
        assert room.recover()
        assert not room.is_full
        assert free_bytes(disk) == 256 * 1024
        room.check()


def test_a_hub_that_begins_without_room_for_its_reserve_is_read_only(tmp_path: Path) -> None:
    """R14: what cannot be kept free is not promised."""
    with small_disk(tmp_path / "small", "4m") as disk:
        filler = fill(disk)
        room = Room([disk, disk])
        room.begin()
        assert room.is_full
        filler.unlink()
        assert room.recover()
        assert not room.is_full
