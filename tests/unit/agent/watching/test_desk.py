"""Watched folders on a real file system, with a played hub: what happens to a folder, and what is told of it."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from watchfiles._rust_notify import WatchfilesRustInternalError

from agent.ports.clock import SystemClock
from agent.watching import WatchDesk, bells, watcher
from agent.watching.settling import Settling
from agent.wire.watching import FilesFound, FilesTaken, FolderNews, FolderTold, FoundFile, Watch, WatchedFolder
from tests.support.waiting import eventually

TRIGGER = "trg_" + "1" * 32
REVISION = "0" * 16


@dataclass(kw_only=True)
class PlayedHub:
    """Answers what it is told, while it is there."""

    desk: WatchDesk = field(init=False)
    is_there: bool = True
    is_answering: bool = True
    files: list[FoundFile] = field(default_factory=list)
    states: list[FolderTold] = field(default_factory=list)

    def hear(self, news: FolderNews) -> bool:
        """Something is told."""
        if not self.is_there:
            return False
        if isinstance(news, FilesFound):
            self.files += news.files
        else:
            self.states.append(news)
        if self.is_answering:
            asyncio.get_running_loop().call_soon(self.desk.answered, FilesTaken(number=news.number))
        return True

    def watch(self, *folders: WatchedFolder, version: str = "1") -> None:
        """This is to be watched."""
        self.desk.want(Watch(version=version, folders=folders))

    @property
    def names(self) -> list[str]:
        """Of the files that were told, each under its first name: a file that was renamed may be told again."""
        first = {(file.inode, file.mtime_ns, file.size): Path(file.path).name for file in reversed(self.files)}
        return list(first.values())

    @property
    def trouble(self) -> str | None:
        """What it was told last."""
        return self.states[-1].trouble if self.states else None

    async def knows(self, *names: str) -> None:
        """Wait until it was told just these files, once each."""
        await eventually(lambda: Counter(self.names) == Counter(names), within=30, saying=f"{names}")


@asynccontextmanager
async def played(*, is_answering: bool = True) -> AsyncIterator[PlayedHub]:
    """A hub and the desk of its runner."""
    hub = PlayedHub(is_answering=is_answering)
    hub.desk = WatchDesk(SystemClock(), hub.hear)
    running = asyncio.create_task(hub.desk.run())
    try:
        yield hub
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def a_folder(path: Path, **members: object) -> WatchedFolder:
    """It is to be watched."""
    values = {"folder": str(path), "pattern": "*", "stable_s": 0.1, **members}
    return WatchedFolder.model_validate({"trigger_id": TRIGGER, "revision": REVISION, **values})


async def test_what_lies_there_what_comes_and_what_is_renamed_into_it_is_told_once(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "first.csv").write_text("1")
    async with played() as hub:
        hub.watch(a_folder(inbox, pattern="*.csv"))
        await hub.knows("first.csv")
        (inbox / "second.csv").write_text("2")
        (inbox / "other.txt").write_text("3")
        (inbox / ".hidden.csv").write_text("4")
        (tmp_path / "third.csv").write_text("5")
        (tmp_path / "third.csv").rename(inbox / "third.csv")
        await hub.knows("first.csv", "second.csv", "third.csv")
        assert hub.trouble == ""
        (inbox / "other.txt").rename(inbox / "fourth.csv")
        (inbox / "first.csv").rename(inbox / "done.csv")
        await hub.knows("first.csv", "second.csv", "third.csv", "fourth.csv")
        (inbox / "second.csv").write_text("changed")
        await hub.knows("first.csv", "second.csv", "second.csv", "third.csv", "fourth.csv")


async def test_a_folder_that_is_a_link_itself_is_watched_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    inbox = tmp_path / "inbox"
    inbox.symlink_to(tmp_path / "real")
    async with played() as hub:
        hub.watch(a_folder(inbox))
        await eventually(lambda: hub.states, within=30)
        (inbox / "a").write_text("a")
        await hub.knows("a")
        assert str(inbox / "a") == hub.files[0].path


async def test_a_file_that_grows_is_told_once_at_its_end(tmp_path: Path) -> None:
    async with played() as hub:
        hub.watch(a_folder(tmp_path, stable_s=0.6))
        await eventually(lambda: hub.states, within=30)
        growing = tmp_path / "growing"
        for _ in range(20):
            with growing.open("ab") as file:
                file.write(b"x" * 1000)
            await asyncio.sleep(0.05)  # it takes its time: that is what the test is about
        await hub.knows("growing")
        assert hub.files[0].size == 20_000


async def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    (inbox / "below" / "deeper").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("s")
    (inbox / "link").symlink_to(outside)
    (inbox / "file").symlink_to(outside / "secret")
    (inbox / "below" / "deeper" / "good").write_text("g")
    async with played() as hub:
        hub.watch(a_folder(inbox, recursive=True))
        await hub.knows("good")
        (outside / "later").write_text("l")
        (outside / "moved" / "in").mkdir(parents=True)
        (outside / "moved" / "in" / "better").write_text("b")
        (outside / "moved").rename(inbox / "moved")
        await hub.knows("good", "better")
        (inbox / "moved" / "in" / "best").write_text("b")
        await hub.knows("good", "better", "best")


async def test_a_folder_that_is_not_there_goes_and_comes_back_is_told(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    async with played() as hub:
        hub.watch(a_folder(inbox))
        await eventually(lambda: hub.trouble == f"{inbox} does not exist", within=30)
        inbox.mkdir()
        (inbox / "one").write_text("1")
        await hub.knows("one")
        await eventually(lambda: hub.trouble == "", within=30)
        (inbox / "one").unlink()
        inbox.rmdir()
        await eventually(lambda: hub.trouble == f"{inbox} does not exist", within=30)
        inbox.write_text("no folder")
        await eventually(lambda: hub.trouble == f"{inbox} is no folder", within=30)
        inbox.unlink()
        inbox.mkdir()
        (inbox / "two").write_text("2")
        await hub.knows("one", "two")
        await eventually(lambda: hub.trouble == "", within=30)


async def test_what_was_not_answered_is_told_again_in_the_next_session(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    async with played(is_answering=False) as hub:
        hub.watch(a_folder(tmp_path))
        await hub.knows("a")
        hub.is_there = False
        (tmp_path / "b").write_text("b")
        hub.is_there = hub.is_answering = True
        hub.desk.opened()
        await hub.knows("a", "b")
        assert ["a", "a", "b"] == sorted(Path(file.path).name for file in hub.files)
        assert {False} == {file.answered for file in hub.files}


async def test_thousands_of_files_are_told_in_pages_each_once(tmp_path: Path) -> None:
    names = [f"{number:04}" for number in range(3000)]
    for name in names:
        (tmp_path / name).touch()
    async with played() as hub:
        hub.watch(a_folder(tmp_path, leave_existing=True))
        await hub.knows(*names)
        assert all(file.was_there for file in hub.files)
        await eventually(lambda: hub.states and hub.states[-1].files == 3000, within=30)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
async def test_a_name_that_is_no_text_is_shown_and_the_others_are_told_all_the_same(tmp_path: Path) -> None:
    async with played() as hub:
        hub.watch(a_folder(tmp_path))
        await eventually(lambda: hub.states, within=30)
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff")).write_text("o")
        (tmp_path / "good").write_text("g")
        await eventually(lambda: len(hub.files) == 2, within=30)
        (tmp_path / "later").write_text("l")
        await eventually(lambda: len(hub.files) == 3, within=30)
        assert {("odd\\udcff", False), ("good", True), ("later", True)} == {
            (Path(file.path).name, file.is_text) for file in hub.files
        }


async def test_the_set_is_followed_and_the_same_version_changes_nothing(tmp_path: Path) -> None:
    """What is not wanted any more is left alone at once; pages count when the last one is there."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    other = a_folder(two).model_copy(update={"trigger_id": "trg_" + "2" * 32})
    async with played() as hub:
        hub.watch(a_folder(one))
        await eventually(lambda: hub.states, within=30)
        hub.watch(other)  # the same version
        hub.desk.want(Watch(version="2", page=1, last=True))  # out of its order
        hub.desk.want(Watch(version="3", page=0, last=False, folders=(other,)))
        (two / "early").write_text("e")
        (one / "a").write_text("a")
        await hub.knows("a")
        hub.desk.want(Watch(version="3", page=1, last=True))
        await hub.knows("a", "early")
        (one / "b").write_text("b")
        (two / "c").write_text("c")
        await hub.knows("a", "early", "c")


@pytest.mark.parametrize("years", [-400, 400])
async def test_a_file_of_any_date_is_told_and_ends_nothing(tmp_path: Path, years: int) -> None:
    """Such as one after 2262: nanoseconds since 1970 are more than 63 bits then."""
    odd, seconds = tmp_path / "odd", years * 31_556_952
    odd.touch()
    os.utime(odd, (0, seconds))
    if int(odd.stat().st_mtime) != seconds:
        pytest.skip("this file system holds no such date")
    async with played() as hub:
        hub.watch(a_folder(tmp_path))
        await hub.knows("odd")
        assert abs(hub.files[0].mtime_ns) == 2**63 - 1
        (tmp_path / "later").touch()
        await hub.knows("odd", "later")


async def test_a_folder_that_fails_is_a_trouble_tries_again_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    for folder in (bad, good):
        folder.mkdir()
    ask, failures = Settling.ask, list[int]()

    def fails(settling: Settling, at_most: int) -> list[object]:
        ready = ask(settling, at_most)
        if len(failures) < 2 and any(Path(one.path).name == "poison" for one in ready):
            failures.append(1)
            raise ValueError("no message holds this")
        return list(ready)

    monkeypatch.setattr(Settling, "ask", fails)
    monkeypatch.setattr(watcher, "_REST_S", 0.5)
    async with played() as hub:
        hub.watch(a_folder(bad), a_folder(good).model_copy(update={"trigger_id": "trg_" + "2" * 32}))
        await eventually(lambda: len(hub.states) == 2, within=30)
        (bad / "poison").touch()
        await eventually(lambda: "ValueError: no message holds this" in str(hub.trouble), within=30)
        (good / "a").touch()
        await hub.knows("poison", "a")
        await eventually(lambda: hub.trouble == "", within=30)
        assert len(failures) == 2


async def test_where_the_system_has_no_bells_left_folders_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is when all instances of inotify are taken: the library's own error is no OSError."""

    def none_left(*_: object) -> None:
        raise WatchfilesRustInternalError("Too many open files (os error 24)")

    monkeypatch.setattr(bells, "RustNotify", none_left)
    monkeypatch.setattr(watcher, "_LOOK_OFTEN_S", 0.2)
    async with played() as hub:
        hub.watch(a_folder(tmp_path))
        await eventually(lambda: hub.states, within=30)
        (tmp_path / "a").touch()
        await hub.knows("a")
