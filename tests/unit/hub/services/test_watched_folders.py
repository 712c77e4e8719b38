"""Runners are told the whole set of folders: at each resume, after each change, and never the same twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.wire.watching import FOLDERS_IN_A_PAGE, Watch, WatchedFolder
from hub.domain.trigger import TriggerKind
from hub.services import triggers
from hub.services.triggers import NewTrigger
from hub.services.watched_folders import WatchedFolders, pages_of, version_of
from tests.support.clock import FakeClock
from tests.support.waiting import eventually
from tests.support.work_world import ADMIN, OTHER_RUNNER, PlayedSession, WorkWorld, work_world


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[WorkWorld]:
    """A hub's services with the loop that tells."""
    async with work_world(f"sqlite:///{tmp_path / 'hub.db'}", clock) as made:
        running = asyncio.create_task(WatchedFolders(made.store, made.sessions, made.signals).run())
        yield made
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def sets(session: PlayedSession) -> list[list[str]]:
    """The folders of each set that it was told."""
    return [[one.folder for one in told.folders] for told in session.sent if isinstance(told, Watch)]


async def define(world: WorkWorld, label: str, runner: str = "vm1") -> None:
    """A trigger of a folder of that name."""
    definition = {"runner": runner, "folder": f"/{label}"}
    new = NewTrigger(label=label, automation="invoices", kind=TriggerKind.FILE, definition=definition)
    await world.store.write(triggers.create, ADMIN, new)


async def test_the_whole_set_is_told_at_each_resume_and_after_each_change(world: WorkWorld) -> None:
    first, other = await world.connect(), await world.connect(OTHER_RUNNER)
    await eventually(lambda: (sets(first), sets(other)) == ([[]], [[]]))
    await define(world, "a")
    await eventually(lambda: sets(first) == [[], ["/a"]])
    again = await world.connect()
    await eventually(lambda: sets(again) == [["/a"]])
    for use_case in (triggers.pause, triggers.resume, triggers.delete):
        await world.store.write(use_case, ADMIN, "a")
        count = len(sets(again)) + 1
        await eventually(lambda count=count: len(sets(again)) == count)  # type: ignore[misc]  # bound at once
    assert [["/a"], [], ["/a"], []] == sets(again)
    assert [[]] == sets(other)


async def test_what_does_not_concern_a_runner_is_not_told(world: WorkWorld) -> None:
    session = await world.connect()
    await define(world, "a")
    await define(world, "b", "vm2")
    await world.store.write(triggers.edit, ADMIN, "a", {"name": "Inbox"})
    await define(world, "c")
    await eventually(lambda: ["/a", "/c"] in map(sorted, sets(session)))
    assert len(sets(session)) <= 3


def test_a_large_set_travels_in_pages() -> None:
    one = WatchedFolder(trigger_id="trg_" + "0" * 32, revision="0" * 16, folder="/x", pattern="*")
    for count, pages in ((0, 1), (1, 1), (FOLDERS_IN_A_PAGE, 1), (FOLDERS_IN_A_PAGE + 1, 2)):
        folders = [one.model_copy(update={"folder": f"/{number}"}) for number in range(count)]
        told = pages_of(folders, version_of(folders))
        assert [(number, number == pages - 1) for number in range(pages)] == [(page.page, page.last) for page in told]
        assert folders == [folder for page in told for folder in page.folders]
