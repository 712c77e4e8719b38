"""The picture of a failure is from before the end, and survives the daemon; so does a recording. No bot is at stake."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from weakref import ref

import pytest

from agent.desktops.port import Frame
from agent.ports import SystemDisk
from agent.screens import pictures
from agent.screens.animation import Animation
from agent.screens.pictures import FAILURE_NAME, GIVEN, KEPT, RECORDING_NAME, Pictures, give, is_due
from tests.support.clock import ShiftedClock
from tests.support.pictures import BLUE, PaintedDesktop, dotted, plain, read_pictures, read_png
from tests.support.waiting import eventually

EMPTY, WINDOW, MESSAGE = plain(), dotted(plain(), (3, 3)), plain(colour=BLUE)
DISK = SystemDisk()


class Seen(Frame):
    """One of which can be said whether anybody still has it."""

    __slots__ = ("__weakref__",)


@dataclass(slots=True)
class Bot:
    """One execution with its desktop."""

    folder: Path
    desktop: PaintedDesktop
    kept: Pictures
    over: asyncio.Event

    async def shows(self, frame: Frame) -> None:
        """Its desktop changes, and a picture of it is kept."""
        self.desktop.frame = frame
        await eventually(lambda: self.newest() == frame)

    def newest(self) -> Frame | None:
        """The newest picture that is kept."""
        data = DISK.read(self.folder / KEPT / "newest.png")
        return read_png(data) if data else None

    async def ends(self) -> None:
        """The bot has ended."""
        self.over.set()
        await self.kept.ended.wait()

    def given(self, *, failed: bool) -> dict[str, bytes]:
        """What the collector finds."""
        give(self.folder, DISK, failed=failed)
        return {name: (self.folder / GIVEN / name).read_bytes() for name in DISK.names(self.folder / GIVEN)}


@pytest.fixture(autouse=True)
def _in_quick_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "EVERY_S", 0.02)
    monkeypatch.setattr(pictures, "RECORDED_EVERY_S", 0.01)


@asynccontextmanager
async def running(
    folder: Path, first: Frame = EMPTY, *, record: bool = False, max_bytes: int = 2**20
) -> AsyncIterator[Bot]:
    """A bot that has begun, its desktop still empty."""
    desktop, over = PaintedDesktop(frame=first), asyncio.Event()
    del first
    kept = Pictures(
        execution_id="exe_1",
        folder=folder,
        desktop=desktop,
        clock=ShiftedClock(),
        disk=DISK,
        of_failure=True,
        record=record,
        max_bytes=max_bytes,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(kept.keep(over, lambda: not over.is_set()))
        await eventually(lambda: desktop.grabs > 1)
        yield Bot(folder, desktop, kept, over)
        over.set()


async def test_the_picture_is_the_newest_before_the_end(tmp_path: Path) -> None:
    """A bot that crashed: what it showed last."""
    async with running(tmp_path) as bot:
        await bot.shows(WINDOW)
        await bot.shows(MESSAGE)
        await bot.ends()
    assert is_due(tmp_path, DISK, failed=True)
    assert read_png(bot.given(failed=True)[FAILURE_NAME]) == MESSAGE
    assert (tmp_path / GIVEN / FAILURE_NAME).stat().st_mode & 0o777 == 0o600
    assert bot.given(failed=True).keys() == {FAILURE_NAME}, "asked again after a crash, it is still there"


async def test_a_bot_that_succeeded_leaves_no_picture(tmp_path: Path) -> None:
    """Nothing has to be brought for it: its end is told in one step."""
    async with running(tmp_path) as bot:
        await bot.shows(WINDOW)
        await bot.ends()
    assert not is_due(tmp_path, DISK, failed=False)
    assert bot.given(failed=False) == {}


async def test_windows_that_were_closed_before_the_end_are_in_the_picture(tmp_path: Path) -> None:
    """A bot that tidies up when it fails leaves the desktop as it was: that says nothing of why."""
    async with running(tmp_path) as bot:
        await bot.shows(WINDOW)
        bot.desktop.frame, grabs = EMPTY, bot.desktop.grabs
        await eventually(lambda: bot.desktop.grabs > grabs + 3)
        await bot.kept.fix()
        await bot.ends()
    assert read_png(bot.given(failed=True)[FAILURE_NAME]) == WINDOW


async def test_a_reported_failure_is_taken_at_once(tmp_path: Path) -> None:
    """And what the bot shows afterwards does not replace it."""
    async with running(tmp_path) as bot:
        await bot.shows(WINDOW)
        bot.desktop.frame = MESSAGE
        await bot.kept.fix()
        bot.desktop.frame, grabs = WINDOW, bot.desktop.grabs
        await eventually(lambda: bot.desktop.grabs > grabs + 3)
        await bot.ends()
    assert read_png(bot.given(failed=True)[FAILURE_NAME]) == MESSAGE


async def test_what_a_stopped_bot_shows_is_not_taken(tmp_path: Path) -> None:
    """Its shim had begun to end it before this daemon knew."""
    async with running(tmp_path) as bot:
        await bot.shows(WINDOW)
        bot.kept.leave()
        bot.desktop.frame, grabs = MESSAGE, bot.desktop.grabs
        await eventually(lambda: bot.desktop.grabs > grabs + 3)
        await bot.ends()
    assert read_png(bot.given(failed=True)[FAILURE_NAME]) == WINDOW


async def test_the_next_daemon_goes_on(tmp_path: Path) -> None:
    """With the picture and the recording that it finds, torn or whole; a fixed picture stays."""
    async with running(tmp_path, record=True) as bot:
        await bot.shows(WINDOW)
        bot.over.set()
    with (tmp_path / KEPT / RECORDING_NAME).open("ab") as file:
        file.write(b"torn")
    async with running(tmp_path, WINDOW, record=True) as bot:
        await bot.shows(MESSAGE)
        await bot.kept.fix()
        bot.over.set()
    async with running(tmp_path, EMPTY, record=True) as bot:
        await bot.ends()
    given = bot.given(failed=True)
    assert read_png(given[FAILURE_NAME]) == MESSAGE
    shown = [one.frame for one in read_pictures(given[RECORDING_NAME])]
    assert shown == [EMPTY, WINDOW, WINDOW, MESSAGE, EMPTY]


async def test_a_recording_that_is_full_ends_and_says_so(tmp_path: Path) -> None:
    """The bot goes on, and so does the picture of its failure."""
    async with running(tmp_path, record=True, max_bytes=400) as bot:
        for number in range(12):
            await bot.shows(dotted(WINDOW, (number, 2 * number)))
        await bot.ends()
    assert bot.kept.left_out == [f"{RECORDING_NAME}: ends before the bot did: it has 0 MiB, no more are kept"]
    given = bot.given(failed=True)
    assert len(given[RECORDING_NAME]) <= 400
    assert len(read_pictures(given[RECORDING_NAME])) < 12
    assert read_png(given[FAILURE_NAME]) == dotted(WINDOW, (11, 22))


async def test_a_desktop_that_is_gone_costs_a_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line of the log, however often it is looked at; it is taken again when it is back."""
    async with running(tmp_path) as bot:
        bot.desktop.problem, grabs = "The X server :1 is gone.", bot.desktop.grabs
        await eventually(lambda: bot.desktop.grabs > grabs + 3)
        bot.desktop.problem = ""
        await bot.shows(WINDOW)
        await bot.ends()
    assert caplog.text.count("is gone") == 1


async def test_a_bot_that_plays_with_the_folder_costs_a_picture(tmp_path: Path) -> None:
    """A link in its place is not followed: nothing is written elsewhere."""
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "execution"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / KEPT).symlink_to(elsewhere)
    desktop, over = PaintedDesktop(), asyncio.Event()
    kept = Pictures(
        execution_id="exe_1",
        folder=folder,
        desktop=desktop,
        clock=ShiftedClock(),
        disk=DISK,
        of_failure=True,
        record=True,
    )
    await kept.keep(over, lambda: True)
    give(folder, DISK, failed=True)
    assert list(elsewhere.iterdir()) == []
    assert not (folder / GIVEN).exists()


async def test_a_link_in_place_of_a_draft_is_not_written_through(tmp_path: Path) -> None:
    """Nor is one that takes the folder's place while the bot runs: what it points to stays as it was."""
    mine, elsewhere, folder = tmp_path / "mine", tmp_path / "elsewhere", tmp_path / "execution"
    mine.write_bytes(b"mine")
    elsewhere.mkdir()
    folder.mkdir()
    async with running(folder) as bot:
        for name in ("newest", "failed"):
            (folder / KEPT / f"{name}.png.draft").symlink_to(mine)
        await bot.shows(WINDOW)
        (folder / KEPT).rename(folder / "moved")
        (folder / KEPT).symlink_to(elsewhere)
        bot.desktop.frame, grabs = MESSAGE, bot.desktop.grabs
        await eventually(lambda: bot.desktop.grabs > grabs + 3)
        await bot.kept.fix()
        await bot.ends()
    assert mine.read_bytes() == b"mine"
    assert list(elsewhere.iterdir()) == []
    (elsewhere / "failed.png").write_bytes(b"not this bot's")
    assert bot.given(failed=True) == {}, "nor is anything brought from there"


async def test_a_loop_in_place_of_the_folder_costs_a_picture(tmp_path: Path) -> None:
    """Its end is told all the same."""
    (tmp_path / KEPT).symlink_to(KEPT)
    assert not is_due(tmp_path, DISK, failed=True)
    give(tmp_path, DISK, failed=True)
    assert not (tmp_path / GIVEN).exists()


async def test_no_error_leaves_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a bot made of its files may be too much for memory: that costs a recording or a picture, and no task."""
    (tmp_path / KEPT).mkdir()
    Animation.begin(tmp_path / KEPT / RECORDING_NAME, EMPTY, 0.0).close()

    def fails(*_: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(Animation, "add", fails)
    async with running(tmp_path, record=True) as bot:
        await bot.shows(WINDOW)
        monkeypatch.setattr(pictures, "encode", fails)
        await bot.kept.fix()
        await bot.ends()
    assert bot.kept.left_out == [f"{RECORDING_NAME}: ends before the bot did: it can't be gone on with: MemoryError()"]
    assert caplog.text.count("no picture of its desktop: MemoryError()") == 1
    assert read_png(bot.given(failed=True)[FAILURE_NAME]) == WINDOW


async def test_no_error_of_their_beginning_leaves_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The execution would begin again for it, until it is given up."""
    monkeypatch.setattr(Pictures, "_begin", lambda _: 1 // 0)
    async with asyncio.timeout(30):
        kept = Pictures(
            execution_id="exe_1",
            folder=tmp_path,
            desktop=PaintedDesktop(),
            clock=ShiftedClock(),
            disk=DISK,
            of_failure=True,
            record=True,
        )
        await kept.keep(asyncio.Event(), lambda: True)
    assert kept.ended.is_set()


async def test_no_picture_stays_in_memory(tmp_path: Path) -> None:
    """One has 8 MB at 1920x1080, and many bots may run: what is compared later is known by its digest."""
    seen: list[Frame] = [Seen(width=40, height=30, pixels=frame.pixels) for frame in (EMPTY, WINDOW, MESSAGE)]
    known = [ref(frame) for frame in seen]
    async with running(tmp_path, seen.pop(0)) as bot:
        for _ in range(2):
            frame = bot.desktop.frame = seen.pop(0)
            await eventually(lambda: (newest := bot.newest()) is not None and newest.pixels == frame.pixels)  # noqa: B023
        await bot.ends()
        frame = bot.desktop.frame = EMPTY
        await eventually(lambda: [one() for one in known] == [None, None, None])
        assert bot.kept.ended.is_set()
